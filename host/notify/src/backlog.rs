//! What waits for the receivers.

use futures_util::TryStreamExt as _;
use hydra_base::error::Result;
use hydra_ledger_rules::Number;
use hydra_lifecycle::ledger::Ledger;
use hydra_lifecycle::ledger::history::{Fate, Step};
use tokio::time::{Instant, timeout_at};

use crate::event::Event;

/// The most entries that a command looks back at its end; more wait for `notify catch-up`.
const BACKLOG: usize = 500;

/// An entry as receivers see it.
#[derive(Debug)]
pub(crate) struct Told {
    pub number: Number,
    pub events: Vec<Event>,
}

/// The newest settled entries, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    pub told: Vec<Told>,
    /// All entries above this number are there.
    pub down_to: Number,
}

/// The settled entries above a number. An entry that may still come to nothing, and one of a newer release, ends them. With an `end`,
/// reading stops then, and after [`BACKLOG`] entries: a receiver that is further behind must not keep the others waiting.
pub(crate) async fn above(
    ledger: &Ledger,
    model: &str,
    lowest: Number,
    end: Option<Instant>,
) -> Result<Backlog> {
    let mut found = Backlog { told: Vec::new(), down_to: Number::MAX };
    let mut steps = ledger.read(end.map(|_| 32));
    let mut read = 0;
    loop {
        let next = match end {
            Some(_) if read >= BACKLOG => break,
            Some(end) => match timeout_at(end, steps.try_next()).await {
                Ok(next) => next?,
                Err(_) => break,
            },
            None => steps.try_next().await?,
        };
        let Some(step) = next.filter(|step| step.number() > lowest) else {
            found.down_to = lowest;
            break;
        };
        read += 1;
        let number = step.number();
        match step {
            Step::Valid { fate: Fate::Pending, .. } | Step::Newer { bridged: false, .. } => {
                found.told.clear();
            }
            Step::Valid { record, fate } => {
                found.told.push(Told { number, events: Event::of(model, &record, fate) });
            }
            Step::Void(_) | Step::Newer { .. } | Step::Damaged { .. } => {
                found.told.push(Told { number, events: Vec::new() });
            }
        }
        found.down_to = number.saturating_sub(1);
    }
    found.told.reverse();
    Ok(found)
}
