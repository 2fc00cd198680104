//! The versions that a request will be about, to be read beside the aliases that name them: no request has to wait for another.
//!
//! Mostly these are among the newest. Where the last decision of this machine found that they are not, it left their numbers in the
//! private cache. What is there is a guess: a version that the aliases name and that was not read is asked for.

use std::collections::BTreeSet;

use futures_util::future::join3;

use super::{Request, Transition, Transitions};
use crate::document_cache::DocumentCache;
use crate::evidence::Target;
use crate::ledger::{Ledger, Opened};
use crate::versions;
use hydra_base::Sha256;
use hydra_base::error::Result;
use hydra_base::names::{Alias, Version};
use hydra_mlflow::entities::ModelVersion;

impl Transitions<'_> {
    /// The model and its ledger, and the versions that the request will probably be about, for [`Self::gather`]: one round of
    /// requests.
    pub async fn open(&self, request: &Request) -> Result<(Opened, Vec<ModelVersion>)> {
        let expected = self.expected(request).await?;
        let opened = Ledger::open(self.backend, self.model);
        let versions = async {
            if expected.is_empty() {
                return versions::newest(self.backend, self.model).await;
            }
            let found = versions::of_numbers(self.backend, self.model, &expected).await?;
            Ok(found.into_values().collect())
        };
        // The user is asked for in the same round, and then known.
        let user = self.backend.registry.authenticated_user();
        let (opened, versions, user) = join3(opened, versions, user).await;
        user?;
        Ok((opened?, versions?))
    }

    /// Keeps the numbers of the versions behind `champion` and `archived` after a decision, if they were not among the newest, now or
    /// in an earlier decision.
    pub async fn expect_elsewhere(&self, transition: &Transition, asked_for_more: bool) -> Result<()> {
        let Some(cache) = self.cache_of_numbers() else { return Ok(()) };
        let kept = cache.get_named(self.place()).await?;
        let on = |alias: Alias| transition.after.get(&alias);
        let numbers: BTreeSet<Version> =
            [on(Alias::CHAMPION), on(Alias::ARCHIVED)].into_iter().flatten().collect();
        let text: Vec<String> = numbers.iter().map(ToString::to_string).collect();
        let text = text.join(" ").into_bytes();
        if (kept.is_none() && !asked_for_more) || kept.as_ref() == Some(&text) {
            return Ok(());
        }
        cache.put_named(self.place(), text).await
    }

    /// The numbers to read; none if they are expected among the newest.
    async fn expected(&self, request: &Request) -> Result<BTreeSet<Version>> {
        let named = match request.target {
            // Behind an alias that any command may have moved.
            Target::Candidate => return Ok(BTreeSet::new()),
            Target::CandidateThen(version) | Target::Version(version) | Target::ChampionBefore(version) => {
                Some(version)
            }
            Target::PolicyChoice => None,
        };
        let Some(cache) = self.cache_of_numbers() else { return Ok(BTreeSet::new()) };
        let kept = cache.get_named(self.place()).await?.unwrap_or_default();
        let kept = String::from_utf8_lossy(&kept);
        let numbers: BTreeSet<Version> =
            kept.split_whitespace().take(2).filter_map(|number| number.parse().ok()).collect();
        Ok(if numbers.is_empty() { numbers } else { numbers.into_iter().chain(named).collect() })
    }

    /// The cache of the numbers. On a local store, nothing is saved by reading side by side.
    fn cache_of_numbers(&self) -> Option<&DocumentCache> {
        self.evaluations().filter(|_| self.backend.registry.atomic().is_none())
    }

    /// The name of what is kept of the model.
    fn place(&self) -> Sha256 {
        Sha256::of(format!("versions behind the aliases of {}", self.model).as_bytes())
    }
}
