//! What only a server has: TLS, a path prefix, artifacts that it does not serve, and URIs that it resolves.

mod artifacts;
mod tls;
