//! A single entry of the ledger.

use futures_util::stream::TryStreamExt as _;

use crate::ledger::chain::Record;
use crate::ledger::history::Step;
use crate::ledger::{Ledger, errors};
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::ModelName;
use hydra_ledger_rules::Number;
use hydra_policy::Input;

impl Ledger {
    /// What is at a number of the ledger. `EntryNotFound` if there is nothing.
    pub async fn step(&self, number: Number) -> Result<Step> {
        let mut steps = self.read(None);
        let mut above = None;
        while let Some(step) = steps.try_next().await? {
            if step.number() == number {
                return Ok(step);
            }
            if step.number() < number {
                break;
            }
            above = Some(step);
        }
        // Several missing numbers are one step, with the highest of them.
        if let Some(missing @ Step::Damaged { .. }) = above.filter(|_| number > 0) {
            return Ok(missing);
        }
        Err(no_entry(self.model(), number))
    }

    /// The decision that an entry records, with its archived input. `EntryNotFound` if there is no such entry, `NotADecision`
    /// if it is another one, `LedgerBroken` if it cannot be read; else like [`Self::input`].
    pub async fn decision(&self, number: Number) -> Result<(Record, Input)> {
        let record = match self.step(number).await? {
            Step::Valid { record, .. } | Step::Void(record) => record,
            Step::Newer { number, entry, .. } => return Err(errors::newer(number, &entry)),
            Step::Damaged { flaw, .. } => {
                return Err(Error::new(
                    ErrorKind::LedgerBroken,
                    format!("entry {number} cannot be read: {flaw}"),
                ));
            }
        };
        let input = Input::from_json(&self.input(&record).await?)?;
        Ok((*record, input))
    }
}

/// The ledger of the model has no entry of that number, or there is no ledger yet.
#[must_use]
pub fn no_entry(model: &ModelName, number: Number) -> Error {
    Error::new(ErrorKind::EntryNotFound, format!("the ledger of `{model}` has no entry {number}"))
        .with_hint("choose a number that `hydra-registry history` shows")
}
