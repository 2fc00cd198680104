//! `cargo xtask`: set-up, demo, tests and benchmarks of hydra-registry. Set-up installs all tools they need.

mod bench;
mod debian;
mod demo;
mod dist;
mod layers;
mod paths;
mod progress;
mod python;
mod setup;
mod shell;
mod test;
mod wheel;

use anyhow::{Result, bail};

const HELP: &str = "\
Project tasks of hydra-registry

Usage: cargo xtask <COMMAND> [OPTIONS]

Commands:
  setup [--build|--all|--bench]
                         install the pinned build tools under .tools/; without --build also test environments
  demo [DIR]             train, log, promote, predict and roll back two models on an embedded store
  test [--all] [ARGS..]  run every test; --all adds older MLflow servers, other databases, long runs
  wheel [--dev|--sdist]  build the Python package: the wheel that is published, one for this machine for development,
                         or the source distribution
  dist                   build the static binary for servers and containers, and the directory of its image
  bench [--only PART]    compare with other tools and write docs/benchmarks.md (about 40 minutes); PART is scoring,
                         registry, policy, evaluation, python, serving, or criterion (the benches of single components)
        [--quick]        run only a few rounds and write nothing
        [--compile-limit MINUTES]
                         time limit for compilers among the other tools, per model (default 10)
  layers                 check what programs depend on, and that no crate depends on one above it
  help                   show this text

Requires rustup, python3 (3.11 or newer, with venv) and a C++ compiler. All other tools are installed into .tools/.";

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let command = args.next().unwrap_or_else(|| "help".into());
    let rest: Vec<String> = args.collect();
    match command.as_str() {
        "setup" => setup::run(setup::Scope::from_flags(&rest)?),
        "demo" => demo::run(&rest),
        "test" => test::run(&rest),
        "wheel" => wheel::run(&rest),
        "dist" => dist::run(&rest),
        "bench" => bench::run(&rest),
        "layers" => layers::run(),
        "help" | "--help" | "-h" => {
            shell::say(HELP);
            Ok(())
        }
        other => bail!("`{other}` is not a task\n\n{HELP}"),
    }
}
