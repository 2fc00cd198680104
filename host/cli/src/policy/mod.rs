//! `policy …`: the commands for authors of policies.

mod args;
mod author;
mod backtest;
mod compile;
mod decide;
mod inspect;
mod report;
mod what_if;

use std::path::Path;

use crate::{ExitStatus, Printer, Settings};
use hydra_base::error::{Error, ErrorKind};
use hydra_policy::Policy;
use hydra_registry::{OpenOptions, PolicySource};

pub use args::PolicyCommand;

/// Larger components contain an interpreter, and take seconds to compile.
const LARGE_COMPONENT_BYTES: u64 = 1 << 20;

/// Runs a command of the kit.
pub async fn run(
    command: &PolicyCommand,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    match command {
        PolicyCommand::New(args) => author::new(args, printer),
        PolicyCommand::Build(args) => author::build(args, printer),
        PolicyCommand::Inspect(args) => inspect::run(args, settings, printer).await,
        PolicyCommand::Run(args) => decide::run(args, settings, printer).await,
        PolicyCommand::Test(args) => decide::test(args, settings, printer).await,
        PolicyCommand::Bench(args) => decide::bench(args, settings, printer).await,
        PolicyCommand::WhatIf(args) => what_if::run(args, settings, printer).await,
        PolicyCommand::Compile(args) => compile::run(args, settings, printer).await,
        PolicyCommand::Backtest(args) => backtest::run(args, settings, printer).await,
    }
}

/// Rejects `--set` for commands that do not use settings, with a hint.
fn refuse_settings(settings: &Settings, hint: &str) -> hydra_base::error::Result<()> {
    if settings.set.is_empty() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidArgument, "this command takes no settings")
        .with_context("flag", "--set")
        .with_hint(hint))
}

/// Loads the named component, or the policy that `promote` would use.
async fn load(file: Option<&Path>, settings: &Settings, printer: &Printer) -> anyhow::Result<Policy> {
    load_with(&policy_options(file, settings), printer).await
}

/// [`load`], for commands whose errors quote the panics of a policy.
async fn load_quoting_panics(
    file: Option<&Path>,
    settings: &Settings,
    printer: &Printer,
) -> anyhow::Result<Policy> {
    load_with(&policy_options(file, settings).with_quoted_panics(), printer).await
}

async fn load_with(options: &OpenOptions, printer: &Printer) -> anyhow::Result<Policy> {
    let large = match options.policy_source() {
        PolicySource::File(file) => file.metadata().is_ok_and(|file| file.len() > LARGE_COMPONENT_BYTES),
        _ => false,
    };
    let bar = large.then(|| printer.spinner("loading the policy (the first time compiles it)"));
    let policy = options.load_policy().await;
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    Ok(policy?)
}

/// The options, with the named component if there is one.
fn policy_options(file: Option<&Path>, settings: &Settings) -> OpenOptions {
    let options = settings.options.clone();
    match file {
        Some(file) => options.with_policy(PolicySource::File(file.to_owned())),
        None => options,
    }
}
