//! Runs of this program that are RUNNING, and those among them that no process writes any more.

use crate::clock::store_time;
use crate::writer::{WRITER_TAG, Writer};
use hydra_base::Timestamp;
use hydra_base::error::Result;
use hydra_base::names::{ExperimentId, RunId};
use hydra_mlflow::connect::Backend;
use hydra_mlflow::entities::{OPERATION_ID_TAG, Run, RunStatus};
use hydra_mlflow::listing::Listing;

/// The age from which an unfinished run counts as abandoned; longer than any upload.
const LONGEST_RUN_MS: Timestamp = 24 * 3_600_000;

/// The number of runs per request.
const PAGE: usize = 100;

/// A run that this program started and did not end.
#[derive(Debug)]
pub(crate) struct Unfinished {
    pub(crate) run_id: RunId,
    /// When it started.
    pub(crate) started: Option<Timestamp>,
    /// Whether an evaluation is recorded in it.
    pub(crate) of_evaluation: bool,
    /// Whether its process is gone, or it is older than a day.
    pub(crate) is_abandoned: bool,
}

/// The unfinished runs of this program in an experiment.
pub(crate) async fn unfinished(backend: &Backend, experiment: &ExperimentId) -> Result<Vec<Unfinished>> {
    let mut unfinished = Vec::new();
    let mut listing = Listing::default();
    while !listing.is_at_end() {
        let tracking = &backend.tracking;
        let page = tracking.runs_by_status(experiment, RunStatus::Running, PAGE, listing.token()).await?;
        listing.advance(&page)?;
        let now = store_time(backend);
        // Other programs log runs in the same experiment; runs of this program have an operation id.
        let ours = page.items.into_iter().filter(|run| run.tags.contains_key(OPERATION_ID_TAG));
        unfinished.extend(ours.map(|run| Unfinished::new(run, now)));
    }
    Ok(unfinished)
}

/// Ends abandoned runs as FAILED: all, or those of evaluations.
pub(crate) async fn end_abandoned(
    backend: &Backend,
    experiment: &ExperimentId,
    of_evaluations_only: bool,
) -> Result<()> {
    let abandoned = unfinished(backend, experiment).await?.into_iter().filter(|run| run.is_abandoned);
    for run in abandoned.filter(|run| run.of_evaluation || !of_evaluations_only) {
        let ended = Some(store_time(backend));
        backend.tracking.update_run(&run.run_id, RunStatus::Failed, ended).await?;
    }
    Ok(())
}

impl Unfinished {
    fn new(run: Run, now: Timestamp) -> Self {
        let writer = run.tags.get(WRITER_TAG);
        let is_old = run.start_time.is_some_and(|started| now.saturating_sub(started) > LONGEST_RUN_MS);
        let named: Option<Writer> = writer.and_then(|writer| writer.parse().ok());
        Self {
            run_id: run.id,
            started: run.start_time,
            of_evaluation: writer.is_some(),
            is_abandoned: is_old || named.is_some_and(|writer| writer.is_gone(now)),
        }
    }
}
