//! At home in a shell: terminals, colours, pagers, completions, `config`, and servers that do not answer.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{LOG, training_csv};
use crate::support::backends::fresh_name;
use crate::support::binary::{Outcome, Project};
use crate::support::python::ask;

fn project() -> Project {
    let project = Project::new(None, &fresh_name("shell"));
    project.file("train.csv", training_csv());
    project.json(LOG);
    project.json(["promote", "--reason", "first"]);
    project
}

fn with(project: &Project, variables: &[(&str, &str)], words: &[&str]) -> Outcome {
    project.command(words).envs(variables.iter().copied()).output().expect("the binary runs").into()
}

/// Runs a command in a pseudo-terminal and returns what it wrote.
fn in_terminal(project: &Project, columns: u16, variables: &[(&str, &str)], words: &[&str]) -> String {
    let variables: serde_json::Map<String, Value> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let command = [&[env!("CARGO_BIN_EXE_hydra-registry")], words].concat();
    let request = json!({
        "command": command,
        "directory": project.path(),
        "columns": columns,
        "variables": {
            "HYDRA_CACHE_DIR": env!("CARGO_TARGET_TMPDIR"), "HYDRA_ACTOR": "tester", "TERM": "xterm", "PATH": "/usr/bin:/bin"
        },
        "more": variables,
    });
    let answer = ask("python", "terminal.py", &[&request.to_string()]);
    assert_eq!(answer["code"], 0, "{answer}");
    answer["text"].as_str().expect("text").replace("\r\n", "\n")
}

#[test]
fn colours_follow_the_terminal_and_the_variables() {
    let project = project();
    let colour = "\u{1b}[";
    assert!(!project.run(["list"]).out.contains(colour), "a pipe");
    assert!(with(&project, &[("CLICOLOR_FORCE", "1")], &["list"]).out.contains(colour));
    let both = [("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")];
    assert!(!with(&project, &both, &["list"]).out.contains(colour));
    assert!(!with(&project, &[("CLICOLOR_FORCE", "1")], &["--output", "json", "list"]).out.contains(colour));
    let quiet = [("PAGER", "cat")];
    assert!(in_terminal(&project, 80, &quiet, &["list"]).contains(colour));
    assert!(!in_terminal(&project, 80, &[("PAGER", "cat"), ("NO_COLOR", "1")], &["list"]).contains(colour));
    assert!(!in_terminal(&project, 80, &[("PAGER", "cat"), ("TERM", "dumb")], &["list"]).contains(colour));
}

#[test]
fn tables_fit_the_terminal_and_times_are_ages_there() {
    let project = project();
    let plain = [("PAGER", "cat"), ("NO_COLOR", "1")];
    for columns in [40, 60, 80, 120] {
        for words in [&["list"][..], &["list", "--metrics", "auc"]] {
            let text = in_terminal(&project, columns, &plain, words);
            assert!(
                text.lines().all(|line| line.chars().count() <= usize::from(columns)),
                "{columns}:\n{text}"
            );
            // Below, the times are cut.
            assert!(columns < 60 || text.contains("just now") || text.contains(" ago"), "{text}");
        }
    }
    assert!(in_terminal(&project, 80, &plain, &["history"]).contains("just now"));
    assert!(!project.run(["history"]).out.contains("just now"), "absolute in a pipe");
}

#[test]
fn long_output_goes_to_the_pager_on_a_terminal() {
    let project = project();
    let marked = "sed 's/^/paged: /'";
    let text = in_terminal(&project, 80, &[("PAGER", marked)], &["history"]);
    assert!(text.starts_with("paged: "), "{text}");
    let own = [("HYDRA_PAGER", "sed 's/^/own: /'"), ("PAGER", marked)];
    assert!(in_terminal(&project, 80, &own, &["list"]).starts_with("own: "));
    assert!(!in_terminal(&project, 80, &[("PAGER", marked)], &["--no-pager", "history"]).contains("paged"));
    assert!(!in_terminal(&project, 80, &[("PAGER", marked)], &["champion"]).contains("paged"));
    assert!(
        in_terminal(&project, 80, &[("PAGER", "no-such-pager-here || cat")], &["list"]).contains("champion")
    );
    assert!(!with(&project, &[("PAGER", marked)], &["history"]).out.contains("paged"), "a pipe");
    // The reader goes away.
    in_terminal(&project, 80, &[("PAGER", "true")], &["history"]);
}

#[test]
fn a_language_without_unicode_and_a_closed_stdout_are_no_errors() {
    let project = project();
    let plain = with(&project, &[("LANG", "C"), ("LC_ALL", "C")], &["list"]);
    assert_eq!(plain.code, 0, "{}", plain.err);
    let closed = std::process::Command::new("sh")
        .args(["-c", "\"$0\" list >&-"])
        .arg(env!("CARGO_BIN_EXE_hydra-registry"))
        .current_dir(project.path())
        .env("HYDRA_CACHE_DIR", env!("CARGO_TARGET_TMPDIR"))
        .output()
        .expect("a shell");
    let err = String::from_utf8_lossy(&closed.stderr);
    assert!(!err.contains("panicked"), "{err}");
}

/// With a log in JSON, every line on stderr is JSON, whatever the command and its failure.
#[test]
fn a_log_in_json_makes_all_messages_json() {
    let project = project();
    let commands: [(&[&str], i32); 11] = [
        (LOG.as_slice(), 0),
        (&[], 2),
        (&["no-such-command"], 2),
        (&["list", "--no-such-option"], 2),
        (&["list", "--where", "x"], 2),
        (&["evaluate"], 2),
        (&["history", "show", "x"], 2),
        (&["show", "99"], 4),
        (&["promote", "--policy", "missing.wasm"], 2),
        (&["--config", "missing.toml", "list"], 2),
        (&["predict", "missing.csv", "--out", "scores.csv"], 2),
    ];
    for (words, code) in commands {
        let outcome = with(&project, &[("HYDRA_LOG_FORMAT", "json")], words);
        assert_eq!(outcome.code, code, "{words:?}: {}", outcome.err);
        assert!(!outcome.err.is_empty(), "{words:?}");
        let is_json =
            |line: &str| serde_json::from_str::<Value>(line).is_ok_and(|message| message.is_object());
        assert!(outcome.err.lines().all(is_json), "{words:?}: {}", outcome.err);
    }
}

#[test]
fn every_shell_has_completions() {
    let project = Project::new(None, "m");
    for (shell, part) in [
        ("bash", "complete -F _hydra__registry"),
        ("zsh", "#compdef hydra-registry"),
        ("fish", "complete -c hydra-registry"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let script = project.run(["completions", shell]);
        assert_eq!(script.code, 0, "{}", script.err);
        assert!(script.out.contains(part) && script.out.contains("log-candidate"), "{shell}");
        if shell == "bash" {
            let file = project.file("completions.bash", &script.out);
            let checked = std::process::Command::new("bash").arg("-n").arg(file).output().expect("bash runs");
            assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
        }
    }
    assert_eq!(project.run(["completions", "tcsh"]).code, 2);
}

#[test]
fn the_version_names_engine_and_contract() {
    let project = Project::new(None, "m");
    let long = project.run(["--version"]).out;
    for part in [
        "hydra-registry 0.",
        "commit: ",
        "engine:   wasmtime 4",
        "contract: hydra:lifecycle@0.2",
        "ledger:   schema 2",
    ] {
        assert!(long.contains(part), "`{part}` is missing in:\n{long}");
    }
    assert_eq!(project.run(["-V"]).out.lines().count(), 1);
}

#[test]
fn each_setting_is_shown_with_its_source_and_no_secret() {
    let project = Project::new(None, "from-file");
    project.file("hydra.toml", "model = 'from-file'\n[settings]\nmetric = 'auc'\napi-token = 'hunter2'\n\
        [notify.team]\nurl = 'https://hooks.example.org:8443/hunter2'\nsecret-variable = 'BUS'\n[notify.other]\nurl-variable = 'HOOK'\n\
        template = 'slack'\nevents = ['promoted']\n");
    let variables = [
        ("MLFLOW_TRACKING_USERNAME", "ann"),
        ("MLFLOW_TRACKING_PASSWORD", "hunter2"),
        ("MLFLOW_TRACKING_TOKEN", "hunter2"),
        ("MLFLOW_REGISTRY_URI", "http://ann:hunter2@registry"),
        ("HYDRA_CLOCK_TOLERANCE", "2m"),
        ("MLFLOW_HTTP_REQUEST_TIMEOUT", "30"),
    ];
    let words = [
        "--output",
        "json",
        "--tracking-uri",
        "http://ann:hunter2@runs",
        "--set",
        "margin=0.1",
        "config",
        "show",
    ];
    let shown = with(&project, &variables, &words);
    assert_eq!(shown.code, 0, "{}", shown.err);
    assert!(!shown.out.contains("hunter2"), "{}", shown.out);
    let report: Value = serde_json::from_str(&shown.out).expect("a document");
    let setting = |name: &str| {
        let all = report["settings"].as_array().expect("settings");
        let found =
            all.iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("no {name} in {report:#}"));
        (found["value"].clone(), found["source"].as_str().expect("a source").to_owned())
    };
    let file = project.path().join("hydra.toml").display().to_string();
    let file = std::fs::canonicalize(&file).map_or(file, |path| path.display().to_string());
    assert_eq!(setting("tracking-uri").1, "--tracking-uri");
    assert_eq!(setting("registry-uri").1, "MLFLOW_REGISTRY_URI");
    assert_eq!(setting("model"), (json!("from-file"), file.clone()));
    assert_eq!(setting("settings.metric"), (json!("auc"), file.clone()));
    assert_eq!(setting("settings.api-token"), (json!("***"), file.clone()));
    assert_eq!(setting("notify.team.url"), (json!("https://hooks.example.org:8443/***"), file.clone()));
    assert_eq!(setting("notify.team.secret"), (json!("***"), "BUS".to_owned()));
    assert_eq!(setting("notify.team.events"), (json!("all"), "default".to_owned()));
    assert_eq!(setting("notify.other.url"), (json!("***"), "HOOK".to_owned()));
    assert_eq!(setting("notify.other.secret"), (json!(null), "default".to_owned()));
    assert_eq!(setting("notify.other.template"), (json!("slack"), file));
    assert_eq!(setting("settings.margin"), (json!("0.1"), "--set".to_owned()));
    assert_eq!(setting("clock-tolerance"), (json!("2m"), "HYDRA_CLOCK_TOLERANCE".to_owned()));
    assert_eq!(setting("MLFLOW_TRACKING_PASSWORD"), (json!("***"), "MLFLOW_TRACKING_PASSWORD".to_owned()));
    assert_eq!(setting("MLFLOW_HTTP_REQUEST_TIMEOUT").0, "30");
    assert_eq!(setting("MLFLOW_HTTP_REQUEST_MAX_RETRIES"), (json!("7"), "default".to_owned()));
    let text = with(&project, &variables, &words[2..]);
    assert!(text.out.contains("tracking-uri") && !text.out.contains("hunter2"), "{}", text.out);
}

#[test]
fn settings_are_checked() {
    let project = project();
    let sound = project.json(["config", "check"]);
    assert_eq!(sound["sound"], true, "{sound}");
    let failing = |variables: &[(&str, &str)], words: &[&str]| -> Vec<String> {
        let outcome =
            with(&project, variables, &[&["--output", "json"], words, &["config", "check"]].concat());
        assert_eq!(outcome.code, 1, "{}{}", outcome.out, outcome.err);
        let report: Value = serde_json::from_str(&outcome.out).expect("a document");
        let checks = report["checks"].as_array().expect("checks").clone();
        let failed = checks.iter().filter(|check| check["sound"] == false);
        failed.filter_map(|check| check["name"].as_str().map(str::to_owned)).collect()
    };
    assert_eq!(failing(&[("HYDRA_POLCY", "x")], &[]), ["variables"]);
    assert_eq!(failing(&[], &["--policy", "missing.wasm"]), ["policies"]);
    assert_eq!(failing(&[], &["--set", "no-such-setting=1"]), ["policies"]);
    assert_eq!(failing(&[("HYDRA_CACHE_BYTES", "many")], &[]), ["settings"]);
    for receiver in ["url-variable = 'UNSET'", "url = 'ftp://h'", "url = 'http://h'\ntemplate = 'teams'"] {
        let file = project.file("notify.toml", format!("[notify.team]\n{receiver}\n")).display().to_string();
        assert_eq!(failing(&[], &["--config", &file]), ["receivers"], "{receiver}");
    }
    let unreachable = [("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")];
    assert_eq!(failing(&unreachable, &["--tracking-uri", "http://127.0.0.1:9"]), ["store"]);
}

/// A first request gives up after ten seconds, and says soon what it waits for.
#[test]
fn a_server_that_cannot_be_reached_is_given_up_soon() {
    let project = Project::new(None, &fresh_name("shell"));
    let start = Instant::now();
    let refused = project.run(["--tracking-uri", "http://127.0.0.1:9", "champion"]);
    let took = start.elapsed();
    assert_eq!(refused.code, 5, "{}", refused.err);
    assert!(took < Duration::from_secs(12), "{took:?}");
    assert!(refused.err.contains("trying again"), "{}", refused.err);
    let quick = [("HYDRA_CONNECT_TIMEOUT", "0")];
    let start = Instant::now();
    let refused = with(&project, &quick, &["--tracking-uri", "http://127.0.0.1:9", "champion"]);
    assert_eq!(refused.code, 5, "{}", refused.err);
    assert!(start.elapsed() < Duration::from_secs(3));
    // A server that accepts connections and says nothing.
    let url = crate::support::proxy::listen(|_| {
        std::thread::sleep(Duration::from_secs(30));
        Ok(())
    });
    let silent = [("MLFLOW_HTTP_REQUEST_TIMEOUT", "3"), ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")];
    let refused = with(&project, &silent, &["--tracking-uri", &url, "champion"]);
    assert_eq!(refused.code, 5, "{}", refused.err);
    assert!(refused.err.contains("no answer yet"), "{}", refused.err);
}
