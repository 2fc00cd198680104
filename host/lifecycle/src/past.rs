//! What the ledger knows that a decision depends on, and how a policy is told.

use crate::clock::Moment;
use crate::evidence::timestamp;
use crate::ledger::standing::{Approval, Quarantine};
use crate::ledger::{LedgerView, Standing};
use hydra_base::error::Result;
use hydra_base::names::Alias;
use hydra_base::{Sha256, Timestamp};
use hydra_policy::{
    Activity, ApprovalRecord, Context, ModelVersion, Operation, QuarantineRecord, Transition,
};

/// A day, in milliseconds.
const DAY_MS: u64 = 24 * 3_600_000;

/// How far back a policy is told of the changes of the champion, in milliseconds.
pub(crate) const MONTH_MS: u64 = 30 * DAY_MS;

/// What the ledger knows that a decision depends on.
#[derive(Debug, Clone)]
pub struct Past {
    /// The time of the decision.
    pub moment: Moment,
    /// The newest transitions, newest first.
    pub history: Vec<Transition>,
    /// Quarantines and approvals.
    pub standing: Standing,
    /// Since when the champion has been champion, in milliseconds.
    pub champion_since: Option<u64>,
    /// The decisions that moved the champion within the last month, each with its time in milliseconds.
    pub crownings: Vec<(Operation, u64)>,
}

impl Past {
    /// The past of a model without a ledger.
    #[must_use]
    pub fn none(moment: Moment) -> Self {
        Self {
            moment,
            history: Vec::new(),
            standing: Standing::none(""),
            champion_since: None,
            crownings: Vec::new(),
        }
    }

    /// Adds to a context what the ledger knows.
    pub(crate) fn add_to(self, context: &mut Context) {
        context.activity = activity(&self.crownings, context.now);
        context.champion_since = self.champion_since.filter(|_| context.champion.is_some());
        context.quarantined = self.standing.quarantines().map(|(version, _)| version).collect();
        context.history = self.history;
    }

    /// Adds to a version what people said of it: its quarantine, and the approvals that count at `now` for a model file with
    /// the digest `sha256`.
    pub(crate) fn say_of(
        &self,
        version: &mut ModelVersion,
        sha256: Option<Sha256>,
        now: Timestamp,
    ) -> Result<()> {
        let number = version.version;
        version.quarantine = self.standing.quarantine(number).map(quarantine).transpose()?;
        if let Some(sha256) = sha256 {
            let approvals = self.standing.counting_approvals(number, sha256, now);
            version.approvals = approvals.map(approval).collect::<Result<_>>()?;
        }
        Ok(())
    }
}

impl From<&LedgerView> for Past {
    fn from(view: &LedgerView) -> Self {
        Self {
            moment: view.moment,
            history: view.history.clone(),
            standing: view.standing.clone(),
            champion_since: view.champion_since,
            crownings: view.crownings.clone(),
        }
    }
}

/// The decisions among `transitions` that moved the champion, with their times.
pub(crate) fn crownings(transitions: &[Transition]) -> Vec<(Operation, u64)> {
    let decided = transitions.iter().filter(|transition| transition.operation != Operation::External);
    let moved =
        decided.filter(|transition| transition.moves.iter().any(|step| step.alias == Alias::CHAMPION));
    moved.map(|transition| (transition.operation, transition.at)).collect()
}

fn activity(crownings: &[(Operation, u64)], now: u64) -> Activity {
    let count = |operation: Operation, days: u64| {
        let since = now.saturating_sub(days * DAY_MS);
        let counted = crownings.iter().filter(|(of, at)| *of == operation && *at > since);
        u32::try_from(counted.count()).unwrap_or(u32::MAX)
    };
    let mut activity = Activity::default();
    activity.promotions_last_day = count(Operation::Promote, 1);
    activity.promotions_last_week = count(Operation::Promote, 7);
    activity.promotions_last_month = count(Operation::Promote, 30);
    activity.rollbacks_last_month = count(Operation::Rollback, 30);
    activity
}

fn quarantine(quarantine: &Quarantine) -> Result<QuarantineRecord> {
    let mut record =
        QuarantineRecord::new(quarantine.by.clone(), timestamp(quarantine.at)?, quarantine.reason.clone());
    record.user.clone_from(&quarantine.user);
    Ok(record)
}

fn approval(approval: &Approval) -> Result<ApprovalRecord> {
    let mut record = ApprovalRecord::new(approval.by.clone(), timestamp(approval.at)?, approval.sha256);
    record.user.clone_from(&approval.user);
    record.expires = approval.expires.map(timestamp).transpose()?;
    record.reason.clone_from(&approval.reason);
    record.own = approval.own;
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_the_champion_are_counted_by_their_age() {
        let now = 100 * DAY_MS;
        let crownings = [
            (Operation::Promote, now),
            (Operation::Rollback, now - DAY_MS / 2),
            (Operation::Promote, now - DAY_MS + 1),
            (Operation::Promote, now - DAY_MS),
            (Operation::Promote, now - 8 * DAY_MS),
            (Operation::Rollback, now - 30 * DAY_MS),
            (Operation::Promote, now - 31 * DAY_MS),
        ];
        let activity = activity(&crownings, now);
        let promotions =
            [activity.promotions_last_day, activity.promotions_last_week, activity.promotions_last_month];
        assert_eq!((promotions, activity.rollbacks_last_month), ([2, 3, 4], 1));
    }
}
