//! Opening the models behind a decision's versions, and refusing a champion that cannot be loaded.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use futures_util::future::join_all;
use tokio::time::timeout;

use crate::evidence::Evidence;
use crate::guards::Plan;
use crate::ledger::{Ledger, Standing};
use crate::model_facts::{self, ModelChange};
use crate::model_trust::check;
use crate::past::Past;
use crate::transition::{Request, Transitions};
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{Alias, Version};
use hydra_mlflow::entities::{ModelVersion, VersionStatus};
use hydra_models::candidate::SHA256_TAG;
use hydra_models::preflight::{self, Opened, Presence, Unsound};
use hydra_policy::{Operation, OverrideKind};

/// How long a request waits for a model that it can go without, and an error for the way on that it names.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// The most former champions that are opened to find one to go back to.
const MOST_OPENED: usize = 100;

/// The models of a decision's versions.
#[derive(Debug, Clone, Default)]
pub(crate) struct OpenedModels {
    models: BTreeMap<Version, Opened>,
    /// The version whose files were found to be there just now: the one that will probably become champion.
    asked: Option<Version>,
    /// Why there is no answer about that version.
    failure: Option<Arc<Error>>,
}

impl OpenedModels {
    /// What was found in the files of a version, if they were opened.
    pub(crate) fn get(&self, version: Version) -> Option<&Opened> {
        self.models.get(&version)
    }
}

/// What a transition records about the version that becomes champion.
#[derive(Debug, Default)]
pub(crate) struct NewChampion {
    /// What changes for the users of the predictions.
    pub(crate) changes: Vec<ModelChange>,
    /// The SHA-256 of the model file: as it was found, or as the tag says if it was not read.
    pub(crate) sha256: Option<String>,
    /// The rules that the request sets aside.
    pub(crate) overrides: BTreeSet<OverrideKind>,
}

impl NewChampion {
    fn of(version: Option<&ModelVersion>, opened: Option<&Opened>, evidence: &Evidence) -> Self {
        let champion = evidence.champion.as_ref().and_then(|champion| evidence.models.get(champion.version));
        let changes = match (champion, opened) {
            (Some(Opened::Loadable(champion)), Some(Opened::Loadable(new))) => {
                ModelChange::between(&model_facts::of(champion), &model_facts::of(new))
            }
            _ => Vec::new(),
        };
        let found = opened.and_then(Opened::sha256).map(|found| found.to_string());
        let sha256 = found.or_else(|| version?.tags.get(SHA256_TAG).cloned());
        Self { changes, sha256, overrides: BTreeSet::new() }
    }
}

impl Transitions<'_> {
    /// Opens the models of a decision's versions, side by side. Without an answer about the one that will probably become
    /// champion, [`Self::unanswered`] ends the request; without an answer about the others, the policy decides without their
    /// facts.
    pub(crate) async fn open_models(&self, request: &Request, evidence: &Evidence) -> OpenedModels {
        let number = |version: &Option<ModelVersion>| version.as_ref().map(|version| version.version);
        let asked = match request.operation {
            Operation::Promote => number(&evidence.target),
            _ => number(&evidence.target).or(number(&evidence.archived)),
        };
        if asked.is_some() && asked == number(&evidence.champion) {
            // Nothing is to be done, and no policy is asked.
            return OpenedModels::default();
        }
        let found = self.open_each(request, evidence.versions(), asked, Presence::Assumed).await;
        OpenedModels { asked, ..found }
    }

    /// The evidence with versions read again whose approvals would count: an approval is of bytes, and a listing of a server shows
    /// only their number. Where no version has approvals, nothing is asked.
    pub(crate) async fn with_approved_bytes<'e>(
        &self,
        request: &Request,
        evidence: &'e Evidence,
        past: &Past,
    ) -> Cow<'e, Evidence> {
        let is_approved = |version: &&ModelVersion| {
            evidence.model_sha256(version).is_some_and(|sha256| {
                let mut approvals =
                    past.standing.counting_approvals(version.version, sha256, past.moment.now);
                approvals.next().is_some()
            })
        };
        let approved: Vec<&ModelVersion> = evidence.versions().filter(is_approved).collect();
        if approved.is_empty() {
            return Cow::Borrowed(evidence);
        }
        let mut evidence = evidence.clone();
        let numbers: Vec<Version> = approved.iter().map(|version| version.version).collect();
        let asked = evidence.models.asked;
        let found = self.open_each(request, approved.into_iter(), asked, Presence::Exact).await;
        let OpenedModels { models, failure, .. } = &mut evidence.models;
        // Without an answer, no approval counts.
        models.retain(|version, _| !numbers.contains(version));
        models.extend(found.models);
        *failure = failure.take().or(found.failure);
        Cow::Owned(evidence)
    }

    /// Opens versions side by side: the one that will probably become champion, which is `asked`, and others, of which `presence` says
    /// what is asked.
    async fn open_each<'v>(
        &self,
        request: &Request,
        versions: impl Iterator<Item = &'v ModelVersion>,
        asked: Option<Version>,
        presence: Presence,
    ) -> OpenedModels {
        let of_asked = if presence == Presence::Assumed { self.presence() } else { presence };
        let versions: BTreeMap<Version, &ModelVersion> =
            versions.map(|version| (version.version, version)).collect();
        let opened = join_all(versions.values().map(|version| async move {
            if asked == Some(version.version) {
                return self.open_for(request, version, of_asked).await;
            }
            Ok(self.open_if_possible(request, version, presence).await)
        }));
        let (mut models, mut failure) = (BTreeMap::new(), None);
        for (number, opened) in versions.keys().zip(opened.await) {
            match opened {
                Ok(opened) => models.extend(opened.map(|opened| (*number, opened))),
                Err(error) => failure = Some(Arc::new(error)),
            }
        }
        OpenedModels { models, asked: None, failure }
    }

    /// What is asked about a version that is to become champion. A signature is of bytes, like an approval.
    fn presence(&self) -> Presence {
        if self.model_trust().is_some() { Presence::Exact } else { Presence::Asked }
    }

    /// Opens a version that is to become champion. `None` if that is not possible and the request sets that aside.
    async fn open_for(
        &self,
        request: &Request,
        version: &ModelVersion,
        presence: Presence,
    ) -> Result<Option<Opened>> {
        if request.overrides.contains(&OverrideKind::UnloadableModel) {
            return Ok(self.open_if_possible(request, version, presence).await);
        }
        preflight::open(self.backend, self.cache(), version, presence).await.map(Some)
    }

    /// Opens a version; without an answer, the policy decides without its facts. An emergency does not wait for a store that
    /// does not answer.
    async fn open_if_possible(
        &self,
        request: &Request,
        version: &ModelVersion,
        presence: Presence,
    ) -> Option<Opened> {
        let opening = preflight::open(self.backend, self.cache(), version, presence);
        let opened = if request.overrides.contains(&OverrideKind::UnloadableModel) {
            timeout(PATIENCE, opening).await.unwrap_or_else(|_| Err(no_answer_in_time()))
        } else {
            opening.await
        };
        opened
            .inspect_err(|error| {
                tracing::warn!(%error, version = %version.version, "cannot open the model of a version; the policy decides without its facts");
            })
            .ok()
    }

    /// The error if there is no answer about the version that will probably become champion.
    pub(crate) async fn unanswered(
        &self,
        request: &Request,
        evidence: &Evidence,
        standing: &Standing,
    ) -> Result<()> {
        let OpenedModels { asked: Some(version), failure: Some(why), .. } = &evidence.models else {
            return Ok(());
        };
        Err(self.no_answer(request, *version, why.clone(), evidence, standing).await)
    }

    /// The error for a version about which there is no answer, with the ways on.
    async fn no_answer(
        &self,
        request: &Request,
        version: Version,
        why: Arc<Error>,
        evidence: &Evidence,
        standing: &Standing,
    ) -> Error {
        let mut ways = vec![why.hint().unwrap_or("repeat the command when the store answers").to_owned()];
        if request.operation == Operation::Rollback {
            ways.extend(self.sound_way_back(Some(version), evidence, standing).await);
        }
        ways.push(anyway(request, version));
        Error::new(
            why.kind(),
            format!(
                "cannot find out whether version {version} can become champion: its model cannot be opened"
            ),
        )
        .with_context("model", self.model)
        .with_retryable(why.retryable())
        .with_source(why)
        .with_hint(ways.join("; "))
    }

    /// What is known about the version that becomes champion, or else about the one that the request names. Makes sure that a
    /// new champion can be loaded: `Unloadable` if it cannot and the request does not set that aside; the hint names what to do
    /// instead.
    pub(crate) async fn open_new_champion(
        &self,
        request: &Request,
        evidence: &Evidence,
        plan: &Plan,
        standing: &Standing,
    ) -> Result<NewChampion> {
        let champion = plan.after.get(&Alias::CHAMPION);
        if champion.is_none() || champion == evidence.aliases().get(&Alias::CHAMPION) {
            let target = evidence.target.as_ref();
            let opened = target.and_then(|target| evidence.models.get(target.version));
            return Ok(NewChampion::of(target, opened, evidence));
        }
        let known = [&evidence.target, &evidence.archived].into_iter().flatten();
        let known = known.into_iter().find(|version| Some(version.version) == champion).cloned();
        let version = match (known, champion) {
            (None, Some(number)) => {
                self.backend.registry.model_version(self.model, number).await.map(Some)?
            }
            (known, _) => known,
        };
        let Some(version) = version else { return Ok(NewChampion::default()) };
        let opened = if evidence.models.asked == champion {
            evidence.models.get(version.version).cloned()
        } else {
            match self.open_for(request, &version, self.presence()).await {
                Ok(opened) => opened,
                Err(why) => {
                    let why = Arc::new(why);
                    return Err(self.no_answer(request, version.version, why, evidence, standing).await);
                }
            }
        };
        let mut found = NewChampion::of(Some(&version), opened.as_ref(), evidence);
        match &opened {
            Some(Opened::Loadable(_)) => {}
            Some(Opened::Unloadable(why)) if !request.overrides.contains(&OverrideKind::UnloadableModel) => {
                return Err(self.refusal(request, version.version, why, evidence, standing).await);
            }
            _ => drop(found.overrides.insert(OverrideKind::UnloadableModel)),
        }
        self.check_signed(request, &version, found.sha256.as_deref())?;
        Ok(found)
    }

    /// The error for a version that cannot become champion.
    async fn refusal(
        &self,
        request: &Request,
        version: Version,
        why: &Arc<Unsound>,
        evidence: &Evidence,
        standing: &Standing,
    ) -> Error {
        let way_on = if request.operation == Operation::Rollback {
            self.way_back(Some(version), evidence, standing).await
        } else {
            why.error()
                .hint()
                .unwrap_or("promote another version; `hydra-registry list` shows them")
                .to_owned()
        };
        Error::new(
            ErrorKind::Unloadable,
            format!("version {version} cannot become champion because its model cannot be loaded"),
        )
        .with_context("model", self.model)
        .with_source(why.clone())
        .with_hint(format!("{way_on}; {}", anyway(request, version)))
    }

    /// A rollback to a version in quarantine: the error names the version to roll back to instead.
    pub(crate) async fn with_way_back(
        &self,
        error: Error,
        request: &Request,
        evidence: &Evidence,
        standing: &Standing,
    ) -> Error {
        if error.kind() != ErrorKind::Quarantined || request.operation != Operation::Rollback {
            return error;
        }
        error.with_hint(self.way_back(None, evidence, standing).await)
    }

    /// What to do instead of a rollback that is refused. `broken` is a version that cannot be loaded.
    async fn way_back(&self, broken: Option<Version>, evidence: &Evidence, standing: &Standing) -> String {
        let sound = self.sound_way_back(broken, evidence, standing).await;
        sound.unwrap_or_else(|| {
            "promote another version; no other former champion was found that can be loaded and is not in quarantine"
                .to_owned()
        })
    }

    /// The rollback that is possible instead, if one is.
    async fn sound_way_back(
        &self,
        broken: Option<Version>,
        evidence: &Evidence,
        standing: &Standing,
    ) -> Option<String> {
        let champion = evidence.aliases().get(&Alias::CHAMPION);
        let mut seen: BTreeSet<Version> = champion.into_iter().chain(broken).collect();
        seen.extend(standing.quarantines().map(|(version, _)| version));
        let search = timeout(PATIENCE, self.nearest_sound_champion(seen));
        let sound = search.await.unwrap_or_default()?;
        Some(format!(
            "`hydra-registry rollback --to {sound}` returns to the nearest former champion that can be loaded and is not in quarantine"
        ))
    }

    /// The version that was champion most recently, by the whole ledger, and that can be loaded. Those in `seen` are left out.
    async fn nearest_sound_champion(&self, mut seen: BTreeSet<Version>) -> Option<Version> {
        let ledger = Ledger::existing(self.backend, self.model).await.ok()??;
        let (mut champions, mut opened) = (ledger.champions(), 0);
        // What cannot be read of the ledger names no way on.
        while let Ok(Some(number)) = champions.try_next().await {
            if opened == MOST_OPENED {
                break;
            }
            if !seen.insert(number) {
                continue;
            }
            // A deleted version, or one that the store does not answer for, cannot become champion.
            let Ok(version) = self.backend.registry.model_version(self.model, number).await else { continue };
            opened += 1;
            let found = preflight::open(self.backend, self.cache(), &version, Presence::Asked).await;
            let Ok(Opened::Loadable(facts)) = found else { continue };
            let trusted = self.model_trust().is_none_or(|rules| check(rules, &version, facts.sha256).is_ok());
            if version.status == VersionStatus::Ready && trusted {
                return Some(number);
            }
        }
        None
    }
}

/// The error after [`PATIENCE`].
pub(crate) fn no_answer_in_time() -> Error {
    Error::new(ErrorKind::Timeout, format!("the store gave no answer within {} s", PATIENCE.as_secs()))
}

/// How the request can be carried out all the same.
fn anyway(request: &Request, version: Version) -> String {
    let command = match request.operation {
        Operation::Promote => format!("promote {version}"),
        _ => format!("rollback --to {version}"),
    };
    format!(
        "in an emergency, `hydra-registry {command} --allow-unloadable` makes version {version} champion all the same"
    )
}
