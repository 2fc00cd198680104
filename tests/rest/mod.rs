//! What only a server has: TLS, a path prefix, artifacts that it does not serve, URIs that it resolves, and
//! what its database makes of it.

mod artifacts;
mod postgres;
mod tls;
