//! Whether a policy is asked about a request, and what.

use crate::evidence::Evidence;
use crate::governing::InForce;
use crate::past::Past;
use crate::transition::{Request, Transitions};
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::Version;
use hydra_policy::{Input, Operation};

impl Transitions<'_> {
    /// The input that the policy receives for a request, with all its evidence.
    ///
    /// `NoCandidate` for a promotion without a version, `AlreadyChampion` for the present champion: no policy is asked about it.
    pub async fn question(
        &self,
        request: &Request,
        evidence: &Evidence,
        past: &Past,
        in_force: &InForce,
    ) -> Result<Input> {
        self.check(request, evidence)?;
        if let Some(unchanged) = self.unchanged(request, evidence, in_force) {
            return Err(Error::new(ErrorKind::AlreadyChampion, unchanged.explanation)
                .with_hint("name another version; `hydra-registry list` shows them"));
        }
        let evidence = self.with_approved_bytes(request, evidence, past).await;
        self.input(request, &evidence, past, &in_force.panel).await
    }

    /// Refuses a request that has no version to be about.
    pub(super) fn check(&self, request: &Request, evidence: &Evidence) -> Result<()> {
        if request.operation == Operation::Promote && evidence.target.is_none() {
            return Err(self.no_candidate());
        }
        if let Some(version) = archived_champion(request, evidence) {
            return Err(Error::new(
                ErrorKind::NoArchived,
                format!(
                    "the archived version {version} is also the champion, so there is no version to roll back to"
                ),
            )
            .with_context("model", self.model)
            .with_hint(
                "choose another former champion, which `hydra-registry history` shows: `hydra-registry rollback --to VERSION`",
            ));
        }
        Ok(())
    }

    pub(super) fn no_former_champion(&self) -> Error {
        let message =
            "`archived` was moved without the ledger, and no version that was champion before is left";
        Error::new(ErrorKind::NoArchived, message)
            .with_context("model", self.model)
            .with_hint("promote the version that should be champion; `hydra-registry list` shows them")
    }

    fn no_candidate(&self) -> Error {
        Error::new(ErrorKind::NoCandidate, "the alias `candidate` is not set")
            .with_context("model", self.model)
            .with_hint("choose the version to promote; `hydra-registry list` shows them")
    }
}

/// For a rollback that names no version: the champion, if it is the archived version as well. The guards let no policy bring
/// that about, but a user of MLflow can.
fn archived_champion(request: &Request, evidence: &Evidence) -> Option<Version> {
    let unnamed = request.operation == Operation::Rollback && evidence.target.is_none();
    let (champion, archived) = (evidence.champion.as_ref()?, evidence.archived.as_ref()?);
    (unnamed && champion.version == archived.version).then_some(champion.version)
}
