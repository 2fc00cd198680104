//! What only a server has: TLS, a path prefix, artifacts that it does not serve, URIs that it resolves. And what it is asked.

mod artifacts;
mod loading;
mod tls;
