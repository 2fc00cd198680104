//! A new archive in the place of one that was purged.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::try_join;

use crate::ledger::entry::{EntryKind, NewArchive};
use crate::ledger::founding::create_archive_run;
use crate::ledger::identity::{ARCHIVES_TAG, RUN_TAG, set_tag};
use crate::ledger::settle::{Quiet, Settler};
use crate::ledger::{Ledger, LedgerWriter};
use hydra_base::error::{ErrorKind, Result};
use hydra_base::names::{ExperimentId, RunId};

impl LedgerWriter {
    /// The same ledger with an archive that exists. Where the run with the archive was purged, a new run in the experiment takes
    /// its place, an entry says so, and the tags of the model name it; earlier archives are read as long as they exist.
    pub async fn with_archive(self, experiment: impl Future<Output = Result<ExperimentId>>) -> Result<Self> {
        match self.ledger.locate_archive().await {
            Err(error) if error.kind() == ErrorKind::ArchiveGone => {}
            other => return other.map(|()| self),
        }
        let mut settler = Settler::new(&self);
        let mut quiet = settler.settle(None).await?;
        let run_id = match self.begun(&quiet).await? {
            Some(run_id) => run_id,
            None => {
                let (backend, model) = (&self.ledger.backend, &self.ledger.model);
                create_archive_run(backend, model, &experiment.await?, &self.settings.actor).await?
            }
        };
        // An entry that lost a race is void: then once more.
        while !archives(&quiet).any(|named| named == run_id) {
            settler.will_append_above(quiet.head.number);
            if let Err(error) = self.append_archive(&quiet, &run_id).await {
                settler.pause_if_transient(error).await?;
            }
            quiet = settler.settle(None).await?;
        }
        self.name_archive(&quiet, run_id).await
    }

    /// The run of a new archive that an interrupted command began.
    async fn begun(&self, quiet: &Quiet) -> Result<Option<RunId>> {
        let Some(run_id) = archives(quiet).next() else { return Ok(None) };
        match self.ledger.backend.tracking.run(&run_id).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            found => found.map(|run| Some(run.id)),
        }
    }

    async fn append_archive(&self, quiet: &Quiet, run_id: &RunId) -> Result<()> {
        let head = &quiet.head;
        let state = quiet.snapshot.existing(head.state());
        let why = format!("run {}, which held the archive, does not exist any more", self.ledger.run_id);
        let (moment, base) = (self.moment_after(Some(head)), (head.number, Some(head.digest)));
        let mut entry = self.entry(EntryKind::Archive, moment, base, (state.clone(), state), why);
        entry.standing = head.entry.standing;
        entry.archive = Some(NewArchive { run_id: run_id.clone() });
        self.append(&mut entry).await.map(drop)
    }

    async fn name_archive(self, quiet: &Quiet, run_id: RunId) -> Result<Self> {
        let former = &self.ledger;
        let mut seen = BTreeSet::from([run_id.clone()]);
        let older_runs: Vec<RunId> = archives(quiet)
            .chain(std::iter::once(former.run_id.clone()))
            .chain(former.older_runs.iter().cloned())
            .filter(|run| seen.insert(run.clone()))
            .collect();
        let older: Vec<&str> = older_runs.iter().map(RunId::as_str).collect();
        let (backend, model) = (&former.backend, &former.model);
        try_join(
            set_tag(backend, model, ARCHIVES_TAG, &older.join(" ")),
            set_tag(backend, model, RUN_TAG, run_id.as_str()),
        )
        .await?;
        let ledger = Ledger { run_id, older_runs, artifact_uri: Arc::default(), ..self.ledger };
        Ok(Self { ledger, ..self })
    }
}

/// The runs of new archives that the newest entries name, newest first.
fn archives(quiet: &Quiet) -> impl Iterator<Item = RunId> {
    let valid = quiet.snapshot.window.valid_from(quiet.head.number);
    valid.filter_map(|record| record.entry.archive.as_ref().map(|archive| archive.run_id.clone()))
}
