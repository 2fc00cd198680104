//! The standing as policies see it: the approvals that count, and the versions in quarantine.

use crate::evidence::timestamp;
use crate::ledger::{Approval, Quarantine, Standing};
use hydra_base::error::Result;
use hydra_base::names::Version;
use hydra_base::{Sha256, Timestamp};
use hydra_models::candidate::SHA256_TAG;
use hydra_policy::{ApprovalRecord, ModelState, ModelVersion, QuarantineRecord};

/// Adds what `standing` records about `version` at `now`. An approval counts for the bytes that the model has now: those
/// that the host read, or else those that the version's tag names.
pub(crate) fn add(version: &mut ModelVersion, standing: &Standing, now: Timestamp) -> Result<()> {
    version.quarantine = standing.quarantine(version.version).map(quarantine).transpose()?;
    if let Some(sha256) = digest(version) {
        let counting = standing.counting_approvals(version.version, sha256, now);
        version.approvals = counting.map(approval).collect::<Result<_>>()?;
    }
    Ok(())
}

/// Every version in quarantine.
pub(crate) fn quarantined(standing: &Standing) -> impl Iterator<Item = Version> {
    standing.quarantines().map(|(version, _)| version)
}

fn digest(version: &ModelVersion) -> Option<Sha256> {
    match &version.model {
        ModelState::Loadable(facts) => Some(facts.sha256),
        _ => version.tags.get(SHA256_TAG)?.parse().ok(),
    }
}

fn approval(approval: &Approval) -> Result<ApprovalRecord> {
    let mut record = ApprovalRecord::new(approval.by.clone(), timestamp(approval.at)?, approval.sha256);
    record.user.clone_from(&approval.user);
    record.expires = approval.expires.map(timestamp).transpose()?;
    record.reason.clone_from(&approval.reason);
    record.own = approval.own;
    Ok(record)
}

fn quarantine(quarantine: &Quarantine) -> Result<QuarantineRecord> {
    let at = timestamp(quarantine.at)?;
    let mut record = QuarantineRecord::new(quarantine.by.clone(), at, quarantine.reason.clone());
    record.user.clone_from(&quarantine.user);
    Ok(record)
}
