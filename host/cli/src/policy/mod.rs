//! `policy …`: the commands for authors of policies.

mod activate;
mod args;
mod author;
mod backtest;
pub(crate) mod compile;
mod decide;
mod inspect;
pub(crate) mod report;
pub(crate) mod sharing;
pub(crate) mod signing;
mod trust_args;
pub(crate) mod what_if;

use std::path::{Path, PathBuf};

use crate::{ExitStatus, Printer, Settings};
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_policy::{Budget, Policy};
use hydra_registry::{OpenOptions, Panel, PanelOptions, PanelPolicy, pinned_file};

pub use args::PolicyCommand;
pub use signing::model;
pub use trust_args::ModelCommand;

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
        PolicyCommand::Activate(args) => activate::activate(args, settings, printer).await,
        PolicyCommand::Deactivate(args) => activate::deactivate(args, settings, printer).await,
        PolicyCommand::Approve(args) => activate::approve(args, settings, printer).await,
        PolicyCommand::Active(args) => activate::active(args, settings, printer).await,
        PolicyCommand::History(args) => activate::history(args, settings, printer).await,
        PolicyCommand::Backtest(args) => backtest::run(args, settings, printer).await,
        PolicyCommand::Push(args) => sharing::push(args, settings, printer).await,
        PolicyCommand::Pull(args) => sharing::pull(args, settings, printer).await,
        PolicyCommand::Sign(args) => signing::sign(args, settings, printer).await,
        PolicyCommand::Verify(args) => signing::verify(args, settings, printer).await,
    }
}

/// Rejects `--set` for commands that do not use settings, with a hint.
fn refuse_settings(settings: &Settings, hint: &str) -> Result<()> {
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
    Ok(with_progress(options, printer, options.load_policy()).await?)
}

/// Loads the policies that `promote` would use, for commands whose errors quote the panics of a policy.
async fn load_panel(settings: &Settings, printer: &Printer) -> anyhow::Result<Panel> {
    load_panel_of(settings.options.clone(), printer).await
}

/// [`load_panel`], for other options.
async fn load_panel_of(options: OpenOptions, printer: &Printer) -> anyhow::Result<Panel> {
    let options = options.with_quoted_panics();
    Ok(with_progress(&options, printer, options.load_panel()).await?)
}

/// Shows that something happens while a large component is loaded.
async fn with_progress<T>(
    options: &OpenOptions,
    printer: &Printer,
    load: impl Future<Output = Result<T>>,
) -> Result<T> {
    let is_large = |file: &PathBuf| file.metadata().is_ok_and(|file| file.len() > LARGE_COMPONENT_BYTES);
    if !options.policy_files().iter().any(is_large) {
        return load.await;
    }
    let bar = printer.spinner("loading the policy (the first time compiles it)");
    let loaded = load.await;
    bar.finish_and_clear();
    loaded
}

/// The path and the bytes of a component that a command about files names, perhaps with its digest, whatever its size is.
fn read_component(given: &Path) -> Result<(PathBuf, Vec<u8>)> {
    let (path, sha256) = pinned_file(given);
    let bytes = Policy::read_file(&path, sha256, &Budget::default().with_component_bytes(u64::MAX))?;
    Ok((path, bytes))
}

/// The options, with the named component if there is one.
fn policy_options(file: Option<&Path>, settings: &Settings) -> OpenOptions {
    let options = settings.options.clone();
    match file {
        Some(file) => options.with_panel(PanelOptions::led_by(PanelPolicy::from_file(file))),
        None => options,
    }
}
