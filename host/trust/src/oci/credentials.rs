//! Credentials for registries: variables of this program, and the files and helpers of Docker and Podman.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::reference::{Reference, is_registry};
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::text::{QUOTED_CHARS, excerpt};

/// The registry that the three variables below are for.
pub const REGISTRY_VARIABLE: &str = "HYDRA_OCI_REGISTRY";
/// The user name for that registry.
pub const USERNAME_VARIABLE: &str = "HYDRA_OCI_USERNAME";
/// The password for that registry.
pub const PASSWORD_VARIABLE: &str = "HYDRA_OCI_PASSWORD";
/// A bearer token for that registry, instead of a user name and a password.
pub const TOKEN_VARIABLE: &str = "HYDRA_OCI_TOKEN";
/// The variables with credentials.
pub const VARIABLES: [&str; 4] = [REGISTRY_VARIABLE, USERNAME_VARIABLE, PASSWORD_VARIABLE, TOKEN_VARIABLE];

/// The most bytes of a file of credentials, and of the answer of a helper.
const MAX_BYTES: u64 = 1 << 20;

/// How long a helper may take.
const HELPER_PATIENCE: Duration = Duration::from_secs(30);

/// How long the end of a helper's answer may take after the helper.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The key of Docker Hub in files and for helpers.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// What a registry knows a caller by. `Debug` shows no secret.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Credentials {
    Password {
        username: String,
        password: String,
    },
    /// A token that a token service exchanges for another one.
    Identity(String),
    /// A token for the registry itself.
    Bearer(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password { .. } => "Password",
            Self::Identity(_) => "Identity",
            Self::Bearer(_) => "Bearer",
        })
    }
}

/// Where credentials are looked for. Each is sent to the registry that it is for, and to no other.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct CredentialSources {
    given: Option<(String, Credentials)>,
    files: Vec<PathBuf>,
}

/// A file of Docker's or Podman's, as far as it matters here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuthFile {
    #[serde(default)]
    auths: BTreeMap<String, AuthEntry>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
    #[serde(default)]
    creds_store: Option<String>,
}

#[derive(Deserialize, Default)]
struct AuthEntry {
    #[serde(default)]
    auth: String,
    #[serde(default, alias = "identityToken")]
    identitytoken: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: String,
    secret: String,
}

impl CredentialSources {
    /// The sources that the variables of an environment name: `HYDRA_OCI_REGISTRY` with `HYDRA_OCI_USERNAME` and
    /// `HYDRA_OCI_PASSWORD` or with `HYDRA_OCI_TOKEN`, then the files of `REGISTRY_AUTH_FILE`, Podman and Docker.
    ///
    /// [`ErrorKind::Config`] for a secret without a registry: a reference in a file must not choose who receives it.
    pub fn from_variables(get: impl Fn(&str) -> Option<String>, home: Option<&Path>) -> Result<Self> {
        let given = match (get(TOKEN_VARIABLE), get(USERNAME_VARIABLE), get(PASSWORD_VARIABLE)) {
            (Some(token), _, _) => Some(Credentials::Bearer(token)),
            (None, Some(username), Some(password)) => Some(Credentials::Password { username, password }),
            (None, None, None) => None,
            (None, _, _) => {
                let message = format!("only one of `{USERNAME_VARIABLE}` and `{PASSWORD_VARIABLE}` is set");
                return Err(Error::new(ErrorKind::Config, message).with_hint("set both, or neither"));
            }
        };
        let given = match (given, get(REGISTRY_VARIABLE)) {
            (None, _) => None,
            (Some(credentials), Some(registry)) => Some((named_registry(&registry)?, credentials)),
            (Some(_), None) => {
                let message = "the variables with credentials do not say for which registry they are";
                return Err(Error::new(ErrorKind::Config, message)
                    .with_hint(format!("set `{REGISTRY_VARIABLE}`, such as `registry.example.com`")));
            }
        };
        let path = |variable: &str| get(variable).map(PathBuf::from);
        let files = match path("REGISTRY_AUTH_FILE") {
            Some(file) => vec![file],
            None => {
                let podman = |directory: PathBuf| directory.join("containers/auth.json");
                let config = path("XDG_CONFIG_HOME").or_else(|| Some(home?.join(".config")));
                let docker = path("DOCKER_CONFIG").or_else(|| Some(home?.join(".docker")));
                let docker = docker.map(|directory| directory.join("config.json"));
                [path("XDG_RUNTIME_DIR").map(podman), config.map(podman), docker]
                    .into_iter()
                    .flatten()
                    .collect()
            }
        };
        Ok(Self { given, files })
    }

    /// The credentials for the registry of a reference, if there are any. Reads files, and runs the helper that one names.
    pub(super) fn find(&self, reference: &Reference) -> Result<Option<Credentials>> {
        if let Some((registry, credentials)) = &self.given
            && registry.eq_ignore_ascii_case(reference.registry())
        {
            return Ok(Some(credentials.clone()));
        }
        for file in &self.files {
            let found =
                find_in(file, reference).map_err(|error| error.with_context("path", file.display()))?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

/// The host, and the port, in the variable that names a registry: as references have it.
fn named_registry(text: &str) -> Result<String> {
    let host = text.strip_prefix("https://").unwrap_or(text).trim_end_matches('/');
    if is_registry(host) {
        return Ok(host.to_owned());
    }
    let message = format!("`{REGISTRY_VARIABLE}` is not a host: `{}`", excerpt(text, QUOTED_CHARS));
    Err(Error::new(ErrorKind::Config, message)
        .with_hint("write the host of the references, with its port if they have one, such as `registry.example.com:5000`"))
}

fn find_in(file: &Path, reference: &Reference) -> Result<Option<Credentials>> {
    let Ok(open) = fs::File::open(file) else { return Ok(None) };
    let mut bytes = Vec::new();
    open.take(MAX_BYTES).read_to_end(&mut bytes).map_err(|error| {
        Error::new(ErrorKind::InvalidCredentials, "cannot read the file of credentials").with_source(error)
    })?;
    // The error of the parser would quote the file.
    let known: AuthFile = serde_json::from_slice(&bytes).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        Error::new(ErrorKind::InvalidCredentials, "the file of credentials is damaged")
            .with_context("at", place)
    })?;
    let helpers = known.cred_helpers.iter();
    let helpers = helpers.filter_map(|(key, helper)| Some((specificity(key, reference)?, helper)));
    if let Some((_, helper)) = helpers.max_by_key(|(specificity, _)| *specificity) {
        return ask(helper, reference);
    }
    if let Some(store) = &known.creds_store {
        let has_entry = known.auths.keys().any(|key| specificity(key, reference).is_some());
        return match ask(store, reference) {
            // Docker asks its store about every registry; most are not in it.
            Err(error) if !has_entry => {
                tracing::debug!(%error, "no credentials for the registry in the store");
                Ok(None)
            }
            found => found,
        };
    }
    let entries = known.auths.iter().filter_map(|(key, entry)| Some((specificity(key, reference)?, entry)));
    match entries.max_by_key(|(specificity, _)| *specificity) {
        Some((_, entry)) => entry.credentials(),
        None => Ok(None),
    }
}

/// How closely a key of a file is about a reference: the number of its bytes; none if it is about something else.
fn specificity(key: &str, reference: &Reference) -> Option<usize> {
    if key == DOCKER_HUB {
        return (reference.registry() == "docker.io").then_some(1);
    }
    let plain = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let plain = plain.trim_end_matches('/');
    let plain = plain.strip_suffix("/v1").or_else(|| plain.strip_suffix("/v2")).unwrap_or(plain);
    let place = reference.place();
    let rest = place.strip_prefix(plain)?;
    (!plain.is_empty() && (rest.is_empty() || rest.starts_with('/'))).then_some(plain.len())
}

impl AuthEntry {
    fn credentials(&self) -> Result<Option<Credentials>> {
        if !self.identitytoken.is_empty() {
            return Ok(Some(Credentials::Identity(self.identitytoken.clone())));
        }
        if self.auth.is_empty() {
            return Ok(None);
        }
        let decoded = STANDARD.decode(self.auth.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let pair = decoded.as_deref().and_then(|text| text.trim_end_matches('\0').split_once(':'));
        let (username, password) = pair.ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidCredentials,
                "`auth` of a registry is not a user name and a password in base64",
            )
        })?;
        Ok(Some(Credentials::Password { username: username.to_owned(), password: password.to_owned() }))
    }
}

/// Asks a helper of Docker's: a program in `PATH` that the user's own file names.
fn ask(helper: &str, reference: &Reference) -> Result<Option<Credentials>> {
    let failed = |message: &str| {
        Error::new(ErrorKind::InvalidCredentials, message.to_owned())
            .with_context("helper", excerpt(helper, QUOTED_CHARS))
            .with_hint(format!("log in again, or set `{REGISTRY_VARIABLE}` with `{USERNAME_VARIABLE}` and `{PASSWORD_VARIABLE}`"))
    };
    if helper.is_empty() || !helper.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    {
        return Err(failed(
            "the name of the helper of credentials has other characters than letters, digits, `-`, `_` and `.`",
        ));
    }
    let mut child = Command::new(format!("docker-credential-{helper}"))
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| failed("cannot start the helper of credentials").with_source(error))?;
    let server = if reference.registry() == "docker.io" { DOCKER_HUB } else { reference.registry() };
    if let Some(mut input) = child.stdin.take() {
        // A helper that has ended already does not read.
        input.write_all(server.as_bytes()).ok();
    }
    let output = child.stdout.take();
    let (sender, answer) = mpsc::channel();
    // A process that the helper started may keep the pipe open for ever: the thread then ends with this program.
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = output.map(|output| output.take(MAX_BYTES).read_to_end(&mut bytes));
        sender.send(read.map(|_| bytes).unwrap_or_default()).ok();
    });
    let deadline = Instant::now() + HELPER_PATIENCE;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(10)),
            _ => {
                child.kill().ok();
                child.wait().ok();
                return Err(failed("the helper of credentials does not end"));
            }
        }
    };
    let answer = answer
        .recv_timeout(LAST_WORDS)
        .map_err(|_| failed("the helper of credentials does not end its answer"))?;
    if !status.success() {
        let is_absent = String::from_utf8_lossy(&answer).contains("credentials not found");
        return if is_absent { Ok(None) } else { Err(failed("the helper of credentials failed")) };
    }
    let HelperAnswer { username, secret } = serde_json::from_slice(&answer)
        .map_err(|_| failed("the answer of the helper of credentials is damaged"))?;
    Ok(Some(match username.as_str() {
        "<token>" => Credentials::Identity(secret),
        _ => Credentials::Password { username, password: secret },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(text: &str) -> Reference {
        text.parse().unwrap()
    }

    fn password(username: &str, password: &str) -> Credentials {
        Credentials::Password { username: username.to_owned(), password: password.to_owned() }
    }

    fn sources(home: &Path, variables: &[(&str, &str)]) -> Result<CredentialSources> {
        let get =
            |key: &str| variables.iter().find(|(name, _)| *name == key).map(|(_, value)| (*value).to_owned());
        CredentialSources::from_variables(get, Some(home))
    }

    #[test]
    fn credentials_in_variables_are_for_one_registry() {
        let home = tempfile::tempdir().unwrap();
        let pair = [(USERNAME_VARIABLE, "ann"), (PASSWORD_VARIABLE, "hunter2")];
        let named = [pair[0], pair[1], (REGISTRY_VARIABLE, "r.example:5000")];
        let sources_of = |variables: &[_]| sources(home.path(), variables);
        let found = sources_of(&named).unwrap();
        assert_eq!(found.find(&reference("r.example:5000/a:1")).unwrap(), Some(password("ann", "hunter2")));
        for text in ["https://r.example:5000/", "R.EXAMPLE:5000"] {
            let named = [pair[0], pair[1], (REGISTRY_VARIABLE, text)];
            let found = sources_of(&named).unwrap().find(&reference("r.example:5000/a:1")).unwrap();
            assert_eq!(found, Some(password("ann", "hunter2")), "{text}");
        }
        for bad in ["", "http://r.example", "https://u@r.example", "r.example/team", "r example"] {
            let refused = sources_of(&[pair[0], pair[1], (REGISTRY_VARIABLE, bad)]).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Config, "{bad}");
        }
        for other in ["r.example/a:1", "evil.example/r.example:1", "r.example:5001/a:1"] {
            assert_eq!(found.find(&reference(other)).unwrap(), None, "{other}");
        }
        assert!(!format!("{found:?}").contains("hunter2"));
        assert_eq!(sources_of(&pair).unwrap_err().kind(), ErrorKind::Config);
        assert_eq!(sources_of(&pair[..1]).unwrap_err().kind(), ErrorKind::Config);
        let token = sources_of(&[(TOKEN_VARIABLE, "t"), (REGISTRY_VARIABLE, "r.example")]).unwrap();
        let bearer = Some(Credentials::Bearer("t".to_owned()));
        assert_eq!(token.find(&reference("r.example/a:1")).unwrap(), bearer);
    }

    #[test]
    fn the_files_of_docker_and_podman_are_read() {
        let home = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = home.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        // ann:one, bob:two, cy:three
        write(
            ".docker/config.json",
            r#"{"auths": {"https://r.example/v2/": {"auth": "YW5uOm9uZQ=="}, "q.example": {"identitytoken": "t"},
            "https://index.docker.io/v1/": {"auth": "Y3k6dGhyZWU="}, "empty.example": {}}, "HttpHeaders": {"a": "b"}}"#,
        );
        write(".config/containers/auth.json", r#"{"auths": {"r.example/team": {"auth": "Ym9iOnR3bw=="}}}"#);
        let found = sources(home.path(), &[]).unwrap();
        let find = |text: &str| found.find(&reference(text)).unwrap();
        assert_eq!(find("r.example/team/gate:1"), Some(password("bob", "two")));
        assert_eq!(find("r.example/teams/gate:1"), Some(password("ann", "one")));
        assert_eq!(find("q.example/gate:1"), Some(Credentials::Identity("t".to_owned())));
        assert_eq!(find("docker.io/gate:1"), Some(password("cy", "three")));
        for other in ["empty.example/gate:1", "xr.example/gate:1", "r.example.evil/gate:1"] {
            assert_eq!(find(other), None, "{other}");
        }
        for damaged in [r#"{"auths": {"r.example": {"auth": "c2VjcmV0"}}}"#, "{\"secret", "[1]"] {
            write("auth.json", damaged);
            let path = home.path().join("auth.json").display().to_string();
            let found = sources(home.path(), &[("REGISTRY_AUTH_FILE", &path)]).unwrap();
            let error = found.find(&reference("r.example/gate:1")).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidCredentials, "{damaged}");
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        }
    }

    #[test]
    fn a_helper_is_a_program_of_a_plain_name() {
        let r = reference("r.example/gate:1");
        for helper in ["", "a/../../b", "a b", "no-such-helper-here"] {
            let error = ask(helper, &r).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidCredentials, "{helper}");
        }
    }

    /// A store that does not know a registry, or cannot be asked, is no reason not to fetch what everyone may read.
    #[test]
    fn a_store_is_asked_about_registries_without_an_entry_too() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("auth.json");
        let find = |text: &str| {
            fs::write(&path, text).unwrap();
            let variables = [("REGISTRY_AUTH_FILE", path.to_str().unwrap())];
            sources(home.path(), &variables).unwrap().find(&reference("r.example/gate:1"))
        };
        assert_eq!(find(r#"{"credsStore": "no-such-helper-here"}"#).unwrap(), None);
        let with_entry = find(r#"{"credsStore": "no-such-helper-here", "auths": {"r.example": {}}}"#);
        assert_eq!(with_entry.unwrap_err().kind(), ErrorKind::InvalidCredentials);
    }
}
