//! `notify`, and what commands that decide do for receivers.

use crate::args::NotifyCommand;
use crate::report::NotifyReport;
use crate::{ExitStatus, Printer, Settings};
use hydra_base::error::{Error, ErrorKind};
use hydra_notify::Notifier;
use hydra_registry::ModelRegistry;

/// Sends what is left, or a test.
pub async fn run(
    command: &NotifyCommand,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let named = match command {
        NotifyCommand::CatchUp(args) => args.receiver.as_ref(),
        NotifyCommand::Test(args) => args.receiver.as_ref(),
    };
    let registry = ModelRegistry::connect(settings.options.clone()).await?;
    let model = registry.model().clone();
    let (configured, environment) = (&settings.notify, &settings.environment);
    if configured.is_empty() || named.is_some_and(|name| !configured.contains_key(name)) {
        let what = named.map_or_else(
            || "there is no receiver".to_owned(),
            |name| format!("there is no receiver of this name: `{name}`"),
        );
        return Err(Error::new(ErrorKind::InvalidReceiver, what)
            .with_hint("write `[notify.NAME]` with `url` into hydra.toml")
            .into());
    }
    let configured = configured.iter().filter(|(name, _)| named.is_none_or(|named| named == *name));
    let configured = configured.map(|(name, one)| (name.clone(), one.clone())).collect();
    let (mut notifier, malformed) = Notifier::new(registry, &configured, environment);
    let delivered = match command {
        NotifyCommand::CatchUp(args) => notifier.catch_up(args.from).await?,
        NotifyCommand::Test(_) => notifier.test().await,
    };
    let report = NotifyReport::new(&model, &delivered, &malformed);
    printer.report(&report, NotifyReport::text)?;
    Ok(if report.is_well() { ExitStatus::Done } else { ExitStatus::Rejected })
}

/// The receivers, ready for what a command is about to record; none if there are none. A problem is a warning.
pub async fn begin(settings: &Settings) -> Option<Notifier> {
    if settings.notify.is_empty() {
        return None;
    }
    let registry = ModelRegistry::connect(settings.options.clone()).await.ok()?;
    let (mut notifier, malformed) = Notifier::new(registry, &settings.notify, &settings.environment);
    for error in malformed {
        tracing::warn!(%error, "a receiver in hydra.toml is left out");
    }
    notifier.begin().await;
    Some(notifier)
}
