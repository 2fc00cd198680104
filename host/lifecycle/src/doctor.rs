//! What may be wrong with a model's lifecycle, beyond its ledger: runs that a killed process left behind, aliases on
//! versions that are gone, or whose runs or files are.

use std::fmt;

use crate::ledger::doctor::LedgerFinding;
use crate::ledger::{Ledger, LedgerWriter};
use hydra_base::Timestamp;
use hydra_base::error::{ErrorKind, Result};
use hydra_base::names::{Alias, ExperimentId, ModelName, RunId, Version};
use hydra_base::time::now;
use hydra_mlflow::connect::Backend;
use hydra_mlflow::entities::{LifecycleStage, ModelVersion, OPERATION_ID_TAG, Run, RunStatus};
use hydra_models::model_cache::ModelCache;
use hydra_models::preflight::{self, Opened, Presence};

/// How long after its start a run that still runs is taken for one that was killed: longer than any upload.
const LONGEST_RUN_MS: Timestamp = 24 * 3_600_000;

/// How many runs one request asks for.
const PAGE: usize = 100;

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// Something about the ledger.
    Ledger(LedgerFinding),
    /// An alias points to a version that was deleted.
    Dangling {
        /// The alias.
        alias: Alias,
        /// The version.
        version: Version,
    },
    /// The champion is archived as well: a rollback has nowhere to go.
    ArchivedChampion {
        /// The version.
        version: Version,
    },
    /// The run of a version behind an alias was deleted: policies are shown nothing of it.
    DeletedRun {
        /// The alias.
        alias: Alias,
        /// The version.
        version: Version,
        /// The run.
        run_id: RunId,
    },
    /// The model of a version behind an alias cannot be loaded.
    UnreadableModel {
        /// The alias.
        alias: Alias,
        /// The version.
        version: Version,
        /// Why, for people.
        why: String,
    },
    /// A run that this program started in the experiment and never ended.
    UnfinishedRun {
        /// The run.
        run_id: RunId,
        /// When it started.
        started: Option<Timestamp>,
    },
}

impl Finding {
    /// What kind of finding it is, for machines.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Ledger(finding) => finding.code(),
            Self::Dangling { .. } => "dangling-alias",
            Self::ArchivedChampion { .. } => "archived-champion",
            Self::DeletedRun { .. } => "deleted-run",
            Self::UnreadableModel { .. } => "unreadable-model",
            Self::UnfinishedRun { .. } => "unfinished-run",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Ledger(finding) => finding.remedy(),
            Self::Dangling { .. } => "promote another version, roll back, or delete the alias",
            Self::ArchivedChampion { .. } => {
                "`rollback --to` another former champion, or promote another version"
            }
            Self::DeletedRun { .. } => "restore the run in MLflow before it is purged",
            Self::UnreadableModel { .. } => {
                "restore the files from a backup, promote another version, or roll back"
            }
            Self::UnfinishedRun { .. } => {
                "if no process is working on it, log the candidate again; `doctor --fix` ends runs older than a day as FAILED"
            }
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ledger(finding) => finding.fmt(f),
            Self::Dangling { alias, version } => {
                write!(f, "`{alias}` points to version {version}, which was deleted")
            }
            Self::ArchivedChampion { version } => {
                write!(
                    f,
                    "version {version} is both `champion` and `archived`, so there is no version to roll back to"
                )
            }
            Self::DeletedRun { alias, version, run_id } => {
                write!(f, "run {run_id} of version {version} (`{alias}`) is deleted")
            }
            Self::UnreadableModel { alias, version, why } => {
                write!(f, "cannot load the model of version {version} (`{alias}`): {why}")
            }
            Self::UnfinishedRun { run_id, .. } => write!(f, "run {run_id} has started but never ended"),
        }
    }
}

/// One model under examination.
#[derive(Debug)]
pub struct Doctor<'a> {
    /// The stores.
    pub backend: &'a Backend,
    /// The registered model.
    pub model: &'a ModelName,
    /// The experiment that candidates are logged in, if there is one yet.
    pub experiment: Option<&'a ExperimentId>,
    /// What is kept of models that were opened before.
    pub cache: Option<&'a ModelCache>,
}

impl Doctor<'_> {
    /// Looks at everything and writes nothing. `ledger` is the model's, if a first decision founded one.
    pub async fn diagnose(&self, ledger: Option<&Ledger>) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        if let Some(ledger) = ledger {
            findings.extend(ledger.diagnose().await?.into_iter().map(Finding::Ledger));
        }
        let registered = self.backend.registry.registered_model(self.model).await?;
        for (alias, version) in &registered.aliases {
            match self.backend.registry.model_version(self.model, *version).await {
                Err(error) if error.kind() == ErrorKind::VersionNotFound => {
                    findings.push(Finding::Dangling { alias: alias.clone(), version: *version });
                }
                found => {
                    let found = found?;
                    findings.extend(self.deleted_run(alias, &found).await?);
                    findings.extend(self.unreadable_model(alias, &found).await);
                }
            }
        }
        let on = |alias: Alias| registered.aliases.get(&alias).copied();
        let champion = on(Alias::CHAMPION).filter(|champion| on(Alias::ARCHIVED) == Some(*champion));
        findings.extend(champion.map(|version| Finding::ArchivedChampion { version }));
        let unfinished = self.unfinished_runs().await?.into_iter();
        findings
            .extend(unfinished.map(|run| Finding::UnfinishedRun { run_id: run.id, started: run.start_time }));
        Ok(findings)
    }

    /// Repairs what needs no decision by a person. A ledger that a newer release wrote to stays as it is.
    pub async fn repair(&self, ledger: Option<&LedgerWriter>) -> Result<()> {
        if let Some(ledger) = ledger {
            match ledger.repair().await {
                // A finding of the next diagnosis; the runs can be repaired anyway.
                Err(error) if error.kind() == ErrorKind::LedgerNewer => {}
                other => drop(other?),
            }
        }
        let abandoned = |run: &Run| run.start_time.is_some_and(|start| now() - start > LONGEST_RUN_MS);
        for run in self.unfinished_runs().await?.into_iter().filter(abandoned) {
            self.backend.tracking.update_run(&run.id, RunStatus::Failed, Some(now())).await?;
        }
        Ok(())
    }

    async fn deleted_run(&self, alias: &Alias, version: &ModelVersion) -> Result<Option<Finding>> {
        let Some(run_id) = &version.run_id else { return Ok(None) };
        let deleted = match self.backend.tracking.run(run_id).await {
            Ok(run) => run.lifecycle_stage == LifecycleStage::Deleted,
            Err(error) if error.kind() == ErrorKind::NotFound => true,
            Err(error) => return Err(error),
        };
        let (alias, version, run_id) = (alias.clone(), version.version, run_id.clone());
        Ok(deleted.then_some(Finding::DeletedRun { alias, version, run_id }))
    }

    async fn unreadable_model(&self, alias: &Alias, version: &ModelVersion) -> Option<Finding> {
        let why = match preflight::open(self.backend, self.cache, version, Presence::Asked).await {
            Ok(Opened::Loadable(_)) => return None,
            Ok(Opened::Unloadable(why)) => why.to_string(),
            // The registry has answered, so this is about the model's files.
            Err(error) => error.to_string(),
        };
        Some(Finding::UnreadableModel { alias: alias.clone(), version: version.version, why })
    }

    /// The runs of this program in the experiment that have no end.
    async fn unfinished_runs(&self) -> Result<Vec<Run>> {
        let Some(experiment) = self.experiment else { return Ok(Vec::new()) };
        let mut unfinished = Vec::new();
        let mut token = None;
        loop {
            let tracking = &self.backend.tracking;
            let page =
                tracking.runs_by_status(experiment, RunStatus::Running, PAGE, token.as_deref()).await?;
            // Other programs log runs in the same experiment; runs of this program have an operation id.
            unfinished.extend(page.items.into_iter().filter(|run| run.tags.contains_key(OPERATION_ID_TAG)));
            token = page.next;
            if token.is_none() {
                return Ok(unfinished);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydra_mlflow::testing::fault_server::{FaultServer, ok};
    use hydra_mlflow::uri::TrackingUri;

    #[tokio::test]
    async fn a_place_without_a_model_is_named_without_its_secrets() {
        let server = FaultServer::start_with(|authority| {
            let uri = format!("mlflow-artifacts://ann:hunter2@{authority}/1");
            vec![
                ok(r#"{"registered_model":{"name":"m","aliases":[{"alias":"champion","version":"1"}]}}"#),
                ok(r#"{"model_version":{"version":"1"}}"#),
                ok(&format!(r#"{{"artifact_uri":"{uri}"}}"#)),
                ok("{}"),
            ]
        });
        let uri = TrackingUri::new(&server.url).expect("a URI");
        let backend = Backend::connect(&uri, None, &Default::default()).expect("a backend");
        let model = ModelName::new("m").expect("a name");
        let doctor = Doctor { backend: &backend, model: &model, experiment: None, cache: None };
        let findings = doctor.diagnose(None).await.expect("a diagnosis");
        let [Finding::UnreadableModel { why, .. }] = findings.as_slice() else { panic!("{findings:?}") };
        assert!(why.contains("there is no MLmodel at mlflow-artifacts://***@127.0.0.1"), "{why}");
    }
}
