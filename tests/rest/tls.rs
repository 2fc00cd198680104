//! MLflow's TLS variables, against a server with a private certificate authority.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use hydra_base::names::ModelName;
use hydra_base::{ErrorKind, Result};
use hydra_mlflow::connect::Backend;
use hydra_mlflow::environment::{self, Environment};
use hydra_mlflow::uri::TrackingUri;

use crate::support::server::NEWEST;
use crate::support::{python_of, root};

struct TlsServer {
    home: tempfile::TempDir,
    open: u64,
    mutual: u64,
    _process: Child,
}

impl TlsServer {
    fn start() -> Self {
        let home = tempfile::tempdir().expect("a directory");
        let mut process = Command::new(python_of(NEWEST))
            .arg(root().join("tests/python/serve_tls.py"))
            .arg(home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        let output = process.stdout.take().expect("a pipe");
        BufReader::new(output).read_line(&mut line).expect("the server's ports");
        let ports: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        let port = |name: &str| ports[name].as_u64().expect("a port");
        Self { open: port("open"), mutual: port("mutual"), home, _process: process }
    }

    fn file(&self, name: &str) -> String {
        self.home.path().join(name).display().to_string()
    }
}

/// Reads a registered model with the given variables set.
async fn ask(port: u64, variables: &[(&str, &str)]) -> Result<String> {
    let environment: Environment = variables.iter().copied().collect();
    let uri = TrackingUri::new(format!("https://127.0.0.1:{port}")).expect("an address");
    let backend = Backend::connect(&uri, None, &environment)?;
    let model = backend.registry.registered_model(&ModelName::new("m").expect("a name")).await?;
    Ok(model.description)
}

#[tokio::test]
async fn a_server_is_trusted_as_mlflows_variables_say() {
    let server = TlsServer::start();
    let (ca, client) = (server.file("ca.pem"), server.file("client.pem"));

    let unknown = ask(server.open, &[]).await.expect_err("an unknown authority");
    assert_eq!((unknown.kind(), unknown.retryable()), (ErrorKind::Unreachable, false), "{unknown:?}");
    assert!(unknown.hint().is_some_and(|hint| hint.contains(environment::SERVER_CERT_PATH)), "{unknown:?}");

    let trusted = ask(server.open, &[(environment::SERVER_CERT_PATH, &ca)]).await;
    assert_eq!(trusted.expect("a trusted server"), "over TLS");
    let unchecked = ask(server.open, &[(environment::INSECURE_TLS, "true")]).await;
    assert_eq!(unchecked.expect("a server without certificate checks"), "over TLS");

    let trust = (environment::SERVER_CERT_PATH, ca.as_str());
    let none = (environment::MAX_RETRIES, "0");
    let anonymous = ask(server.mutual, &[trust, none]).await.expect_err("no client certificate");
    assert_eq!(anonymous.kind(), ErrorKind::Unreachable, "{anonymous:?}");
    let known = ask(server.mutual, &[trust, (environment::CLIENT_CERT_PATH, &client)]).await;
    assert_eq!(known.expect("a known client"), "over TLS");
}
