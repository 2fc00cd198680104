//! The TLS implementation behind every HTTP client.

/// Makes ring the process's TLS provider, unless the embedding program chose one. Without any, the HTTP library panics,
/// so whatever makes a client calls this first.
pub(crate) fn install_provider() {
    // An error means that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
