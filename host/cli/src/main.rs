//! The command line of hydra-registry; see [`hydra_registry_cli`].

#[cfg(feature = "training")]
mod training;

use std::process::ExitCode;

use hydra_registry_cli::Extras;

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let extras = Extras::default();
    #[cfg(feature = "training")]
    let extras = Extras { train: Some(training::trained), engine: Some(training::engine), ..extras };
    hydra_registry_cli::main(std::env::args_os(), extras).into()
}
