//! Behavior specific to servers: TLS, path prefixes, artifacts outside the proxy, URIs that the server resolves, limits
//! of the server's database, transfers that bypass the server, and the number of requests.

mod accounts;
mod artifacts;
mod connections;
mod loading;
mod postgres;
mod proxies;
mod rights;
mod searches;
mod signed;
mod tls;
