//! Opening the models behind a decision's versions, and refusing a champion that cannot be loaded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;

use crate::evidence::Evidence;
use crate::guards::Plan;
use crate::model_facts::{self, ModelChange};
use crate::transition::{Request, Transitions};
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{Alias, Version};
use hydra_mlflow::entities::{ModelVersion, VersionStatus};
use hydra_models::candidate::SHA256_TAG;
use hydra_models::preflight::{self, Opened, Presence};
use hydra_policy::{Context, Operation, OverrideKind};

/// The models of a decision's versions.
#[derive(Debug, Clone, Default)]
pub(crate) struct OpenedModels {
    models: BTreeMap<Version, Opened>,
    /// The version whose files were found to be there just now: the one that will probably become champion.
    asked: Option<Version>,
}

impl OpenedModels {
    /// What was found in the files of a version, if they were opened.
    pub(crate) fn get(&self, version: Version) -> Option<&Opened> {
        self.models.get(&version)
    }
}

/// What a transition tells about the version that becomes champion.
#[derive(Debug, Default)]
pub(crate) struct NewChampion {
    /// What changes for the users of the predictions.
    pub(crate) changes: Vec<ModelChange>,
    /// The SHA-256 of the model file: as it was found, else as the tag says.
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
        let sha256 = match opened {
            Some(Opened::Loadable(facts)) => Some(facts.sha256.to_string()),
            _ => version.and_then(|version| version.tags.get(SHA256_TAG).cloned()),
        };
        Self { changes, sha256, overrides: BTreeSet::new() }
    }
}

impl Transitions<'_> {
    /// Opens the models of a decision's versions, side by side. The one that will probably become champion must give an
    /// answer; without an answer about the others, the policy decides without their facts.
    pub(crate) async fn open_models(&self, request: &Request, evidence: &Evidence) -> Result<OpenedModels> {
        let number = |version: &Option<ModelVersion>| version.as_ref().map(|version| version.version);
        let asked = match request.operation {
            Operation::Promote => number(&evidence.target),
            _ => number(&evidence.target).or(number(&evidence.archived)),
        };
        if asked.is_some() && asked == number(&evidence.champion) {
            // Nothing is to be done, and no policy is asked.
            return Ok(OpenedModels::default());
        }
        let versions: BTreeMap<Version, &ModelVersion> =
            [&evidence.target, &evidence.champion, &evidence.archived]
                .into_iter()
                .flatten()
                .map(|version| (version.version, version))
                .collect();
        let opened = join_all(versions.values().map(|version| async move {
            if asked == Some(version.version) {
                return self.open_for(request, version).await;
            }
            Ok(self.open_if_possible(version, Presence::Assumed).await)
        }));
        let mut models = BTreeMap::new();
        for (number, opened) in versions.keys().zip(opened.await) {
            models.extend(opened?.map(|opened| (*number, opened)));
        }
        Ok(OpenedModels { models, asked })
    }

    /// Opens a version that is to become champion. `None` if that is not possible and the request sets that aside.
    async fn open_for(&self, request: &Request, version: &ModelVersion) -> Result<Option<Opened>> {
        if request.overrides.contains(&OverrideKind::UnloadableModel) {
            return Ok(self.open_if_possible(version, Presence::Asked).await);
        }
        preflight::open(self.backend, self.cache(), version, Presence::Asked).await.map(Some)
    }

    async fn open_if_possible(&self, version: &ModelVersion, presence: Presence) -> Option<Opened> {
        match preflight::open(self.backend, self.cache(), version, presence).await {
            Ok(opened) => Some(opened),
            Err(error) => {
                tracing::warn!(%error, version = %version.version, "cannot open the model of a version; the policy decides without its facts");
                None
            }
        }
    }

    /// What is known about the version that becomes champion, or else about the one that the request names. Makes sure that a
    /// new champion can be loaded: `Unloadable` if it cannot and the request does not set that aside; the hint names what to do
    /// instead.
    pub(crate) async fn open_new_champion(
        &self,
        request: &Request,
        evidence: &Evidence,
        plan: &Plan,
        context: &Context,
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
            self.open_for(request, &version).await?
        };
        let mut found = NewChampion::of(Some(&version), opened.as_ref(), evidence);
        match &opened {
            Some(Opened::Loadable(_)) => {}
            Some(Opened::Unloadable(why)) if !request.overrides.contains(&OverrideKind::UnloadableModel) => {
                return Err(self.refusal(request, version.version, why, evidence, context).await);
            }
            _ => drop(found.overrides.insert(OverrideKind::UnloadableModel)),
        }
        Ok(found)
    }

    /// The error for a version that cannot become champion.
    async fn refusal(
        &self,
        request: &Request,
        version: Version,
        why: &Arc<Error>,
        evidence: &Evidence,
        context: &Context,
    ) -> Error {
        let way_on = if request.operation == Operation::Rollback {
            self.way_back(Some(version), evidence, context).await
        } else {
            why.hint().unwrap_or("promote another version; `hydra-registry list` shows them").to_owned()
        };
        let anyway = match request.operation {
            Operation::Promote => format!("promote {version} --allow-unloadable"),
            _ => format!("rollback --to {version} --allow-unloadable"),
        };
        Error::new(
            ErrorKind::Unloadable,
            format!("version {version} cannot become champion because its model cannot be loaded"),
        )
        .with_context("model", self.model)
        .with_source(why.clone())
        .with_hint(format!(
            "{way_on}; in an emergency, `hydra-registry {anyway}` makes version {version} champion all the same"
        ))
    }

    /// A rollback to a version in quarantine: the error names the version to roll back to instead.
    pub(crate) async fn with_way_back(
        &self,
        error: Error,
        request: &Request,
        evidence: &Evidence,
        context: &Context,
    ) -> Error {
        if error.kind() != ErrorKind::Quarantined || request.operation != Operation::Rollback {
            return error;
        }
        error.with_hint(self.way_back(None, evidence, context).await)
    }

    /// What to do instead of a rollback that is refused. `broken` is a version that cannot be loaded.
    async fn way_back(&self, broken: Option<Version>, evidence: &Evidence, context: &Context) -> String {
        let champion = evidence.aliases().get(&Alias::CHAMPION);
        match self.nearest_sound_champion(champion.into_iter().chain(broken).collect(), context).await {
            Some(sound) => format!(
                "`hydra-registry rollback --to {sound}` returns to the nearest former champion that can be loaded and is not in quarantine"
            ),
            None => {
                "promote another version; no other recent champion can be loaded and is out of quarantine"
                    .to_owned()
            }
        }
    }

    /// The version that was champion most recently, by the newest transitions, and that can be champion again: it can be
    /// loaded and is not in quarantine. Those in `seen` are left out.
    async fn nearest_sound_champion(
        &self,
        mut seen: BTreeSet<Version>,
        context: &Context,
    ) -> Option<Version> {
        seen.extend(&context.quarantined);
        let moves = context.history.iter().flat_map(|transition| &transition.moves);
        let champions = moves.filter(|step| step.alias == Alias::CHAMPION).filter_map(|step| step.version);
        for number in champions {
            if !seen.insert(number) {
                continue;
            }
            // A deleted version, or one that the store does not answer for, cannot become champion.
            let Ok(version) = self.backend.registry.model_version(self.model, number).await else { continue };
            let opened = self.open_if_possible(&version, Presence::Asked).await;
            if version.status == VersionStatus::Ready && matches!(opened, Some(Opened::Loadable(_))) {
                return Some(number);
            }
        }
        None
    }
}
