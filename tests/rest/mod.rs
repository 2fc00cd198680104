//! What only a server has: TLS, a path prefix, artifacts that it does not serve, URIs that it resolves, what its database
//! makes of it, and what it is asked.

mod artifacts;
mod connections;
mod loading;
mod postgres;
mod tls;
