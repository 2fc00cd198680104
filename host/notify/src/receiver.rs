//! The receivers of events, from `[notify]` in `hydra.toml`.

use std::collections::BTreeSet;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::regular_file;
use hydra_mlflow::environment::Environment;
use hydra_registry::ReceiverConfig;
use url::Url;

use crate::event::EventKind;

/// The most bytes of the file of a secret.
const MAX_SECRET_BYTES: u64 = 16 << 10;

/// The form in which a receiver takes events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Template {
    /// CloudEvents 1.0.
    #[default]
    CloudEvents,
    /// A message for Slack and what takes the same.
    Slack,
}

/// A receiver of events. `Debug` and `Display` show neither its secret nor the path of its address, which often is one.
#[derive(Clone)]
pub struct Receiver {
    /// Its name in `hydra.toml`.
    pub name: String,
    pub(crate) url: Url,
    pub(crate) secret: Option<Vec<u8>>,
    /// The events that it gets.
    pub events: BTreeSet<EventKind>,
    /// The form.
    pub template: Template,
}

impl Receiver {
    /// The receiver of a configuration: `InvalidReceiver` says what is wrong with it.
    pub fn new(name: &str, config: &ReceiverConfig, environment: &Environment) -> Result<Self> {
        let resolved = Self::resolved(name, config, environment);
        resolved.map_err(|error| error.with_context("receiver", name))
    }

    fn resolved(name: &str, config: &ReceiverConfig, environment: &Environment) -> Result<Self> {
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.len() > 40 || !name.chars().all(is_name) {
            return Err(invalid(
                "the name of the receiver has other characters than a-z, 0-9 and -, or more than 40",
            ));
        }
        let url = given(
            config.url.as_ref().map(|url| url.expose()),
            config.url_variable.as_deref(),
            "url",
            environment,
        )?
        .ok_or_else(|| invalid("the receiver has no address").with_hint("set `url`, or `url-variable`"))?;
        // The message of the parser does not quote the address.
        let url = Url::parse(&url)
            .map_err(|error| invalid("the address of the receiver is not a URL").with_source(error))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(invalid("the address of the receiver does not begin with http:// or https://"));
        }
        let events = match &config.events {
            None => EventKind::ALL.into(),
            Some(names) => names.iter().map(|name| name.parse()).collect::<Result<BTreeSet<_>>>()?,
        };
        let template = match config.template.as_deref() {
            None | Some("cloudevents") => Template::CloudEvents,
            Some("slack") => Template::Slack,
            Some(other) => {
                return Err(invalid(format!("the template is not one of this program: `{other}`"))
                    .with_hint("choose from cloudevents, slack"));
            }
        };
        Ok(Self { name: name.to_owned(), url, secret: secret(config, environment)?, events, template })
    }
}

/// The secret: bytes in base64 after `whsec_`, or text.
fn secret(config: &ReceiverConfig, environment: &Environment) -> Result<Option<Vec<u8>>> {
    let text = match (&config.secret_file, config.secret_variable.as_deref()) {
        (Some(_), Some(_)) => return Err(invalid("`secret-file` and `secret-variable` exclude each other")),
        (Some(path), None) => Some(regular_file::read_text(path, MAX_SECRET_BYTES, |source| {
            Error::new(ErrorKind::InvalidReceiver, "cannot read the file with the secret of the receiver")
                .with_context("path", path.display())
                .with_source(source)
        })?),
        (None, variable) => given(None, variable, "secret", environment)?,
    };
    let Some(text) = text else { return Ok(None) };
    let text = text.trim();
    let bytes = match text.strip_prefix("whsec_") {
        Some(encoded) => {
            STANDARD.decode(encoded).map_err(|_| invalid("the secret after `whsec_` is not base64"))?
        }
        None => text.as_bytes().to_vec(),
    };
    if bytes.len() < 16 {
        return Err(invalid("the secret of the receiver has less than 16 bytes")
            .with_hint("make one with `openssl rand -hex 32`"));
    }
    Ok(Some(bytes))
}

/// A value that stands in `hydra.toml`, or in a variable that is named there.
fn given(
    value: Option<&str>,
    variable: Option<&str>,
    what: &str,
    environment: &Environment,
) -> Result<Option<String>> {
    match (value, variable) {
        (Some(_), Some(_)) => Err(invalid(format!("`{what}` and `{what}-variable` exclude each other"))),
        (Some(value), None) => Ok(Some(value.to_owned())),
        (None, None) => Ok(None),
        (None, Some(variable)) => match environment.get(variable) {
            Some(value) => Ok(Some(value.to_owned())),
            None => Err(invalid(format!("the variable is not set: `{variable}`"))),
        },
    }
}

/// An address as it may be shown: scheme and host, because the rest often is a secret.
#[must_use]
pub fn without_secrets(address: &str) -> String {
    Url::parse(address).map_or_else(|_| "***".to_owned(), |url| shown(&url))
}

fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    format!("{}://{host}{port}/***", url.scheme())
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidReceiver, message)
}

impl fmt::Display for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, shown(&self.url))
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("receiver", &self.to_string())
            .field("has_secret", &self.secret.is_some())
            .field("events", &self.events)
            .field("template", &self.template)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydra_registry::ProjectConfig;

    fn receiver(text: &str, variables: &[(&str, &str)]) -> Result<Receiver> {
        let directory = std::env::temp_dir().join(format!("hydra-notify-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory");
        let path = directory.join(format!("{}.toml", hydra_base::Sha256::of(text.as_bytes())));
        std::fs::write(&path, text).expect("a file");
        let config = ProjectConfig::read(&path).expect("a configuration");
        let shown = format!("{config:?}");
        assert!(!shown.contains("T0K3N"), "{shown}");
        let environment: Environment =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (name, config) = config.notify.iter().next().expect("a receiver");
        Receiver::new(name, config, &environment)
    }

    #[test]
    fn secrets_are_not_shown() {
        let text = "[notify.team]\nurl = 'https://ann:pw@hooks.example.org:8443/T0K3N?T0K3N'\nsecret-variable = 'S'\nevents = ['promoted']";
        let receiver = receiver(text, &[("S", "0123456789abcdef")]).expect("a receiver");
        for shown in [format!("{receiver:?}"), receiver.to_string()] {
            assert!(shown.contains("hooks.example.org:8443/***"), "{shown}");
            assert!(
                !["T0K3N", "pw", "ann", "0123456789abcdef"].iter().any(|one| shown.contains(one)),
                "{shown}"
            );
        }
        assert_eq!(receiver.events, BTreeSet::from([EventKind::Promoted]));
    }

    #[test]
    fn a_malformed_receiver_is_refused() {
        for (text, variables, part) in [
            ("url = 'ftp://h/T0K3N'", &[][..], "http://"),
            ("url = 'T0K3N'", &[], "not a URL"),
            ("events = []", &[], "no address"),
            ("url-variable = 'U'", &[], "`U`"),
            ("url = 'http://h'\nurl-variable = 'U'", &[("U", "http://h")], "exclude"),
            ("url = 'http://h'\nevents = ['champion']", &[], "`champion`"),
            ("url = 'http://h'\ntemplate = 'teams'", &[], "`teams`"),
            ("url = 'http://h'\nsecret-variable = 'S'", &[("S", "short")], "16 bytes"),
            ("url = 'http://h'\nsecret-variable = 'S'", &[("S", "whsec_%%%")], "base64"),
            ("url = 'http://h'\nsecret-file = 'missing'", &[], "cannot read"),
        ] {
            let error = receiver(&format!("[notify.team]\n{text}"), variables).expect_err(text);
            assert_eq!(error.kind(), ErrorKind::InvalidReceiver, "{text}");
            let shown = format!("{error} {error:?}");
            assert!(shown.contains(part) && !shown.contains("T0K3N"), "{text}: {shown}");
        }
        let error = receiver("[notify.'A b']\nurl = 'http://h'", &[]).expect_err("a name");
        assert_eq!(error.kind(), ErrorKind::InvalidReceiver);
    }
}
