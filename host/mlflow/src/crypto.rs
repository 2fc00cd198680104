//! The TLS implementation of all HTTP clients.

/// Makes ring the process's TLS provider, unless the embedding program chose one. The HTTP library panics without a
/// provider, so call this before creating a client.
pub(crate) fn install_provider() {
    // An error means that a provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
