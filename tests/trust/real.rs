//! A real registry, Debian's `docker-registry`, and a foreign client, the Python package `oras`.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use hydra_policy::Policy;
use hydra_registry::ErrorKind;

use super::{Keys, MOST, cached, error_of, fetch, no_credentials, oci};
use crate::support::backends::fresh_name;
use crate::support::binary::Project;
use crate::support::python::ask;
use crate::support::root;

/// A running `docker-registry`. It stops when it is dropped.
struct Registry {
    host: String,
    process: Child,
    _home: tempfile::TempDir,
}

impl Registry {
    fn start() -> Self {
        let program = root().join(".tools/docker-registry/usr/bin/docker-registry");
        assert!(program.exists(), "{} is missing: `cargo xtask setup --all` installs it", program.display());
        let home = tempfile::tempdir().expect("a directory");
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address");
        let host = free.to_string();
        let config = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: '{}' }} }}\nhttp: {{ addr: '{host}' }}\n",
            home.path().join("storage").display()
        );
        std::fs::write(home.path().join("config.yml"), config).expect("a file");
        let process = Command::new(program)
            .args(["serve", "config.yml"])
            .current_dir(home.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the registry starts");
        let registry = Self { host, process, _home: home };
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(&registry.host).is_err() {
            assert!(Instant::now() < deadline, "the registry does not listen");
            thread::sleep(Duration::from_millis(50));
        }
        registry
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{error}: {}", path.display()))
}

#[test]
#[ignore = "a real registry and its client; `cargo xtask test --all` runs it"]
fn what_is_pushed_a_foreign_client_pulls_and_the_reverse() {
    let registry = Registry::start();
    let project = Project::new(None, &fresh_name("foreign"));
    let file = project.file("gate.wasm", Policy::default_bytes());
    let reference = format!("oci://{}/team/gate:1", registry.host);
    project.json(["policy", "push", &reference, "gate.wasm"]);
    let out = project.path().join("theirs");
    let plain = format!("{}/team/gate:1", registry.host);
    let pulled = ask("oras", "exchange_policies.py", &["pull", &plain, out.to_str().expect("a path")]);
    assert_eq!(pulled["files"], serde_json::json!(["gate.wasm"]));
    assert_eq!(bytes(&out.join("gate.wasm")), Policy::default_bytes());

    let theirs = format!("{}/team/theirs:2", registry.host);
    ask("oras", "exchange_policies.py", &["push", &theirs, file.to_str().expect("a path")]);
    let back = project.json(["policy", "pull", &format!("oci://{theirs}"), "--out", "back.wasm"]);
    assert_eq!(bytes(&project.path().join("back.wasm")), Policy::default_bytes());
    assert_eq!(project.json(["policy", "inspect", &format!("oci://{theirs}")])["sha256"], back["sha256"]);
}

#[tokio::test]
#[ignore = "a real registry; `cargo xtask test --all` runs it"]
async fn signatures_lie_in_a_real_registry() {
    let registry = Registry::start();
    let (keys, home) =
        (Keys::new(&["release", "ed-review", "mallory"]), tempfile::tempdir().expect("a directory"));
    let access = oci(no_credentials());
    let reference = format!("oci://{}/gate:1", registry.host).parse().expect("a reference");
    let pushed = access.push(&reference, Policy::default_bytes(), "gate.wasm", &Default::default()).await;
    let pushed = pushed.expect("pushed");
    let component = access.component(&reference, MOST).await.expect("the component");
    assert_eq!((component.manifest, component.bytes.as_slice()), (pushed.manifest, Policy::default_bytes()));
    let both = keys.rules(&["release", "ed-review"]);
    assert_eq!(error_of(access.verify(&component, &both).await).kind(), ErrorKind::SignatureNotFound);
    for key in ["mallory", "release", "ed-review"] {
        assert!(access.verify(&component, &both).await.is_err());
        access.sign(&reference, &keys.private(key)).await.expect("signed");
    }
    assert_eq!(access.verify(&component, &both).await.expect("trusted").len(), 2);
    let cached = oci(no_credentials()).with_cache(Some(cached(home.path())));
    let pinned = pushed.reference.to_string();
    let component = fetch(&cached, &pinned).await.expect("the component");
    cached.verify(&component, &both).await.expect("trusted");
    drop(registry);
    let component = fetch(&cached, &pinned).await.expect("from the cache");
    cached.verify(&component, &both).await.expect("trusted");
    assert_eq!(error_of(cached.component(&reference, MOST).await).kind(), ErrorKind::Unreachable);
}
