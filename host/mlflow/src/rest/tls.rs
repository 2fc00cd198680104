//! TLS settings from MLflow's variables, and the HTTP client.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Certificate, Client, ClientBuilder, Identity, redirect};

use crate::environment::{self, Environment};
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::{regular_file, tls};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The variables of proxies for plain HTTP. The HTTP library reads them too.
const PROXY_VARIABLES: [&str; 4] = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];

/// The trusted certificates and the client's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TlsSettings {
    trust: Trust,
    client_certificate: Option<PathBuf>,
    /// A plain HTTP server may be behind a proxy that uses TLS.
    proxy_uses_tls: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Trust {
    Platform,
    Only(PathBuf),
    Anyone,
}

/// A client for a server other than MLflow's. It does not follow redirects.
pub fn client_for_others(scheme: &str, environment: &Environment) -> Result<Client> {
    TlsSettings::for_others(environment).client(scheme)
}

fn proxy_uses_tls(environment: &Environment) -> bool {
    PROXY_VARIABLES.iter().any(|name| environment.get(name).is_some_and(|proxy| proxy.starts_with("https:")))
}

impl TlsSettings {
    /// `Config` if the variables request both a bundle and no verification, as in MLflow.
    pub(super) fn new(environment: &Environment) -> Result<Self> {
        let bundle = environment.path(environment::SERVER_CERT_PATH);
        let trust = match (environment.flag(environment::INSECURE_TLS)?, bundle) {
            (true, Some(_)) => {
                return Err(Error::new(
                    ErrorKind::Config,
                    format!(
                        "cannot use `{}` and `{}` together",
                        environment::INSECURE_TLS,
                        environment::SERVER_CERT_PATH
                    ),
                ));
            }
            (true, None) => Trust::Anyone,
            (false, Some(bundle)) => Trust::Only(bundle),
            // Python's client honours these variables through its HTTP library.
            (false, None) => Self::for_others(environment).trust,
        };
        Ok(Self {
            trust,
            client_certificate: environment.path(environment::CLIENT_CERT_PATH),
            proxy_uses_tls: proxy_uses_tls(environment),
        })
    }

    /// For servers other than MLflow's: without a client certificate, and with the platform's authorities or those that the variables
    /// of Python's HTTP library name.
    fn for_others(environment: &Environment) -> Self {
        let bundle = environment.path("REQUESTS_CA_BUNDLE").or_else(|| environment.path("CURL_CA_BUNDLE"));
        Self {
            trust: bundle.map_or(Trust::Platform, Trust::Only),
            client_certificate: None,
            proxy_uses_tls: proxy_uses_tls(environment),
        }
    }

    /// For the store to which a server sends its clients, with MLflow's variable for stores.
    pub(super) fn for_store(environment: &Environment) -> Result<Self> {
        let mut settings = Self::for_others(environment);
        if environment.flag(environment::S3_IGNORE_TLS)? {
            settings.trust = Trust::Anyone;
        }
        Ok(settings)
    }

    /// Reads the files that the variables name, so that a wrong path is an error before the first request. A server
    /// with the scheme `http` needs no files.
    pub(super) fn check(&self, scheme: &str) -> Result<()> {
        if scheme != "https" {
            return Ok(());
        }
        tls::install_provider();
        self.apply(Client::builder()).map(drop)
    }

    /// The same settings without a client certificate.
    pub(super) fn without_identity(&self) -> Self {
        Self { client_certificate: None, ..self.clone() }
    }

    /// Builds the HTTP client for a server with this scheme. Reading the platform's certificates takes milliseconds, so
    /// it is skipped for plain `http`.
    pub(super) fn client(&self, scheme: &str) -> Result<Client> {
        tls::install_provider();
        let mut builder = Client::builder()
            .user_agent(concat!("hydra-registry/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT);
        builder = if scheme == "https" || self.proxy_uses_tls {
            self.apply(builder)?
        } else {
            // Use a new connection for each request; it costs a fraction of a millisecond. An MLflow server with
            // several worker processes, its default, leaves Nagle's algorithm on and sends an answer in two packets: on
            // a reused connection, the second one waits 40 ms for the delayed acknowledgement of this end.
            builder.tls_certs_only([]).pool_max_idle_per_host(0)
        };
        builder.build().map_err(|error| {
            Error::new(ErrorKind::Config, "cannot set up the HTTP client").with_source(error)
        })
    }

    fn apply(&self, mut builder: ClientBuilder) -> Result<ClientBuilder> {
        match &self.trust {
            Trust::Platform => {
                let embedded = tls::embedded_authorities().map(Certificate::from_der);
                let embedded: Vec<_> = embedded.collect::<Result<_, _>>().map_err(|error| {
                    Error::new(ErrorKind::Config, "cannot use the embedded certificates").with_source(error)
                })?;
                if !embedded.is_empty() {
                    builder = builder.tls_certs_only(embedded);
                }
            }
            Trust::Only(bundle) => {
                let authorities = Certificate::from_pem_bundle(&read(bundle, environment::SERVER_CERT_PATH)?);
                let authorities =
                    authorities.map_err(|error| unusable(bundle, "CA bundle").with_source(error))?;
                if authorities.is_empty() {
                    return Err(unusable(bundle, "CA bundle"));
                }
                builder = builder.tls_certs_only(authorities);
            }
            Trust::Anyone => builder = builder.tls_danger_accept_invalid_certs(true),
        }
        if let Some(path) = &self.client_certificate {
            let identity = Identity::from_pem(&read(path, environment::CLIENT_CERT_PATH)?);
            builder =
                builder.identity(identity.map_err(|e| unusable(path, "client certificate").with_source(e))?);
        }
        Ok(builder)
    }
}

/// The most bytes of a file of certificates.
const MAX_PEM_BYTES: u64 = 16 << 20;

fn read(path: &Path, variable: &str) -> Result<Vec<u8>> {
    regular_file::read(path, MAX_PEM_BYTES, |error| {
        Error::new(ErrorKind::Config, "cannot read a certificate file")
            .with_context("path", path.display())
            .with_hint(format!("check the path in `{variable}`"))
            .with_source(error)
    })
}

fn unusable(path: &Path, what: &str) -> Error {
    Error::new(ErrorKind::Config, format!("the {what} contains no usable PEM"))
        .with_context("path", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Result<TlsSettings> {
        TlsSettings::new(&variables.iter().copied().collect())
    }

    #[test]
    fn trust_follows_mlflows_variables() {
        let trust = |variables: &[_]| settings(variables).expect("settings").trust;
        assert_eq!(trust(&[]), Trust::Platform);
        assert_eq!(trust(&[(environment::INSECURE_TLS, "1")]), Trust::Anyone);
        let bundle = ("REQUESTS_CA_BUNDLE", "/r");
        assert_eq!(trust(&[bundle]), Trust::Only("/r".into()));
        assert_eq!(trust(&[bundle, (environment::SERVER_CERT_PATH, "/s")]), Trust::Only("/s".into()));
        let both = settings(&[(environment::INSECURE_TLS, "true"), (environment::SERVER_CERT_PATH, "/s")]);
        assert_eq!(both.expect_err("both").kind(), ErrorKind::Config);
    }

    #[test]
    fn without_an_identity_the_trust_stays() {
        let trusting = settings(&[(environment::SERVER_CERT_PATH, "/s")]).expect("settings");
        let both = [(environment::SERVER_CERT_PATH, "/s"), (environment::CLIENT_CERT_PATH, "/c")];
        let with_identity = settings(&both).expect("settings");
        assert_ne!(with_identity, trusting);
        assert_eq!(with_identity.without_identity(), trusting);
    }

    #[test]
    fn unusable_files_are_named() {
        let directory = tempfile::tempdir().expect("a directory");
        let junk = directory.path().join("junk.pem");
        std::fs::write(&junk, "not a certificate").expect("a file");
        let missing = directory.path().join("missing.pem");
        for variable in [environment::SERVER_CERT_PATH, environment::CLIENT_CERT_PATH] {
            for path in [&junk, &missing] {
                let settings = settings(&[(variable, path.to_str().expect("a path"))]).expect("settings");
                let error = settings.client("https").expect_err(variable);
                assert_eq!(error.kind(), ErrorKind::Config);
                assert!(error.to_string().contains(path.to_str().expect("a path")), "{error}");
            }
        }
    }

    #[test]
    fn plain_servers_need_no_certificates() {
        settings(&[(environment::SERVER_CERT_PATH, "/missing")])
            .expect("settings")
            .client("http")
            .expect("a client");
    }

    #[test]
    fn a_proxy_that_speaks_tls_needs_certificates() {
        let variables =
            [("ALL_PROXY", "https://proxy.example:1"), (environment::SERVER_CERT_PATH, "/missing")];
        let error = settings(&variables).expect("settings").client("http").expect_err("no bundle");
        assert_eq!(error.kind(), ErrorKind::Config);
    }
}
