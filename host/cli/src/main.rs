//! The command line of hydra-registry; see [`hydra_registry_cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    hydra_registry_cli::main(std::env::args_os())
}
