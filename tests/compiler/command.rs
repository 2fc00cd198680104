//! The command line's side.

use std::fs;
use std::process::Command;
use std::time::Duration;

use super::{slow, with_text};
use crate::support::backends::fresh_name;
use crate::support::binary::{Outcome, Project};
use hydra_policy::Policy;

/// A command of the project whose compiled policies are in the project.
pub fn command(project: &Project, args: &[&str]) -> Command {
    let mut command = project.command(args);
    command.env("HYDRA_CACHE_DIR", project.path().join("cache"));
    command
}

fn run(mut command: Command) -> Outcome {
    command.output().expect("the binary runs").into()
}

/// The command, after what the shell does.
pub fn within(before: &str, command: &Command) -> Command {
    let mut shell = Command::new("bash");
    shell.args(["-c", &format!("{before} && exec \"$@\""), "bash"]).arg(command.get_program());
    shell.args(command.get_args()).env_clear();
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.current_dir(command.get_current_dir().expect("a directory"));
    shell
}

/// The command, under limits that the shell sets.
fn limited(limits: &str, command: &Command) -> Outcome {
    run(within(limits, command))
}

/// A project with a champion and a candidate.
pub fn project() -> Project {
    let project = Project::new(None, &fresh_name("compiler"));
    let model =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/models/regression/booster/model.lgb");
    for rmse in ["rmse=2", "rmse=1"] {
        let logged = run(command(&project, &["log-candidate", model, "--metric", rmse]));
        assert_eq!(logged.code, 0, "{}", logged.err);
    }
    project
}

const GATE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/policies/v0.1/metric-gate.wasm");
pub const DECIDE: [&str; 4] = ["--policy", GATE, "--set", "metric=rmse:min"];

#[test]
fn a_policy_that_is_compiled_starts_no_process() {
    let project = project();
    let promote = |compiler: &str| {
        let mut promote = command(&project, &[&DECIDE[..], &["promote", "1", "--dry-run"]].concat());
        promote.env("HYDRA_POLICY_COMPILER", compiler);
        run(promote)
    };
    let missing = promote("/nonexistent/hydra-registry");
    assert!(
        missing.code == 2 && missing.err.contains("cannot start the process that compiles policies"),
        "{}",
        missing.err
    );
    let compiled = promote("");
    assert!(compiled.code != 2, "{}", compiled.err);
    let again = promote("/nonexistent/hydra-registry");
    assert_eq!((again.code, &again.out), (compiled.code, &compiled.out), "{}", again.err);
}

#[test]
fn limits_come_from_the_environment() {
    let project = Project::new(None, &fresh_name("compiler"));
    project.file("slow.wasm", slow());
    let compile = |limits: &str| {
        let mut compile = command(&project, &["policy", "compile", "slow.wasm"]);
        compile.env("HYDRA_COMPILE_LIMITS", limits);
        run(compile)
    };
    let late = compile("processor-time=1s");
    assert!(
        late.code == 2 && late.err.contains("compiling the policy takes longer than its limit"),
        "{}",
        late.err
    );
    let malformed = compile("patience=1s");
    assert!(
        malformed.code == 2 && malformed.err.contains("is not valid: `patience=1s`"),
        "{}",
        malformed.err
    );
}

/// A container with little memory, and `ulimit -v`: the default policy and one that another process compiles.
#[test]
fn a_decision_needs_little_address_space() {
    let project = project();
    // The test build alone takes 300 MB. The last one is of 3 GiB.
    for limit in ["ulimit -v 1500000", "ulimit -v 3145728"] {
        let own = command(&project, &["promote", "1", "--dry-run"]);
        let other = command(&project, &[&DECIDE[..], &["promote", "2", "--dry-run"]].concat());
        for promote in [own, other] {
            let outcome = limited(limit, &promote);
            assert_ne!(outcome.code, 2, "{limit}: {}", outcome.err);
        }
        fs::remove_dir_all(project.path().join("cache/policies")).expect("compiled policies");
    }
}

#[test]
fn small_stacks_do_not_end_a_command() {
    let project = project();
    for limit in
        ["ulimit -s 128", "export RUST_MIN_STACK=65536", "ulimit -s 256 && export RUST_MIN_STACK=65536"]
    {
        let promote =
            limited(limit, &command(&project, &[&DECIDE[..], &["promote", "1", "--dry-run"]].concat()));
        assert!(matches!(promote.code, 0 | 1 | 3), "{limit}: {} {}", promote.code, promote.err);
        fs::remove_dir_all(project.path().join("cache/policies")).expect("compiled policies");
    }
}

#[test]
fn the_process_ends_with_the_command() {
    let project = Project::new(None, &fresh_name("compiler"));
    project.file("slow.wasm", slow());
    let mut compile =
        command(&project, &["policy", "compile", "slow.wasm"]).spawn().expect("the binary runs");
    let children = format!("/proc/{0}/task", compile.id());
    let mut child = None;
    for _ in 0..1_000 {
        let tasks = fs::read_dir(&children).expect("threads").filter_map(Result::ok);
        let mut found = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
        child = found.find_map(|pids| pids.split_whitespace().next().map(str::to_owned));
        if child.is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let child = format!("/proc/{}", child.expect("a process that compiles"));
    // It may not have limited itself yet.
    std::thread::sleep(Duration::from_millis(500));
    compile.kill().expect("the command runs");
    compile.wait().expect("the command ended");
    let is_running = || fs::read_to_string(format!("{child}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
    for _ in 0..500 {
        if !is_running() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the process still compiles");
}

#[test]
fn a_request_of_another_program_is_refused() {
    let project = Project::new(None, &fresh_name("compiler"));
    for request in [&["--compile-policy"][..], &["--compile-policy", "{}"]] {
        let outcome = run(command(&project, request));
        assert!(outcome.code == 0 && outcome.out.contains("unavailable"), "{}", outcome.out);
    }
    // It is the first argument, and no command knows it.
    assert_eq!(run(command(&project, &["list", "--compile-policy"])).code, 2);
}

/// Pipes: opening one waits for a writer.
#[test]
fn files_that_are_read_as_a_whole_are_not_pipes() {
    let project = project();
    let made = Command::new("mkfifo").arg(project.path().join("pipe")).status().expect("mkfifo");
    assert!(made.success());
    project.file("default.wasm", Policy::default_bytes());
    for args in [
        &["--policy", "pipe", "promote", "1"][..],
        &["--monitor", "pipe", "promote", "1"],
        &["--config", "pipe", "list"],
        &["policy", "inspect", "pipe"],
        &["policy", "compile", "pipe"],
        &["policy", "run", "default.wasm", "--case", "pipe"],
        &["log-candidate", "model.lgb", "--config-file", "pipe"],
        &["log-candidate", "model.lgb", "--metrics-file", "pipe"],
    ] {
        let outcome = run(command(&project, &[&["--output", "json"], args].concat()));
        assert!(outcome.code == 2 && outcome.err.contains("NotAFile"), "{args:?}: {}", outcome.err);
    }
    let mut netrc = command(&project, &["--tracking-uri", "http://127.0.0.1:9", "list"]);
    netrc.env("NETRC", project.path().join("pipe"));
    let netrc = run(netrc);
    assert!(netrc.code == 2 && netrc.err.contains("does not name a regular file"), "{}", netrc.err);
}

#[test]
fn a_policy_that_declares_a_choice_without_choices_is_refused() {
    let project = Project::new(None, &fresh_name("compiler"));
    let text = hydra_test_guests::read("choice_of_nothing");
    project.file(
        "flawed.wasm",
        hydra_test_guests::component_of("choice_of_nothing", &text, Policy::default_bytes()),
    );
    let outcome = run(command(&project, &["policy", "inspect", "flawed.wasm"]));
    assert!(outcome.code == 2 && outcome.err.contains("is a choice without choices"), "{}", outcome.err);
    project.file("sound.wasm", with_text("(func)"));
    assert_eq!(run(command(&project, &["policy", "inspect", "sound.wasm"])).code, 0);
}
