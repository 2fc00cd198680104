//! Finds the value of the `Authorization` header where MLflow's Python client finds it, in the same order.
//!
//! A netrc entry for the host has precedence, then user information in the URI, then user name and password (each from
//! its variable, else from `~/.mlflow/credentials`), then the token.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use reqwest::header::HeaderValue;
use url::Url;

use crate::environment::{self, Environment};
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::regular_file;

/// The header for the server at `url`, if there are credentials for it.
pub(super) fn authorization(url: &Url, environment: &Environment) -> Result<Option<HeaderValue>> {
    refuse_unsupported(environment)?;
    if let Some((user, password)) = netrc_entry(url, environment)?.or_else(|| user_information(url)) {
        return basic(&user, &password).map(Some);
    }
    let file = CredentialsFile::read(environment)?;
    let user = environment.secret(environment::USERNAME)?.or(file.get("mlflow_tracking_username"));
    let password = environment.secret(environment::PASSWORD)?.or(file.get("mlflow_tracking_password"));
    match (user, password, environment.secret(environment::TOKEN)?) {
        (Some(user), Some(password), _) => basic(user, password).map(Some),
        (_, _, Some(token)) => secret_header(&format!("Bearer {token}")).map(Some),
        _ => Ok(None),
    }
}

fn refuse_unsupported(environment: &Environment) -> Result<()> {
    let unsupported = if environment.flag(environment::AWS_SIGV4)? {
        environment::AWS_SIGV4
    } else if environment.get(environment::AUTH_PLUGIN).is_some() {
        environment::AUTH_PLUGIN
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::Unsupported, format!("the authentication of `{unsupported}` is not supported"))
        .with_hint("use a user name and password, or a token, or put a signing proxy in front of the server"))
}

fn basic(user: &str, password: &str) -> Result<HeaderValue> {
    secret_header(&format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
}

fn secret_header(text: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| Error::new(ErrorKind::Config, "the credentials are not a valid header value"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn user_information(url: &Url) -> Option<(String, String)> {
    let decode = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let given = !url.username().is_empty() || url.password().is_some();
    given.then(|| (decode(url.username()), decode(url.password().unwrap_or_default())))
}

fn netrc_entry(url: &Url, environment: &Environment) -> Result<Option<(String, String)>> {
    let Some(host) = url.host_str() else { return Ok(None) };
    let named = environment.path("NETRC").into_iter();
    let usual = environment.home().into_iter().flat_map(|home| [home.join(".netrc"), home.join("_netrc")]);
    let files: Vec<PathBuf> =
        if environment.get("NETRC").is_some() { named.collect() } else { usual.collect() };
    for file in files {
        if let Some(text) = read_if_present(&file)? {
            return Ok(find_in_netrc(&text, host));
        }
    }
    Ok(None)
}

/// The login and password of `host`, else of the entry `default`.
fn find_in_netrc(text: &str, host: &str) -> Option<(String, String)> {
    let mut tokens = netrc_tokens(text).into_iter();
    let mut wanted = false;
    let (mut login, mut password) = (None, None);
    while let Some(token) = tokens.next() {
        match token.as_str() {
            "machine" | "default" => {
                if wanted && password.is_some() {
                    break;
                }
                wanted = token == "default" || tokens.next().as_deref() == Some(host);
                (login, password) = (None, None);
            }
            "login" | "user" if wanted => login = tokens.next(),
            "password" if wanted => password = tokens.next(),
            "login" | "user" | "password" | "account" => drop(tokens.next()),
            _ => {}
        }
    }
    password.filter(|_| wanted).map(|password| (login.unwrap_or_default(), password))
}

/// Splits into words and quoted words; skips comments and macro definitions.
fn netrc_tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut in_macro = false;
    for line in text.lines() {
        if in_macro {
            in_macro = !line.trim().is_empty();
            continue;
        }
        let mut rest = line.trim_start();
        while !rest.is_empty() && !rest.starts_with('#') {
            let (token, after) = match rest.strip_prefix('"').and_then(|quoted| quoted.split_once('"')) {
                Some(found) => found,
                None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
            };
            if token == "macdef" {
                in_macro = true;
                break;
            }
            tokens.push(token.to_owned());
            rest = after.trim_start();
        }
    }
    tokens
}

/// The section `[mlflow]` of `~/.mlflow/credentials`.
struct CredentialsFile(Vec<(String, String)>);

impl CredentialsFile {
    fn read(environment: &Environment) -> Result<Self> {
        let path = environment.home().map(|home| home.join(".mlflow").join("credentials"));
        let text = path.map(|path| read_if_present(&path)).transpose()?.flatten().unwrap_or_default();
        let mut section = "";
        let mut entries = Vec::new();
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = name.trim();
            } else if section == "mlflow" && !line.starts_with(['#', ';']) {
                let entry = line.split_once(['=', ':']);
                entries.extend(
                    entry.map(|(key, value)| (key.trim().to_ascii_lowercase(), value.trim().to_owned())),
                );
            }
        }
        Ok(Self(entries))
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, value)| name == key && !value.is_empty()).map(|(_, value)| value.as_str())
    }
}

/// The most bytes of a file of credentials.
const MAX_BYTES: u64 = 1 << 20;

fn read_if_present(path: &Path) -> Result<Option<String>> {
    if matches!(path.try_exists(), Ok(false)) {
        return Ok(None);
    }
    let read = regular_file::read_text(path, MAX_BYTES, |error| {
        Error::new(ErrorKind::Config, "cannot read a credentials file")
            .with_context("path", path.display())
            .with_source(error)
    });
    read.map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: (&str, &str) = (environment::USERNAME, "ann");
    const PASSWORD: (&str, &str) = (environment::PASSWORD, "pw");
    const TOKEN: (&str, &str) = (environment::TOKEN, "t0");

    /// The decoded header with these variables, and these files in the home directory.
    fn header(uri: &str, variables: &[(&str, &str)], files: &[(&str, &str)]) -> Option<String> {
        let home = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(home.path().join(".mlflow")).expect("a directory");
        for (name, text) in files {
            std::fs::write(home.path().join(name), text).expect("a file");
        }
        let home = home.path().to_str().expect("a path");
        let environment = variables.iter().copied().chain([("HOME", home)]).collect();
        let value = authorization(&Url::parse(uri).expect(uri), &environment).expect("credentials")?;
        assert!(value.is_sensitive());
        let text = value.to_str().expect("ASCII").to_owned();
        Some(match text.strip_prefix("Basic ") {
            Some(encoded) => String::from_utf8(STANDARD.decode(encoded).expect("base64")).expect("UTF-8"),
            None => text,
        })
    }

    #[test]
    fn what_copying_adds_is_cut_or_refused() {
        let bearer = |token: &str| header("http://h", &[(environment::TOKEN, token)], &[]);
        for token in ["t0", "t0\n", "t0\r\n"] {
            assert_eq!(bearer(token).as_deref(), Some("Bearer t0"));
        }
        assert_eq!(
            header("http://h", &[(environment::USERNAME, "ann\n"), (environment::PASSWORD, "p w\n")], &[])
                .as_deref(),
            Some("ann:p w")
        );
        for (name, value) in [
            (environment::TOKEN, "t0\nx"),
            (environment::TOKEN, "t 0"),
            (environment::TOKEN, " t0"),
            (environment::TOKEN, "\n"),
            (environment::PASSWORD, "pw "),
            (environment::PASSWORD, "p\tw"),
            (environment::USERNAME, " ann"),
        ] {
            let variables = [USER, PASSWORD, (name, value)];
            let environment = variables.into_iter().collect();
            let error =
                authorization(&Url::parse("http://h").expect("a URL"), &environment).expect_err(value);
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.message().contains(name), "{error}");
            assert!(!error.to_string().contains(value), "{error}");
        }
    }

    #[test]
    fn the_order_is_that_of_mlflows_client() {
        let netrc = (".netrc", "machine other login x password y\nmachine h login net password rc # mine\n");
        let file = (
            ".mlflow/credentials",
            "[mlflow]\nmlflow_tracking_username = f\nmlflow_tracking_password = fp\n",
        );
        let shown = |uri, variables: &[_], files: &[_]| header(uri, variables, files);
        assert_eq!(shown("http://h", &[], &[]), None);
        assert_eq!(shown("http://h", &[TOKEN], &[]).as_deref(), Some("Bearer t0"));
        assert_eq!(shown("http://h", &[TOKEN, USER], &[]).as_deref(), Some("Bearer t0"));
        assert_eq!(shown("http://h", &[TOKEN, USER, PASSWORD], &[]).as_deref(), Some("ann:pw"));
        assert_eq!(shown("http://h", &[TOKEN], &[file]).as_deref(), Some("f:fp"));
        assert_eq!(shown("http://h", &[USER], &[file]).as_deref(), Some("ann:fp"));
        let all = [TOKEN, USER, PASSWORD];
        assert_eq!(shown("http://u%40:p%2F@h", &all, &[file]).as_deref(), Some("u@:p/"));
        assert_eq!(shown("http://u:p@h", &all, &[file, netrc]).as_deref(), Some("net:rc"));
        assert_eq!(shown("http://elsewhere", &all, &[netrc]).as_deref(), Some("ann:pw"));
    }

    #[test]
    fn netrc_files_are_read_as_pythons_netrc_reads_them() {
        let find = |text: &str| find_in_netrc(text, "h").map(|(user, password)| format!("{user}:{password}"));
        assert_eq!(find("machine h\n login a\n password b").as_deref(), Some("a:b"));
        assert_eq!(find("machine h password \"b c\" login a").as_deref(), Some("a:b c"));
        assert_eq!(find("machine x login a password b\ndefault login d password e").as_deref(), Some("d:e"));
        assert_eq!(
            find("macdef init\nmachine h login m password m\n\nmachine h login a password b").as_deref(),
            Some("a:b")
        );
        assert_eq!(find("machine x login h password b"), None);
        assert_eq!(find("machine h login a"), None);
        assert_eq!(find(""), None);
    }

    #[test]
    fn unsupported_authentication_is_refused_by_name() {
        for variable in [(environment::AWS_SIGV4, "true"), (environment::AUTH_PLUGIN, "kubernetes")] {
            let environment = [variable].into_iter().collect();
            let url = Url::parse("http://h").expect("a URL");
            let error = authorization(&url, &environment).expect_err(variable.0);
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.message().contains(variable.0));
        }
    }
}
