//! How far each receiver was told, where all hosts find it.

use std::collections::{BTreeMap, BTreeSet};

use hydra_base::error::Result;
use hydra_base::names::{Key, ModelName};
use hydra_ledger_rules::Number;
use hydra_lifecycle::ledger::Ledger;
use hydra_mlflow::connect::Backend;

/// What the keys of the tags begin with. They are tags of the registered model that holds the ledger's entries.
const TAG: &str = "hydra.notify.";

/// The value of the tag on a model whose ledger begins with the next decision.
const FIRST: &str = "from the first entry";

/// The cursors of a ledger's receivers, by name: the number of the newest entry that each one knows.
pub(crate) async fn read(backend: &Backend, ledger: &Ledger) -> Result<BTreeMap<String, Number>> {
    let registered = backend.registry.registered_model(ledger.name()).await?;
    let of_receiver = registered.tags.iter().filter_map(|(key, value)| {
        let name = key.strip_prefix(TAG)?;
        // A number of another ledger under this name says nothing about this one.
        let number = value.strip_prefix(ledger.id())?.strip_prefix(':')?.parse().ok()?;
        Some((name.to_owned(), number))
    });
    Ok(of_receiver.collect())
}

/// Notes on a model without a ledger that a receiver waits for its first entry: a command that is killed after the first decision
/// leaves no cursor, and the next one finds this.
pub(crate) async fn expect(backend: &Backend, model: &ModelName, receiver: &str) -> Result<()> {
    backend.registry.set_registered_model_tag(model, &Key::new(format!("{TAG}{receiver}"))?, FIRST).await
}

/// The receivers that wait for the first entry of a model's ledger.
pub(crate) async fn expecting(backend: &Backend, model: &ModelName) -> Result<BTreeSet<String>> {
    let tags = backend.registry.registered_model(model).await?.tags;
    let names = tags.iter().filter(|(_, value)| *value == FIRST).filter_map(|(key, _)| key.strip_prefix(TAG));
    Ok(names.map(str::to_owned).collect())
}

/// Moves the cursor of a receiver.
pub(crate) async fn write(backend: &Backend, ledger: &Ledger, receiver: &str, number: Number) -> Result<()> {
    let key = Key::new(format!("{TAG}{receiver}"))?;
    let value = format!("{}:{number}", ledger.id());
    backend.registry.set_registered_model_tag(ledger.name(), &key, &value).await
}
