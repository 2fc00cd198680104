//! Finds what is wrong with a ledger, its aliases, its archive and its place.

use std::collections::BTreeSet;

use crate::ledger::Ledger;
use crate::ledger::archive::{component_path, decision_path, input_path, standing_path};
use crate::ledger::chain::{Reading, Record};
use crate::ledger::doctor::LedgerFinding;
use crate::ledger::entry::tracked;
use crate::ledger::errors::is_lost;
use crate::ledger::history::{MISFIT, REPLACED};
use crate::ledger::identity::{MODEL_TAG, Origins, named_by_first_entry, tagged};
use crate::ledger::look::Snapshot;
use crate::ledger::standing::Standing;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{Alias, ExperimentId, Version};
use hydra_ledger_rules::Found;
use hydra_mlflow::entities::{LifecycleStage, Run};

impl Ledger {
    /// Looks at the newest entries, the aliases and the archive. Nothing is written. What lies further down,
    /// [`Ledger::verify`] finds.
    pub async fn diagnose(&self) -> Result<Vec<LedgerFinding>> {
        let first = self.look(None).await?;
        // The second look finds out which versions were deleted; if the head changes meanwhile, the first one counts.
        let snapshot = self.confirm(&first, None).await?.unwrap_or(first);
        let mut findings = Self::at_first_sight(&snapshot);
        if let Some(head) = snapshot.readable_head() {
            if snapshot.window.newer().is_none() {
                findings.extend(self.standing_findings(&snapshot, head).await?);
            }
            findings.extend(self.diagnose_archive(&snapshot, head).await);
            findings.extend(self.time_findings(&snapshot, head));
        }
        findings.extend(self.diagnose_place().await?);
        Ok(findings)
    }

    /// What the newest entries and the aliases show.
    pub(super) fn at_first_sight(snapshot: &Snapshot) -> Vec<LedgerFinding> {
        let mut findings = Self::damage(snapshot);
        let Some(head) = snapshot.readable_head() else { return findings };
        if snapshot.window.newer().is_some() {
            // Only the newer release knows where the aliases belong.
            return findings;
        }
        if !head.is_settled() {
            findings.push(LedgerFinding::Interrupted { entry: head.number });
            return findings;
        }
        let aliases = &snapshot.registered.aliases;
        let actual = |alias: &Alias| aliases.get(alias).copied();
        let there = |version: &Version| !snapshot.gone.contains(version);
        let tracked = tracked(head.state());
        let drifted =
            tracked.iter().filter(|(alias, version)| actual(alias).filter(there) != version.filter(there));
        findings.extend(drifted.map(|(alias, recorded)| LedgerFinding::Drift {
            actual: actual(alias),
            alias: alias.clone(),
            recorded,
        }));
        if actual(&Alias::CHAMPION).is_none() {
            let champion = head.state().get(&Alias::CHAMPION);
            let lost = champion.filter(|version| !there(version)).map(|version| (version, true));
            let lost = lost.or_else(|| {
                let former = snapshot.window.former_champion(head.number)?;
                champion.is_none().then(|| (former, !there(&former)))
            });
            findings.extend(lost.map(|(version, is_deleted)| {
                if is_deleted {
                    LedgerFinding::DeletedChampion { version }
                } else {
                    LedgerFinding::RemovedChampion { version }
                }
            }));
        }
        findings
    }

    /// Where the ledger is, and whether there is another.
    async fn diagnose_place(&self) -> Result<Vec<LedgerFinding>> {
        let mut findings = Vec::new();
        if self.renamed || !self.is_named_rightly().await? {
            findings.push(LedgerFinding::Renamed { ledger: self.name.clone() });
        }
        for other in tagged(&self.backend, MODEL_TAG, self.model.as_str()).await? {
            if other.name == self.name {
                continue;
            }
            let registered = self.backend.registry.registered_model(&self.model).await?;
            if let Origins::Ours(identity) =
                named_by_first_entry(&self.backend, &other.name, &registered).await?
            {
                findings.push(LedgerFinding::Second {
                    ledger: other.name,
                    id: identity.id,
                    run_id: identity.run_id,
                    used: self.id.clone(),
                });
            }
        }
        Ok(findings)
    }

    /// The archive's run, and the files of the newest decisions. The registry has answered, so that errors come from the
    /// tracking server or the archive.
    async fn diagnose_archive(&self, snapshot: &Snapshot, head: &Record) -> Vec<LedgerFinding> {
        let mut findings = Vec::new();
        let chain: Vec<&Record> = snapshot.window.valid_from(head.number).collect();
        let looked = async {
            let place = self.archive_finding().await?;
            let is_lost = matches!(place, Some(LedgerFinding::LostArchive { .. }));
            findings.extend(place);
            if is_lost {
                return Ok(());
            }
            let inputs = self.archived("decisions").await?;
            // That the decisions from before lost their files is on record since the new archive began.
            let lost = self.lost_older_archive().await?;
            let kept = chain.iter().take_while(|record| !(lost && record.entry.archive.is_some()));
            let kept: Vec<&Record> = kept.copied().collect();
            findings.extend(self.missing_artifacts(&kept, &inputs).await?);
            findings.extend(self.unrecorded(snapshot, head, &inputs).await?);
            Ok::<_, Error>(())
        };
        if let Err(error) = looked.await {
            findings.push(LedgerFinding::UnreadableArchive { why: error.to_string() });
        }
        findings
    }

    /// Whether the run with the archive, or its experiment, was deleted.
    pub(super) async fn archive_finding(&self) -> Result<Option<LedgerFinding>> {
        let run_id = self.run_id.clone();
        let run = match self.backend.tracking.run(&run_id).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Some(LedgerFinding::LostArchive { run_id }));
            }
            found => found?,
        };
        let experiment = self.deleted_experiment(&run).await?;
        let is_deleted = experiment.is_some() || run.lifecycle_stage == LifecycleStage::Deleted;
        Ok(is_deleted.then_some(LedgerFinding::DeletedArchive { run_id, experiment }))
    }

    async fn deleted_experiment(&self, run: &Run) -> Result<Option<ExperimentId>> {
        match self.backend.tracking.experiment(&run.experiment_id).await {
            Ok(found) if found.lifecycle_stage == LifecycleStage::Deleted => Ok(Some(found.id)),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn damage(snapshot: &Snapshot) -> Vec<LedgerFinding> {
        let mut findings: Vec<LedgerFinding> = snapshot
            .window
            .unreadable()
            .filter_map(|(entry, reading)| match reading {
                Reading::Newer(newer) => {
                    Some(LedgerFinding::Newer { entry, schema: newer.schema, release: newer.release.clone() })
                }
                Reading::Damaged(flaw) => Some(LedgerFinding::Damaged { entry, flaw: flaw.clone() }),
                Reading::Record(_) => None,
            })
            .collect();
        let (Found::Head { damage, .. } | Found::Lost { damage, .. }) = snapshot.window.find_head() else {
            return findings;
        };
        let known = snapshot.window.unreadable().any(|(number, _)| number == damage);
        if damage != 0 && !known {
            let above_head = snapshot.readable_head().is_some_and(|head| damage > head.number);
            let flaw = if above_head { MISFIT } else { REPLACED }.to_owned();
            findings.push(LedgerFinding::Damaged { entry: damage, flaw });
        }
        findings
    }

    /// What is wrong with the standing that the head names, and with its mirror.
    async fn standing_findings(&self, snapshot: &Snapshot, head: &Record) -> Result<Vec<LedgerFinding>> {
        let mut findings = Vec::new();
        if let Some(reference) = head.entry.standing
            && let Err(error) = self.archived_standing(reference).await
            && is_lost(&error)
        {
            let path = standing_path(reference.sha256);
            findings.push(LedgerFinding::MissingStanding { entry: head.number, path });
        }
        findings.extend(self.missing_standings(snapshot, head).await);
        // Without it: a finding above, or an archive that cannot be read, which is a finding of its own.
        let Ok(standing) = self.standing(head).await else { return Ok(findings) };
        let champion = snapshot.registered.aliases.get(&Alias::CHAMPION).copied();
        if head.is_settled() {
            findings.extend(champion.and_then(|version| quarantined(version, &standing)));
        } else if let Some(below) = self.below(snapshot, head).await?
            && let Ok(former) = self.standing(&below).await
        {
            // What the interrupted entry would change does not hold yet, and may be undone.
            findings.extend(champion.and_then(|version| quarantined(version, &former)));
        }
        if head.is_settled() {
            let missing = self.missing_mirrors(&standing).await?.into_iter();
            findings.extend(
                missing.map(|mirror| LedgerFinding::MissingQuarantineTag { version: mirror.version }),
            );
            let stray = self.stray_mirrors(&standing).await?.into_iter();
            findings.extend(stray.map(|found| LedgerFinding::StrayQuarantineTag { version: found.version }));
        }
        findings.extend(self.policy_findings(snapshot, head, &standing).await);
        Ok(findings)
    }

    /// The standing documents of entries below the head that are not in the archive. An archive that cannot be read is a finding
    /// of its own.
    async fn missing_standings(&self, snapshot: &Snapshot, head: &Record) -> Vec<LedgerFinding> {
        let mut known: BTreeSet<_> =
            head.entry.standing.into_iter().map(|it| standing_path(it.sha256)).collect();
        let chain = snapshot.window.valid_from(head.number);
        let named = chain.map_while(|record| Some((record.number, record.entry.standing?)));
        let mut named: Vec<_> = named.map(|(entry, it)| (entry, standing_path(it.sha256))).collect();
        named.retain(|(_, path)| known.insert(path.clone()));
        if named.is_empty() {
            return Vec::new();
        }
        let Ok(archived) = self.archived("standing").await else { return Vec::new() };
        let missing = named.into_iter().filter(|(_, path)| !archived.contains(path));
        missing.map(|(entry, path)| LedgerFinding::MissingStanding { entry, path }).collect()
    }

    /// Whether an archive from before a new one began does not exist any more.
    async fn lost_older_archive(&self) -> Result<bool> {
        for run in &self.older_runs {
            match self.backend.tracking.run(run).await {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
                found => drop(found?),
            }
        }
        Ok(false)
    }

    async fn missing_artifacts(
        &self,
        chain: &[&Record],
        inputs: &BTreeSet<String>,
    ) -> Result<Vec<LedgerFinding>> {
        let policies = self.archived("policies").await?;
        let mut decisions = chain.iter().filter_map(|record| record.entry.decided.as_ref());
        let documents = if decisions.any(|decided| decided.decision_sha256.is_some()) {
            self.archived("panels").await?
        } else {
            BTreeSet::new()
        };
        let mut findings = Vec::new();
        for record in chain {
            let Some(decided) = &record.entry.decided else { continue };
            let id = &record.entry.operation_id;
            let input = (input_path(id, decided.input_sha256), inputs);
            let document = decided.decision_sha256.map(|sha256| (decision_path(id, sha256), &documents));
            let components = decided.policies().into_iter().map(|sha256| (component_path(sha256), &policies));
            let named = [input].into_iter().chain(document).chain(components);
            let missing = named.filter(|(path, there)| !there.contains(path));
            findings.extend(
                missing.map(|(path, _)| LedgerFinding::MissingArtifact { entry: record.number, path }),
            );
        }
        Ok(findings)
    }
}

/// The finding about a champion in quarantine.
pub(super) fn quarantined(champion: Version, standing: &Standing) -> Option<LedgerFinding> {
    let reason = standing.quarantine(champion)?.reason.clone();
    Some(LedgerFinding::QuarantinedChampion { version: champion, reason })
}
