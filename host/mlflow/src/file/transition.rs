//! Alias moves, alone or together with a ledger entry.

use crate::file::transaction::Transaction;
use crate::file::tree::Tree;
use crate::file::{models, versions};
use crate::store::{AtomicOutcome, AtomicTransition, ModelTag};
use hydra_base::aliases::AliasMove;
use hydra_base::error::{ErrorKind, Result};
use hydra_base::names::ModelName;

/// Plans alias moves of one model, in order; `VersionNotFound` if a target does not exist.
pub(super) fn plan_moves(
    tree: &Tree,
    transaction: &mut Transaction,
    name: &ModelName,
    moves: &[AliasMove],
) -> Result<()> {
    for version in moves.iter().filter_map(|AliasMove { version, .. }| *version) {
        versions::check_exists(tree, name, version)?;
    }
    models::check_exists(tree, name)?;
    let mut aliases = models::aliases(tree, name)?;
    for AliasMove { alias, version } in moves {
        if let Some(version) = version {
            aliases.insert(alias.clone(), *version);
            transaction.write(models::alias_path(name, alias), version.to_string());
        } else {
            aliases.remove(alias);
            transaction.remove_file(models::alias_path(name, alias));
        }
    }
    models::touch(tree, transaction, name, Some(&aliases))
}

/// Plans an entry and its alias moves, or reports that the store has changed since the caller read it.
pub(super) fn plan_transition(
    tree: &Tree,
    transaction: &mut Transaction,
    transition: &AtomicTransition,
) -> Result<AtomicOutcome> {
    models::check_exists(tree, &transition.model)?;
    models::check_exists(tree, &transition.entry.name)?;
    for AliasMove { alias, version } in &transition.expected_aliases {
        if models::read_alias(tree, &transition.model, alias)? != *version {
            return Ok(AtomicOutcome::Conflict);
        }
    }
    if versions::newest(tree, &transition.entry.name)? != transition.expected_newest {
        return Ok(AtomicOutcome::Conflict);
    }
    let entry = versions::plan_new(tree, transaction, &transition.entry)?;
    if transition.entry.name != transition.model {
        models::touch(tree, transaction, &transition.entry.name, None)?;
    }
    plan_moves(tree, transaction, &transition.model, &transition.moves)?;
    for tag in &transition.tags {
        match versions::plan_tag(tree, transaction, &transition.model, tag) {
            Err(error) if error.kind() == ErrorKind::VersionNotFound => {}
            planned => planned?,
        }
    }
    for ModelTag { key, value } in &transition.model_tags {
        models::plan_tag(transaction, &transition.model, key, value.clone());
    }
    Ok(AtomicOutcome::Committed(entry))
}
