//! The settings for one server.

use reqwest::header::HeaderValue;
use url::Url;

use super::credentials;
use super::retry::RetryPolicy;
use super::tls::TlsSettings;
use crate::environment::{self, Environment};
use crate::uri::TrackingUri;
use hydra_base::error::{Error, ErrorKind, Result};

/// The settings for an MLflow server: address, credentials, TLS, retries. `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct RestConfig {
    /// Scheme, host, port and path prefix, without user information and trailing slash.
    pub(super) base: Url,
    /// Marked as sensitive, so `Debug` does not show it.
    pub(super) authorization: Option<HeaderValue>,
    pub(super) workspace: Option<HeaderValue>,
    pub(super) tls: TlsSettings,
    /// For the store to which a server sends its clients.
    pub(super) store_tls: TlsSettings,
    pub(super) retry: RetryPolicy,
}

impl RestConfig {
    /// The settings for the server at `uri`, from the `MLFLOW_*` variables and the credential files (netrc,
    /// `~/.mlflow/credentials`). `Config` names the variable that is not valid.
    pub fn new(uri: &TrackingUri, environment: &Environment) -> Result<Self> {
        let mut base = uri.web_url()?;
        let authorization = credentials::authorization(&base, environment)?;
        strip_user_information(&mut base)?;
        let path = base.path().trim_end_matches('/').to_owned();
        base.set_path(&path);
        let workspace = environment
            .get(environment::WORKSPACE)
            .map(|name| {
                HeaderValue::from_str(name).map_err(|_| {
                    Error::new(ErrorKind::Config, "the name of the workspace is not a valid header value")
                })
            })
            .transpose()?;
        let tls = TlsSettings::new(environment)?;
        tls.check(base.scheme())?;
        let store_tls = TlsSettings::for_store(environment)?;
        Ok(Self { base, authorization, workspace, tls, store_tls, retry: RetryPolicy::new(environment)? })
    }

    /// The same settings for another host, without the tracking server's credentials, client certificate and workspace.
    pub(super) fn without_credentials_at(&self, authority: &str) -> Result<Self> {
        let refuse = || {
            Error::new(ErrorKind::Untrusted, "the host of the artifact URI is malformed")
                .with_context("host", authority.rsplit('@').next().unwrap_or_default())
        };
        let other = Url::parse(&format!("{}://{authority}/", self.base.scheme())).map_err(|_| refuse())?;
        let mut base = self.base.clone();
        base.set_host(other.host_str()).map_err(|_| refuse())?;
        base.set_port(other.port()).map_err(|()| refuse())?;
        Ok(Self {
            base,
            authorization: None,
            workspace: None,
            tls: self.tls.without_identity(),
            store_tls: self.store_tls.clone(),
            retry: self.retry.clone(),
        })
    }

    /// Whether `authority` (`host` or `host:port`) is this server.
    pub(super) fn is_at(&self, authority: &str) -> bool {
        self.without_credentials_at(authority).is_ok_and(|other| other.base.origin() == self.base.origin())
    }
}

fn strip_user_information(url: &mut Url) -> Result<()> {
    let cleared = url.set_username("").and_then(|()| url.set_password(None));
    cleared.map_err(|()| Error::new(ErrorKind::Config, "cannot set a user name in the tracking URI"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(uri: &str, variables: &[(&str, &str)]) -> Result<RestConfig> {
        let environment = variables.iter().copied().collect();
        RestConfig::new(&TrackingUri::new(uri)?, &environment)
    }

    #[test]
    fn no_secret_is_shown_and_the_prefix_stays() {
        let config =
            config("https://ann:hunter2@h:1/a/b/", &[(environment::TOKEN, "hunter3")]).expect("a config");
        assert_eq!(config.base.as_str(), "https://h:1/a/b");
        let shown = format!("{config:?}");
        assert!(!shown.contains("hunter") && !shown.contains("YW5u"), "{shown}");
    }

    #[test]
    fn another_host_gets_no_credentials() {
        let ours = [(environment::WORKSPACE, "team-a"), (environment::CLIENT_CERT_PATH, "/c.pem")];
        let config = config("http://ann:hunter2@h:1/p", &ours).expect("a config");
        let other = config.without_credentials_at("else:99").expect("another host");
        assert_eq!(other.base.as_str(), "http://else:99/p");
        assert!(config.authorization.is_some() && other.authorization.is_none());
        assert!(config.workspace.is_some() && other.workspace.is_none());
        assert_ne!(config.tls, other.tls);
        assert_eq!(other.tls, config.tls.without_identity());
        assert!(!format!("{config:?}").contains("hunter2"));
        let shown = format!("{other:?}");
        assert!(["hunter2", "YW5u", "team-a", "c.pem"].iter().all(|ours| !shown.contains(ours)), "{shown}");
        assert!(config.is_at("h:1") && !config.is_at("h") && !config.is_at("h:2") && !config.is_at("else:1"));
        let error = config.without_credentials_at("a b").expect_err("no host");
        assert_eq!(error.kind(), ErrorKind::Untrusted);
    }

    #[test]
    fn a_standard_port_may_be_left_out() {
        let config = config("https://h", &[]).expect("a config");
        assert!(config.is_at("h:443") && config.is_at("h") && !config.is_at("h:80"));
    }
}
