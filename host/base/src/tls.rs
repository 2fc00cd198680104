//! The TLS implementation of all HTTP clients.

use std::fs;
use std::path::PathBuf;

/// Makes ring the process's TLS provider, unless the embedding program chose one. The HTTP library panics without a
/// provider, so call this before creating a client.
pub fn install_provider() {
    // An error means that a provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// The certificates of Mozilla's authorities where the system has none, like a container that was built from nothing; empty
/// elsewhere. They are as old as this program.
pub fn embedded_authorities() -> impl Iterator<Item = &'static [u8]> {
    let needed = !has_authorities();
    webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().filter(move |_| needed).map(AsRef::as_ref)
}

/// Whether the system has certificates of authorities, as OpenSSL's variables or its usual places name them.
fn has_authorities() -> bool {
    if cfg!(any(windows, target_vendor = "apple")) {
        return true;
    }
    let places = openssl_probe::probe();
    let has_files =
        |directory: &PathBuf| fs::read_dir(directory).is_ok_and(|mut files| files.next().is_some());
    places.cert_file.is_some() || places.cert_dir.iter().any(has_files)
}
