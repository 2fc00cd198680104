//! The limits for reading models, as flags and in hydra.toml.

use crate::support::backends::fresh_name;
use crate::support::binary::Project;
use crate::support::root;

/// The models of the fixtures have five features.
#[test]
fn limits_are_set_by_flag_and_in_the_file() {
    let name = fresh_name("limits");
    let project = Project::new(None, &name);
    let model = root().join("tests/fixtures/models/regression/booster/model.lgb").display().to_string();
    let pickle = root().join("tests/fixtures/models/binary_int/pickle/model.pkl").display().to_string();
    let skops = root().join("tests/fixtures/models/binary_int/skops/model.skops").display().to_string();
    project.file("rows.csv", "f0,f1,f2,f3,f4\n1,2,3,4,5\n");
    let log = ["log-candidate", &model, "--metric", "auc=1"];
    let refused = |args: &[&str], words: &[&str]| {
        let outcome = project.run(args);
        assert_eq!(outcome.code, 2, "{args:?}: {}", outcome.err);
        for word in words {
            assert!(outcome.err.contains(word), "{args:?}: {}", outcome.err);
        }
    };
    refused(
        &[&["--model-limit", "features=4"], &log[..]].concat(),
        &["the limit of 4", "--model-limit features=NUMBER", "[limits]"],
    );
    refused(&[&log[..], &["--model-limit", "bytes=1 KiB"]].concat(), &["--model-limit bytes=NUMBER"]);
    for (file, limit) in [
        (&pickle, "pickle-values=10"),
        (&pickle, "pickle-operations=10"),
        (&skops, "skops-members=1"),
        (&skops, "skops-member-bytes=100"),
    ] {
        let name = limit.split('=').next().expect("a name");
        let hint = format!("--model-limit {name}=NUMBER");
        refused(&["predict", "rows.csv", "--model-file", file, "--model-limit", limit], &[&hint]);
    }
    refused(
        &["--model-limit", "feature=4", "champion"],
        &["no limit of models has the name `feature`", "features, classes"],
    );
    refused(&["--model-limit", "features=many", "champion"], &["not a number above 0"]);

    assert_eq!(project.run(log).code, 0);
    assert_eq!(project.run(["promote"]).code, 0);
    project.file("hydra.toml", format!("model = '{name}'\n[limits]\nfeatures = 4\n"));
    refused(&["predict", "rows.csv"], &["the limit of 4"]);
    // What was found out with other limits does not count.
    refused(&log, &["the limit of 4"]);
    assert_eq!(
        project.run([&["--model-limit", "features=5"], &log[..]].concat()).code,
        0,
        "flags override the file"
    );
    refused(&["promote"], &["cannot be loaded", "the limit of 4"]);
    assert_eq!(project.run(["promote", "--model-limit", "features=5"]).code, 0);
    let shown = project.run(["config", "show", "--model-limit", "trees=7"]);
    assert!(shown.out.contains("limits.features") && shown.out.contains("limits.trees"), "{}", shown.out);
}

/// Any setting can be a URI, and its user and query can be secret.
#[test]
fn the_settings_are_shown_without_what_is_secret_in_a_uri() {
    let project = Project::new(None, "m");
    let place = "s3://key:hidden@bucket/old?signature=hidden";
    project.file("hydra.toml", format!("model = 'm'\n[artifact-root-map]\n'{place}' = '{place}'\n"));
    for output in ["text", "json"] {
        let mut command = project.command(["config", "show", "--output", output]);
        let variables = ["HYDRA_ACTOR", "HYDRA_POLICY", "MLFLOW_TRACKING_SERVER_CERT_PATH"];
        let shown = command.envs(variables.map(|name| (name, place))).output().expect("it runs");
        let text = [shown.stdout, shown.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        assert!(text.contains("bucket/old") && !text.contains("hidden"), "{text}");
    }
}
