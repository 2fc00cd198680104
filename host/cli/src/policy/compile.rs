//! `policy compile`: compiles a policy now, so that no decision has to wait for it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::time::timeout;

use crate::policy::args::CompileArgs;
use crate::policy::report::{label, millis};
use crate::policy::{policy_options, refuse_settings};
use crate::{ExitStatus, Printer, Settings};
use hydra_base::Sha256;
use hydra_base::error::{Error, ErrorKind};
use hydra_policy::Policy;

/// How often a message says that the compiler still works, if there is no progress bar.
const MESSAGE_EVERY: Duration = Duration::from_secs(5);

/// Compiles a policy, or finds that it is compiled.
pub async fn run(
    args: &CompileArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    refuse_settings(settings, "remove it; settings apply only to decisions")?;
    let options = policy_options(args.file.as_deref(), settings);
    let engine = options.policy_engine()?;
    let Some(directory) = engine.cache_dir().map(Path::to_owned) else {
        let missing = "there is no directory for compiled policies, or it cannot be written to";
        return Err(Error::new(ErrorKind::CacheUnavailable, missing)
            .with_hint("set HYDRA_CACHE_DIR to a directory that only you can write to")
            .into());
    };
    let started = Instant::now();
    let bar = printer.spinner("compiling the policy");
    let mut load = pin!(options.load_policy_on(engine.clone()));
    let policy = loop {
        match timeout(MESSAGE_EVERY, &mut load).await {
            Ok(policy) => break policy,
            Err(_) if bar.is_hidden() => {
                printer.note(format!("compiling the policy: {} s so far", started.elapsed().as_secs()));
            }
            Err(_) => {}
        }
    };
    bar.finish_and_clear();
    let compiled = engine.compilations() > 0;
    let report = CompileReport::new(&policy?, compiled, started.elapsed(), directory);
    printer.report(&report, CompileReport::text)?;
    Ok(ExitStatus::Done)
}

/// `policy compile`.
#[derive(Debug, Serialize)]
struct CompileReport {
    /// `hydra-registry/policy-compile/1`.
    schema: &'static str,
    /// The policy's name and version.
    policy: String,
    /// The SHA-256 of the component.
    sha256: Sha256,
    /// The component's size.
    bytes: usize,
    /// The functions in its core modules.
    functions: u32,
    /// Whether this command compiled it; otherwise it was compiled before.
    compiled: bool,
    /// The time that it took, in milliseconds.
    elapsed_ms: u64,
    /// The directory of compiled policies.
    directory: PathBuf,
}

impl CompileReport {
    fn new(policy: &Policy, compiled: bool, elapsed: Duration, directory: PathBuf) -> Self {
        Self {
            schema: "hydra-registry/policy-compile/1",
            policy: label(policy),
            sha256: policy.sha256(),
            bytes: policy.summary().bytes,
            functions: policy.summary().functions,
            compiled,
            elapsed_ms: millis(elapsed),
            directory,
        }
    }

    fn text(&self) -> String {
        let what = if self.compiled { "compiled" } else { "compiled before" };
        let mut text = format!("{}: {what}, in {} ms\n", self.policy, self.elapsed_ms);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  size       {} bytes, {} functions", self.bytes, self.functions);
        let _ = writeln!(text, "  directory  {}", self.directory.display());
        text
    }
}
