//! `policy compile`: compiles a policy now, so that no decision has to wait for it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::timeout;

use crate::policy::args::CompileArgs;
use crate::policy::report::{label, millis};
use crate::policy::{policy_options, refuse_settings};
use crate::{ExitStatus, Printer, Settings};
use hydra_base::Sha256;
use hydra_base::error::{Error, ErrorKind};
use hydra_policy::Policy;
use hydra_registry::Panel;

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
    let mut load = pin!(options.load_panel_on(engine.clone()));
    let panel = loop {
        match timeout(MESSAGE_EVERY, &mut load).await {
            Ok(panel) => break panel,
            Err(_) if bar.is_hidden() => {
                printer.note(format!("compiling the policy: {} s so far", started.elapsed().as_secs()));
            }
            Err(_) => {}
        }
    };
    bar.finish_and_clear();
    let compiled = engine.compilations();
    let report = CompileReport::new(&panel?, compiled, started.elapsed(), directory);
    printer.report(&report, CompileReport::text)?;
    Ok(ExitStatus::Done)
}

/// `policy compile`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CompileReport {
    /// `hydra-registry/policy-compile/1`.
    schema: &'static str,
    /// The policies, the leader first.
    policies: Vec<Compiled>,
    /// How many this command compiled; the others were compiled before.
    compiled: usize,
    /// The time that it took, in milliseconds.
    elapsed_ms: u64,
    /// The directory of compiled policies.
    directory: PathBuf,
}

/// A compiled policy.
#[derive(Debug, Serialize, JsonSchema)]
struct Compiled {
    /// The policy's name and version.
    policy: String,
    /// The SHA-256 of the component.
    #[schemars(with = "String")]
    sha256: Sha256,
    /// The component's size.
    bytes: usize,
    /// The functions in its core modules.
    functions: u32,
}

impl From<&Policy> for Compiled {
    fn from(policy: &Policy) -> Self {
        let summary = policy.summary();
        Self {
            policy: label(policy),
            sha256: policy.sha256(),
            bytes: summary.bytes,
            functions: summary.functions,
        }
    }
}

impl CompileReport {
    fn new(panel: &Panel, compiled: usize, elapsed: Duration, directory: PathBuf) -> Self {
        Self {
            schema: "hydra-registry/policy-compile/1",
            policies: panel.members().map(|member| Compiled::from(&member.policy)).collect(),
            compiled,
            elapsed_ms: millis(elapsed),
            directory,
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        for Compiled { policy, bytes, functions, .. } in &self.policies {
            let _ = writeln!(text, "{policy}: {bytes} bytes, {functions} functions");
        }
        let _ = match self.compiled {
            0 => writeln!(text, "  compiled before; loaded in {} ms", self.elapsed_ms),
            _ => writeln!(text, "  compiled in {} ms", self.elapsed_ms),
        };
        let _ = writeln!(text, "  directory  {}", self.directory.display());
        text
    }
}
