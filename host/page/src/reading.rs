//! Reads what a page shows from a registry.

use hydra_base::error::{ErrorKind, Result};
use hydra_registry::{Alias, ModelRegistry};

use crate::history::{Extent, History};
use crate::page::Now;

/// The history of the registry's model, and what holds now.
pub async fn read(registry: &ModelRegistry, extent: &Extent) -> Result<(History, Now)> {
    let history = match registry.existing_ledger().await? {
        Some(ledger) => History::read(&ledger, extent).await?,
        None => History::default(),
    };
    let model = registry.model();
    let registered = registry.backend().registry.registered_model(model).await?;
    let champion = match registry.champion_info().await {
        Ok(champion) => Some(champion),
        // The page says that there is none.
        Err(error) if matches!(error.kind(), ErrorKind::NoChampion | ErrorKind::VersionNotFound) => None,
        Err(error) => return Err(error),
    };
    let (metrics, quarantine) =
        champion.map_or_else(Default::default, |champion| (champion.metrics, champion.quarantine));
    let managed = registry.managed_aliases().iter().filter(|alias| **alias != Alias::CHAMPION);
    let now = Now {
        model: model.to_string(),
        aliases: registered.aliases.into_iter().map(|(alias, version)| (alias, version.get())).collect(),
        managed: managed.cloned().collect(),
        metrics,
        quarantine,
    };
    Ok((history, now))
}
