//! Policies that are compiled in a process of its own: its limits, and what happens if it is not what it should be.

mod command;
mod hostile;
mod memory;
mod process;

use std::path::Path;
use std::time::Duration;

use hydra_base::error::Result;
use hydra_policy::{Budget, CompileLimits, CompilerCommand, EngineOptions, Policy, PolicyEngine};

/// The command under test, which compiles for these tests.
fn hydra_registry() -> CompilerCommand {
    CompilerCommand::of_program(env!("CARGO_BIN_EXE_hydra-registry"))
}

/// An engine that keeps compiled code in `dir`.
fn engine(command: CompilerCommand, limits: CompileLimits, dir: &Path) -> PolicyEngine {
    let options = EngineOptions::default().with_cache_dir(dir.join("code"));
    PolicyEngine::new(&options.with_compiler(command).with_compile_limits(limits)).expect("an engine")
}

/// Loads a component on a new engine.
fn load(command: CompilerCommand, limits: CompileLimits, bytes: &[u8]) -> Result<Policy> {
    let dir = tempfile::tempdir().expect("a directory");
    Policy::load(&engine(command, limits, dir.path()), bytes, &Budget::default())
}

/// Limits that a small component obeys.
fn limits(memory: u64, processor_seconds: u64, wall_seconds: u64) -> CompileLimits {
    let mut limits = CompileLimits::default();
    limits.memory = memory;
    limits.processor_time = Duration::from_secs(processor_seconds);
    limits.wall_clock = Duration::from_secs(wall_seconds);
    limits
}

/// The default policy with another module in it, which it does not use.
fn with_module(module: &[u8]) -> Vec<u8> {
    let mut bytes = Policy::default_bytes().to_vec();
    bytes.push(1);
    let mut size = module.len();
    while size >= 0x80 {
        bytes.push(size as u8 | 0x80);
        size >>= 7;
    }
    bytes.push(size as u8);
    bytes.extend(module);
    bytes
}

/// [`with_module`], of the text format.
fn with_text(fields: &str) -> Vec<u8> {
    with_module(&wat::parse_str(format!("(module {fields})")).expect("a module"))
}

/// A component that is within the caps and takes seconds of processor time and more than a hundred MB.
fn slow() -> Vec<u8> {
    let function = format!("(func (result f32) f32.const 0 {})", "f32.nearest ".repeat(399_000));
    with_text(&function.repeat(2))
}
