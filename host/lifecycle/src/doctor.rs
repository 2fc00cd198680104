//! Finds problems of a model's lifecycle beyond its ledger: abandoned runs, aliases of deleted versions, and versions
//! whose runs or files are missing.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::clock::{exceeds, in_words};
use crate::evaluations::{self, Unusable};
use crate::ledger::doctor::LedgerFinding;
use crate::ledger::{Former, Ledger, LedgerWriter, MODEL_TAG};
use crate::model_trust;
use crate::unfinished::{Unfinished, end_abandoned, unfinished};
use hydra_base::Timestamp;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{Alias, DatasetName, ExperimentId, ModelName, RunId, Version};
use hydra_mlflow::connect::Backend;
use hydra_mlflow::entities::{Experiment, LifecycleStage, ModelVersion, RegisteredModel};
use hydra_models::model_cache::ModelCache;
use hydra_models::preflight::{self, Opened, Presence};
use hydra_trust::TrustRules;

/// A problem of the lifecycle.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// A problem of the ledger.
    Ledger(LedgerFinding),
    /// The ledger that the model's tags name does not exist.
    LostLedger {
        /// What is known about it, for people.
        why: String,
    },
    /// The model has no ledger by its tags, and a registered model is its ledger by the first entry.
    UnlinkedLedger {
        /// The registered model.
        ledger: ModelName,
        /// The other model that its tag names, if one does.
        names: Option<String>,
    },
    /// The model cannot be examined, for example because a newer release wrote to its ledger.
    NotExamined {
        /// The error, for people.
        why: String,
        /// What to do, if the error knows.
        hint: Option<String>,
    },
    /// The experiment that candidates are logged in is deleted.
    DeletedExperiment {
        /// Its id.
        id: ExperimentId,
        /// Its name.
        name: String,
    },
    /// An alias has the name of one of ours, but for upper and lower case.
    AliasSpelling {
        /// The alias.
        alias: Alias,
        /// The version it is on.
        version: Version,
        /// Our alias.
        ours: Alias,
    },
    /// An alias points to a version that was deleted.
    Dangling {
        /// The alias.
        alias: Alias,
        /// The version.
        version: Version,
    },
    /// The champion is also archived, so a rollback has no target.
    ArchivedChampion {
        /// The version.
        version: Version,
    },
    /// The run of a version behind an alias was deleted, so policies receive no evidence about the version.
    DeletedRun {
        /// The alias.
        alias: Alias,
        /// The version.
        version: Version,
        /// The run.
        run_id: RunId,
        /// Whether it was purged, and cannot be restored.
        purged: bool,
    },
    /// The model of a version behind an alias cannot be loaded.
    UnreadableModel {
        /// The alias.
        alias: Alias,
        /// The version.
        version: Version,
        /// The reason, for people.
        why: String,
        /// The number of the entry that made it champion although it could not be loaded, if it is the champion by such a
        /// request.
        overridden: Option<u64>,
    },
    /// The trust rules of this host do not accept the model behind `champion` or `archived`, so its readers refuse it.
    UntrustedModel {
        /// The alias.
        alias: Alias,
        /// The version.
        version: Version,
        /// The reason, for people.
        why: String,
    },
    /// A version behind an alias refers to an evaluation that is missing or is not the one that was recorded.
    UnusableEvaluation {
        /// The version.
        version: Version,
        /// The name of the dataset.
        dataset: String,
        /// The reason, for people.
        why: String,
    },
    /// The clock of this machine differs from the server's.
    WrongClock {
        /// The server's clock minus that of this machine, in milliseconds, at least.
        difference: i64,
    },
    /// A run that this program started in the experiment and did not end.
    UnfinishedRun {
        /// The run.
        run_id: RunId,
        /// When it started.
        started: Option<Timestamp>,
        /// Whether its process is gone, or it is older than a day.
        is_abandoned: bool,
    },
}

impl Finding {
    /// The finding of a model that cannot be examined.
    #[must_use]
    pub fn not_examined(error: &Error) -> Self {
        Self::NotExamined { why: error.to_string(), hint: error.hint().map(str::to_owned) }
    }

    /// The kind of the finding, for machines.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Ledger(finding) => finding.code(),
            Self::LostLedger { .. } => "lost-ledger",
            Self::UnlinkedLedger { .. } => "unlinked-ledger",
            Self::NotExamined { .. } => "not-examined",
            Self::DeletedExperiment { .. } => "deleted-experiment",
            Self::AliasSpelling { .. } => "alias-spelling",
            Self::Dangling { .. } => "dangling-alias",
            Self::ArchivedChampion { .. } => "archived-champion",
            Self::DeletedRun { .. } => "deleted-run",
            Self::UnreadableModel { .. } => "unreadable-model",
            Self::UntrustedModel { .. } => "untrusted-model",
            Self::UnusableEvaluation { .. } => "unusable-evaluation",
            Self::WrongClock { .. } => "wrong-clock",
            Self::UnfinishedRun { .. } => "unfinished-run",
        }
    }

    /// The remedy, as text for users.
    #[must_use]
    pub fn remedy(&self) -> Cow<'static, str> {
        match self {
            Self::Ledger(finding) => finding.remedy(),
            Self::LostLedger { .. } => {
                "restore that registered model from a backup of MLflow's database; if there is none, `doctor --fix` begins a new ledger, whose first entry names the lost one".into()
            }
            Self::UnlinkedLedger { names: None, .. } => {
                "run `doctor --fix`, or wait for the next promotion or rollback; each goes on with that ledger".into()
            }
            Self::UnlinkedLedger { ledger, names: Some(_) } => {
                format!("if it should be in use, delete its tag `{MODEL_TAG}` in MLflow, and run `doctor --fix`; if not, the next decision begins another ledger, and `{ledger}` keeps its entries").into()
            }
            Self::NotExamined { hint, .. } => {
                hint.clone().map_or_else(|| "run `hydra-registry doctor` on this model".into(), Cow::Owned)
            }
            Self::DeletedExperiment { id, .. } => {
                format!("restore it before it is purged: `mlflow experiments restore --experiment-id {id}`; or set MLFLOW_EXPERIMENT_NAME to another one").into()
            }
            Self::AliasSpelling { alias, ours, .. } => {
                format!("MLflow tells them apart, and commands move only `{ours}`: delete the alias `{alias}` in MLflow, and have its readers use `{ours}`").into()
            }
            Self::Dangling { .. } => "promote another version, roll back, or delete the alias".into(),
            Self::ArchivedChampion { .. } => {
                "run `hydra-registry rollback`, which returns to the version that was champion before, or promote another version".into()
            }
            Self::DeletedRun { purged: true, .. } => {
                "policies decide without its metrics; to have them, log the model again and promote that version".into()
            }
            Self::DeletedRun { run_id, .. } => {
                format!("restore the run in MLflow before it is purged: `mlflow runs restore --run-id {run_id}`").into()
            }
            Self::UnreadableModel { alias, .. } if *alias == Alias::CHAMPION => {
                "restore the files from a backup, promote another version, or roll back".into()
            }
            Self::UnreadableModel { alias, .. } if *alias == Alias::ARCHIVED => {
                "restore the files from a backup; until then, `hydra-registry rollback --to VERSION` returns to another former champion".into()
            }
            Self::UnreadableModel { .. } => "restore the files from a backup, or log the model again".into(),
            Self::UntrustedModel { version, .. } => {
                format!("find out who moved the alias; sign the model if it is right: `hydra-registry model sign {version} --key KEY`, or promote another version, or roll back").into()
            }
            Self::UnusableEvaluation { dataset, .. } if DatasetName::new(dataset.clone()).is_err() => {
                "delete the tag in MLflow: it does not name a dataset".into()
            }
            Self::UnusableEvaluation { version, dataset, .. } => {
                format!("restore the document from a backup, or measure again, together with the champion: `hydra-registry evaluate ROWS --label COLUMN --alias champion --version {version} --name {dataset}`").into()
            }
            Self::WrongClock { .. } => {
                "set the clock that is wrong; until then, this machine's decisions are refused".into()
            }
            Self::UnfinishedRun { is_abandoned: true, .. } => {
                "repeat the command that began it; `doctor --fix` ends it as FAILED, because no process is working on it".into()
            }
            Self::UnfinishedRun { .. } => {
                "if no process is working on it, repeat the command that began it; `doctor --fix` ends runs older than a day as FAILED".into()
            }
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ledger(finding) => finding.fmt(f),
            Self::UnlinkedLedger { ledger, names: None } => {
                write!(
                    f,
                    "the registered model `{ledger}` is the ledger of this model by its first entry, and the tags of the model do not name it"
                )
            }
            Self::UnlinkedLedger { ledger, names: Some(names) } => {
                write!(
                    f,
                    "the model has no ledger; the registered model `{ledger}` is that of this model by its first entry, and of `{names}` by its tag"
                )
            }
            Self::LostLedger { why } | Self::NotExamined { why, .. } => f.write_str(why),
            Self::DeletedExperiment { id, name } => {
                write!(f, "the experiment `{name}` ({id}), in which candidates are logged, is deleted")
            }
            Self::AliasSpelling { alias, version, ours } => {
                write!(f, "the alias `{alias}` on version {version} is not `{ours}`, but looks like it")
            }
            Self::Dangling { alias, version } => {
                write!(f, "`{alias}` points to version {version}, which was deleted")
            }
            Self::ArchivedChampion { version } => {
                write!(
                    f,
                    "version {version} is both `champion` and `archived`, so `archived` names no version to roll back to"
                )
            }
            Self::DeletedRun { alias, version, run_id, purged } => {
                let how = if *purged { "does not exist" } else { "is deleted" };
                write!(f, "run {run_id} of version {version} (`{alias}`) {how}")
            }
            Self::UnreadableModel { alias, version, why, overridden } => {
                write!(f, "cannot load the model of version {version} (`{alias}`): {why}")?;
                match overridden {
                    Some(entry) => write!(f, "; entry {entry} made it champion with --allow-unloadable"),
                    None => Ok(()),
                }
            }
            Self::UntrustedModel { alias, version, why } => {
                write!(f, "the trust rules for models do not accept version {version} (`{alias}`): {why}")
            }
            Self::UnusableEvaluation { version, dataset, why } => {
                write!(f, "cannot use the evaluation of version {version} on `{dataset}`: {why}")
            }
            Self::WrongClock { difference } => {
                write!(f, "this machine's clock is {} the server's", in_words(*difference))
            }
            Self::UnfinishedRun { run_id, .. } => write!(f, "run {run_id} has started but never ended"),
        }
    }
}

/// A model to examine.
#[derive(Debug)]
pub struct Doctor<'a> {
    /// The stores.
    pub backend: &'a Backend,
    /// The registered model.
    pub model: &'a ModelName,
    /// The experiment that candidates are logged in, if there is one yet.
    pub experiment: Option<&'a Experiment>,
    /// What is kept of models that were opened before.
    pub cache: Option<&'a ModelCache>,
    /// How far the clock of this machine may be from the store's.
    pub clock_tolerance: Duration,
    /// Who must have signed the models of champions.
    pub model_trust: Option<&'a TrustRules>,
}

impl Doctor<'_> {
    /// Finds all problems and writes nothing. `ledger` is the model's ledger, if a first decision has created it.
    pub async fn diagnose(&self, ledger: Option<&Ledger>) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        if let Some(ledger) = ledger {
            findings.extend(ledger.diagnose().await?.into_iter().map(Finding::Ledger));
        }
        let registered = self.backend.registry.registered_model(self.model).await?;
        if ledger.is_none() {
            let experiment = self.experiment.map(|experiment| &experiment.id);
            let former = Former::of(self.backend, &registered, experiment).await?;
            findings.extend(former.map(Finding::from));
        }
        let deleted = self.experiment.filter(|found| found.lifecycle_stage == LifecycleStage::Deleted);
        findings.extend(deleted.map(|experiment| Finding::DeletedExperiment {
            id: experiment.id.clone(),
            name: experiment.name.clone(),
        }));
        findings.extend(misspelled(&registered));
        let mut examined: BTreeSet<Version> = BTreeSet::new();
        let mut unusable = Vec::new();
        for (alias, version) in &registered.aliases {
            match self.backend.registry.model_version(self.model, *version).await {
                Err(error) if error.kind() == ErrorKind::VersionNotFound => {
                    findings.push(Finding::Dangling { alias: alias.clone(), version: *version });
                }
                found => {
                    let found = found?;
                    findings.extend(self.deleted_run(alias, &found).await?);
                    findings.extend(self.unusable_model(alias, &found, ledger).await);
                    // One after the other, so that what many versions hold is not in memory at the same time.
                    if examined.insert(found.version) {
                        unusable.extend(Box::pin(evaluations::unusable(self.backend, &[found])).await);
                    }
                }
            }
        }
        unusable.sort_by_key(|unusable: &Unusable| unusable.version);
        findings.extend(
            unusable.into_iter().map(|Unusable { version, dataset, why }| Finding::UnusableEvaluation {
                version,
                dataset,
                why,
            }),
        );
        let on = |alias: Alias| registered.aliases.get(&alias).copied();
        let champion = on(Alias::CHAMPION).filter(|champion| on(Alias::ARCHIVED) == Some(*champion));
        findings.extend(champion.map(|version| Finding::ArchivedChampion { version }));
        findings.extend(self.wrong_clock());
        if let Some(experiment) = self.experiment {
            let runs = unfinished(self.backend, &experiment.id).await?.into_iter();
            findings.extend(runs.map(|Unfinished { run_id, started, is_abandoned, .. }| {
                Finding::UnfinishedRun { run_id, started, is_abandoned }
            }));
        }
        Ok(findings)
    }

    /// Repairs problems that need no human decision. Does not change a ledger that a newer release wrote to.
    pub async fn repair(&self, ledger: Option<&LedgerWriter>) -> Result<()> {
        if let Some(ledger) = ledger {
            match ledger.repair().await {
                // A finding of the next diagnosis; the runs can be repaired anyway.
                Err(error) if error.kind() == ErrorKind::LedgerNewer => {}
                other => drop(other?),
            }
        }
        match self.experiment {
            Some(experiment) => end_abandoned(self.backend, &experiment.id, false).await,
            None => Ok(()),
        }
    }

    fn wrong_clock(&self) -> Option<Finding> {
        let difference = self.backend.registry.clock()?.certain();
        exceeds(difference, self.clock_tolerance).then_some(Finding::WrongClock { difference })
    }

    async fn deleted_run(&self, alias: &Alias, version: &ModelVersion) -> Result<Option<Finding>> {
        let Some(run_id) = &version.run_id else { return Ok(None) };
        let purged = match self.backend.tracking.run(run_id).await {
            Ok(run) if run.lifecycle_stage == LifecycleStage::Active => return Ok(None),
            Ok(_) => false,
            Err(error) if error.kind() == ErrorKind::NotFound => true,
            Err(error) => return Err(error),
        };
        let (alias, version, run_id) = (alias.clone(), version.version, run_id.clone());
        Ok(Some(Finding::DeletedRun { alias, version, run_id, purged }))
    }

    async fn unusable_model(
        &self,
        alias: &Alias,
        version: &ModelVersion,
        ledger: Option<&Ledger>,
    ) -> Option<Finding> {
        let why = match preflight::open(self.backend, self.cache, version, Presence::Read).await {
            Ok(Opened::Loadable(facts)) => {
                let serves = [Alias::CHAMPION, Alias::ARCHIVED].contains(alias);
                let rules = self.model_trust.filter(|_| serves)?;
                let why = model_trust::check(rules, version, facts.sha256).err()?.message().to_owned();
                return Some(Finding::UntrustedModel { alias: alias.clone(), version: version.version, why });
            }
            Ok(Opened::Unloadable(why)) => why.to_string(),
            // The registry has answered, so this is about the model's files.
            Err(error) => error.to_string(),
        };
        let overridden = match ledger {
            // The ledger's own problems are findings of their own.
            Some(ledger) if *alias == Alias::CHAMPION => {
                ledger.crowned_unloadable(version.version).await.unwrap_or_default()
            }
            _ => None,
        };
        Some(Finding::UnreadableModel { alias: alias.clone(), version: version.version, why, overridden })
    }
}

/// The aliases that a person takes for one of ours.
pub(crate) fn misspelled(registered: &RegisteredModel) -> impl Iterator<Item = Finding> {
    registered.aliases.iter().filter_map(|(alias, version)| {
        let mut ours = [Alias::CHAMPION, Alias::ARCHIVED, Alias::CANDIDATE].into_iter();
        let lower = alias.as_str().to_lowercase();
        let ours = ours.find(|ours| ours.as_str() == lower && ours != alias)?;
        Some(Finding::AliasSpelling { alias: alias.clone(), version: *version, ours })
    })
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
                // No registered model is a ledger of this one.
                ok(r#"{"registered_models":[]}"#),
                ok(r#"{"model_version":{"version":"1"}}"#),
                ok(&format!(r#"{{"artifact_uri":"{uri}"}}"#)),
                ok("{}"),
            ]
        });
        let uri = TrackingUri::new(&server.url).expect("a URI");
        let backend = Backend::connect(&uri, None, &Default::default()).expect("a backend");
        let model = ModelName::new("m").expect("a name");
        let clock_tolerance = crate::clock::DEFAULT_TOLERANCE;
        let doctor = Doctor {
            backend: &backend,
            model: &model,
            experiment: None,
            cache: None,
            clock_tolerance,
            model_trust: None,
        };
        let findings = doctor.diagnose(None).await.expect("a diagnosis");
        let [Finding::UnreadableModel { why, .. }] = findings.as_slice() else { panic!("{findings:?}") };
        assert!(why.contains("there is no MLmodel at mlflow-artifacts://***@127.0.0.1"), "{why}");
    }
}
