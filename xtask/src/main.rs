//! `cargo xtask`: set-up, demo, tests and benchmarks of hydra-registry, with nothing to install by hand.

mod bench;
mod demo;
mod paths;
mod progress;
mod setup;
mod shell;
mod test;

use anyhow::{Result, bail};

const HELP: &str = "\
Project tasks of hydra-registry

Usage: cargo xtask <COMMAND> [OPTIONS]

Commands:
  setup [--all|--bench]  install the pinned build tools and test environments under .tools/
  demo [DIR]             train, log, promote, predict and roll back two models on an embedded store
  test [--all] [ARGS..]  run every test; --all adds older MLflow servers, other databases, long runs
  bench [--only PART]    compare with other tools and write docs/benchmarks.md (about 20 minutes); PART is scoring,
                         registry, policy, or criterion for the benches of single parts; --quick: a few rounds;
                         --compile-limit MINUTES: what compilers among the peers may take for a model (10)
  help                   show this text

It needs rustup, python3 (3.11 or newer, with venv) and a C++ compiler; everything else it installs into .tools/.";

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let command = args.next().unwrap_or_else(|| "help".into());
    let rest: Vec<String> = args.collect();
    match command.as_str() {
        "setup" => setup::run(setup::Scope::from_flags(&rest)?),
        "demo" => demo::run(&rest),
        "test" => test::run(&rest),
        "bench" => bench::run(&rest),
        "help" | "--help" | "-h" => {
            shell::say(HELP);
            Ok(())
        }
        other => bail!("no such task: `{other}`\n\n{HELP}"),
    }
}
