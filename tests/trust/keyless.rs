//! Signatures without keys: from the file beside a policy to the ledger, and to another host.

use std::fs;

#[cfg(feature = "keyless")]
use serde_json::json;

use crate::support::backends::fresh_name;
use crate::support::binary::Project;
use crate::support::{model, root};

const ISSUER: &str = "https://issuer.example.org";
const SUBJECT: &str = "https://ci.example.org/risk/policies/release";

/// A project with a policy, its bundle and the trust root of the instance that the bundle is by.
fn project(name: &str, subject: &str) -> Project {
    let project = Project::new(None, name);
    let fixtures = root().join("tests/fixtures");
    for (to, from) in [
        ("gate.wasm", "policies/v0.1/metric-gate.wasm"),
        ("gate.wasm.sigstore.json", "keyless/own-file.sigstore.json"),
        ("own.root.json", "keyless/own.root.json"),
    ] {
        project.file(to, fs::read(fixtures.join(from)).expect("a fixture"));
    }
    let entry = format!("{{ issuer = '{ISSUER}', subject = '{subject}', trust-root = 'own.root.json' }}");
    project.file(
        "hydra.toml",
        format!(
            "model = '{name}'\n[policy]\nfile = 'gate.wasm'\n[policy.trust]\nall-of = [{entry}]\n[settings]\nmetric = 'auc'\n"
        ),
    );
    project
}

#[cfg(not(feature = "keyless"))]
#[test]
fn a_build_without_the_feature_names_it() {
    let project = project(&fresh_name("keyless"), SUBJECT);
    let model = model("binary_int");
    let log = ["log-candidate", &model, "--metric", "auc=0.9"];
    for command in [&log[..], &["promote"], &["policy", "activate"], &["policy", "verify", "gate.wasm"]] {
        let refused = project.run(command);
        assert!(
            refused.code != 0 && refused.err.contains("--features keyless"),
            "{command:?}: {}",
            refused.err
        );
    }
}

#[cfg(feature = "keyless")]
#[test]
fn who_signed_is_on_record_and_every_host_checks_it() {
    let name = fresh_name("keyless");
    let host = project(&name, SUBJECT);
    let verified = host.json(["policy", "verify", "gate.wasm"]);
    assert_eq!(
        json!([verified["signers"][0]["identity"], verified["signers"][0]["issuer"]]),
        json!([SUBJECT, ISSUER])
    );
    host.json(["log-candidate", &model("binary_int"), "--metric", "auc=0.9"]);
    assert_eq!(host.json(["promote"])["outcome"], "done");
    host.json(["policy", "activate"]);
    // Neither the files nor the rules are needed from now on.
    host.file("hydra.toml", format!("model = '{name}'\n"));
    host.file("own.root.json", "");
    host.json(["log-candidate", &model("binary_int"), "--metric", "auc=0.95"]);
    assert_eq!(host.json(["promote"])["outcome"], "done");
    let recorded = format!("{SUBJECT} ({ISSUER})");
    let entries = host.json(["history", "--limit", "3"])["entries"].clone();
    for entry in entries.as_array().expect("entries").iter().filter(|entry| entry["operation"] != "log") {
        assert_eq!(entry["signers"], json!([recorded]), "{entry}");
    }
    let shown = host.run(["history", "--limit", "1"]).out;
    assert!(shown.contains(&format!("signed by {recorded}")), "{shown}");
    let active = host.run(["policy", "active"]).out;
    assert!(active.contains(&format!("signed  by {recorded}")), "{active}");
    assert_eq!(host.run(["history", "verify"]).code, 0);
}

#[cfg(feature = "keyless")]
#[test]
fn another_subject_or_component_is_refused() {
    let name = fresh_name("keyless");
    let host = project(&name, "https://ci.example.org/risk/policies/feature");
    host.json(["log-candidate", &model("binary_int"), "--metric", "auc=0.9"]);
    let refused = host.run(["promote"]);
    assert!(refused.code != 0 && refused.err.contains("identity mismatch"), "{}", refused.err);
    let host = project(&fresh_name("keyless"), SUBJECT);
    let other = fs::read(root().join("tests/fixtures/policies/v0.1/default.wasm")).expect("a fixture");
    host.file("gate.wasm", other);
    let refused = host.run(["policy", "verify", "gate.wasm"]);
    assert!(refused.code != 0 && refused.err.contains("none of the signatures"), "{}", refused.err);
}
