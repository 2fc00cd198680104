//! The active policy: what is wrong with it, and activations that outlast the entries that made them.

use async_trait::async_trait;
use uuid::Uuid;

use crate::ledger::active::File;
use crate::ledger::chain::Record;
use crate::ledger::decide::{Decide, DecideOutcome, LedgerView, Proposal};
use crate::ledger::doctor::LedgerFinding;
use crate::ledger::entry::{Activation, EntryKind};
use crate::ledger::look::Snapshot;
use crate::ledger::mirror::NamedPolicy;
use crate::ledger::policy_proofs::rules;
use crate::ledger::standing::ActivePanel;
use crate::ledger::{Ledger, LedgerWriter, Standing};
use hydra_base::error::Result;
use hydra_base::names::Alias;
use hydra_base::text::excerpt;
use hydra_base::time::now;
use hydra_base::{Sha256, Timestamp};
use hydra_mlflow::entities::Tags;
use hydra_policy::OverrideKind;

/// How long before the end of a key's validity it is a finding, in milliseconds: 14 days.
const NOTICE: Timestamp = 14 * 24 * 60 * 60 * 1000;

/// How the reason of an activation that is repeated begins.
const PREFIX: &str = "as before the loss of entries: ";

/// The most characters of the tag in the reason.
const MAX_CHARS: usize = 500;

impl Ledger {
    /// What is wrong with the active policy, its mirror, and the decision that made the present champion champion. An archive that
    /// cannot be read is a finding of its own.
    pub(super) async fn policy_findings(
        &self,
        snapshot: &Snapshot,
        head: &Record,
        standing: &Standing,
    ) -> Vec<LedgerFinding> {
        let mut findings = policy_at_first_sight(snapshot, head, standing);
        if let Some(active) = standing.panel() {
            let lost = self.lost_policy_files(active).await.unwrap_or_default();
            let finding = |file: File| LedgerFinding::LostPolicy { policy: active.sha256, path: file.path() };
            findings.extend(lost.into_iter().map(finding));
            findings.extend(self.ending_keys(active, now()).await.unwrap_or_default());
        }
        findings
    }

    /// What in the trust rules of the active policy has expired at this time, or will within the time of notice.
    async fn ending_keys(&self, active: &ActivePanel, at: Timestamp) -> Result<Vec<LedgerFinding>> {
        let Some(trust) = self.archived_policy(active).await?.trust else { return Ok(Vec::new()) };
        let ending = rules(&trust)?.ending(at.saturating_add(NOTICE)).into_iter();
        let finding = |(name, end)| LedgerFinding::EndingKey {
            policy: active.sha256,
            name,
            end,
            is_expired: end <= at,
        };
        Ok(ending.map(finding).collect())
    }
}

/// What the standing, the tag of the model and the newest entries show of the active policy.
pub(super) fn policy_at_first_sight(
    snapshot: &Snapshot,
    head: &Record,
    standing: &Standing,
) -> Vec<LedgerFinding> {
    let tags = &snapshot.registered.tags;
    let of_tag = match (standing.panel(), NamedPolicy::of(tags)) {
        _ if !head.is_settled() => None,
        (None, Some(named)) => {
            let since = excerpt(&named.since, MAX_CHARS);
            Some(LedgerFinding::LostActivation { named: named.sha256, since })
        }
        (Some(active), _) if standing.differs_from_tag(tags) => {
            Some(LedgerFinding::PolicyTag { policy: active.sha256 })
        }
        _ => None,
    };
    of_tag.into_iter().chain(overridden(snapshot, head)).collect()
}

/// The decision among the newest entries that made the champion champion, if it set the active policy aside.
fn overridden(snapshot: &Snapshot, head: &Record) -> Option<LedgerFinding> {
    let champion = head.state().get(&Alias::CHAMPION)?;
    let mut chain = snapshot.window.valid_from(head.number);
    let crowned = chain.find(|record| record.entry.crowned() == Some(champion))?;
    let entry = &crowned.entry;
    let is_overridden = entry.is_approved() && entry.overrides.contains(&OverrideKind::InactivePolicy);
    is_overridden.then(|| LedgerFinding::OverriddenPolicy {
        version: champion,
        entry: crowned.number,
        actor: entry.actor.clone(),
    })
}

impl LedgerWriter {
    /// Makes the policy active again that the tags of the model name, if the ledger has none, after entries were lost. A person can
    /// deactivate it.
    pub(super) async fn activate_again(&self, tags: &Tags) -> Result<()> {
        // A tag that names none of this program's documents: decisions are refused until a person says what holds.
        let Some(named) = NamedPolicy::of(tags).filter(|named| named.sha256 != Sha256::NONE) else {
            return Ok(());
        };
        tracing::warn!(model = %self.ledger.model, policy = %named.sha256, "active again: the tag of the model says that it was");
        let operation_id = Uuid::new_v4().simple().to_string();
        self.transition(&operation_id, &mut Again { named: &named }).await.map(drop)
    }

    /// Stores the files of the policy that the tags of the model name, which the archive of a former ledger may have. Without them,
    /// decisions are refused until a person stores them again.
    pub(super) async fn copy_named_policy(&self, former: &Ledger, tags: &Tags) {
        let Some(named) = NamedPolicy::of(tags) else { return };
        if let Err(error) = self.copy_active(former, named.sha256).await {
            tracing::warn!(%error, policy = %named.sha256, "cannot copy the active policy to the new archive");
        }
    }
}

/// The activation of a policy that the tag of the model names.
struct Again<'a> {
    named: &'a NamedPolicy,
}

#[async_trait]
impl Decide for Again<'_> {
    async fn decide(&mut self, view: &LedgerView) -> Result<DecideOutcome> {
        if view.standing.panel().is_some() {
            return Ok(DecideOutcome::Nothing);
        }
        let NamedPolicy { sha256, approvals, since } = self.named;
        let former = since.rsplit(PREFIX).next().unwrap_or_default();
        let explanation =
            format!("the policy {sha256} is active again: the tag of the model says that it was");
        Ok(DecideOutcome::Propose(Box::new(Proposal {
            reason: Some(format!("{PREFIX}{}", excerpt(former, MAX_CHARS))),
            activation: Some(Activation { approvals: *approvals, ..Activation::of(*sha256) }),
            ..Proposal::statement(EntryKind::Activate, explanation)
        })))
    }
}
