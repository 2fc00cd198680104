//! TLS, with a certificate that is read again when its files change.

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use hydra_base::error::{Error, ErrorKind, Result};

use crate::options::TlsFiles;
use crate::reload::{FromFiles, Stamp};

/// The certificate of a server.
#[derive(Debug)]
pub(crate) struct Tls {
    files: TlsFiles,
    config: ArcSwap<ServerConfig>,
}

impl Tls {
    /// Reads the files. [`ErrorKind::InvalidCertificate`] if they cannot be read, or do not belong together.
    pub(crate) fn read(files: &TlsFiles) -> Result<Self> {
        Ok(Self { files: files.clone(), config: ArcSwap::new(Arc::new(config(files)?)) })
    }

    /// Accepts connections with the present certificate.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.load_full())
    }
}

impl FromFiles for Tls {
    const WHAT: &'static str = "the certificate";

    fn reload(&self) -> Result<()> {
        self.config.store(Arc::new(config(&self.files)?));
        Ok(())
    }

    fn stamp(&self) -> Stamp {
        Stamp::of(&[&self.files.certificate, &self.files.key])
    }
}

fn config(files: &TlsFiles) -> Result<ServerConfig> {
    let failed = |message: &str, path: &Path| {
        Error::new(ErrorKind::InvalidCertificate, message).with_context("path", path.display())
    };
    let TlsFiles { certificate, key } = files;
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect);
    let chain: Vec<CertificateDer<'static>> =
        chain.map_err(|source| failed("cannot read the certificate", certificate).with_source(source))?;
    if chain.is_empty() {
        return Err(failed("the file has no certificate", certificate));
    }
    let private = PrivateKeyDer::from_pem_file(key)
        .map_err(|source| failed("cannot read the private key", key).with_source(source))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = builder.and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private));
    let mut config = config.map_err(|source| {
        failed("the certificate and the key cannot be used", certificate).with_source(source)
    })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
