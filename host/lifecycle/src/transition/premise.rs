//! Whether a request is still about the champion that it was made for.

use super::{Request, Transitions};
use crate::evidence::Target;
use crate::ledger::LedgerView;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{Alias, Version};
use hydra_mlflow::entities::RegisteredModel;
use hydra_policy::Operation;

impl Transitions<'_> {
    /// Refuses a rollback that names no version, or that puts the version it leaves in quarantine, if the champion that was
    /// `seen` when the request was made is not the champion any more because a slow writer's move was undone: then the request
    /// was about another champion. Other requests name what they want, and go on with a warning.
    ///
    /// What other writers decided meanwhile is not in the way: requests are decided in one order.
    pub fn check_premise(&self, request: &Request, seen: &RegisteredModel, view: &LedgerView) -> Result<()> {
        let on = |registered: &RegisteredModel| registered.aliases.get(&Alias::CHAMPION).copied();
        let (before, now) = (on(seen), on(&view.registered));
        if before == now || !view.champion_was_restored {
            return Ok(());
        }
        let text = |version: Option<Version>| {
            version.map_or_else(|| "not set".to_owned(), |version| format!("version {version}"))
        };
        let what = format!(
            "the champion was {} when the command began, which looked like the late move of a slow writer and is undone: it is {}",
            text(before),
            text(now)
        );
        let leaves = request.target == Target::PolicyChoice
            || request.quarantine
            || self.options.quarantine_on_rollback;
        if request.operation != Operation::Rollback || !leaves {
            tracing::warn!(model = %self.model, "{what}");
            return Ok(());
        }
        Err(Error::new(ErrorKind::PremiseChanged, what).with_context("model", self.model).with_hint(
            "look at `hydra-registry history`, and repeat the rollback if it should leave the present champion",
        ))
    }
}
