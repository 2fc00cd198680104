//! The command line of hydra-registry; see [`hydra_registry::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    hydra_registry::cli::main(std::env::args_os())
}
