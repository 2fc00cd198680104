//! The active policy of a model: by which every host decides.

use crate::registry::ModelRegistry;
use crate::requests::{PolicyAsked, PolicyRequest};
use hydra_base::Sha256;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::time::now;
use hydra_lifecycle::activation::{self, PolicyStated, PolicyStatement, PolicyVerb};
use hydra_lifecycle::governing::{HostPolicies as _, to_compare};
use hydra_lifecycle::ledger::active::PolicyDocument;
use hydra_lifecycle::ledger::standing::{ActivePanel, PanelApproval};
use hydra_lifecycle::panel::Panel;

/// The active policy of a model.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ActivePolicy {
    /// Its digest, who activated it when and why, and how many approvals it asks for before it changes.
    pub activation: ActivePanel,
    /// Its policies with their settings and limits.
    pub document: PolicyDocument,
}

impl ModelRegistry {
    /// Makes the policies of this program the active ones of the model: from then on every host decides by them, from the archive of
    /// the ledger, with their settings and limits. The ledger records it.
    ///
    /// [`ErrorKind::NothingToActivate`] if the options, the environment and the configuration name no policy,
    /// [`ErrorKind::ActivationApprovals`] if the policy that is active asks for approvals before it changes.
    pub fn activate_policy(&self) -> PolicyRequest {
        PolicyRequest::new(self.clone(), PolicyVerb::Activate, None)
    }

    /// Ends the active policy of the model: each host decides by its own policies again.
    pub fn deactivate_policy(&self) -> PolicyRequest {
        PolicyRequest::new(self.clone(), PolicyVerb::Deactivate, None)
    }

    /// Approves that the policy whose document has that digest becomes the active one; `None`: that none is active any more. The
    /// approval ends when that happens, and when it expires.
    pub fn approve_policy(&self, sha256: Option<Sha256>) -> PolicyRequest {
        PolicyRequest::new(self.clone(), PolicyVerb::Approve, sha256)
    }

    /// The digest of the document of the policies of this program, which [`activate_policy`](Self::activate_policy) would record.
    pub async fn policy_digest(&self) -> Result<Sha256> {
        let approvals = self.inner.settings.policy.activation_approvals;
        PolicyDocument::of(self.named_panel().await?, approvals)?.sha256()
    }

    /// The active policy of the model, if there is one.
    pub async fn active_policy(&self) -> Result<Option<ActivePolicy>> {
        let Some(ledger) = self.existing_ledger().await? else { return Ok(None) };
        let view = ledger.view().await?;
        let Some(active) = view.standing.panel() else { return Ok(None) };
        let document = ledger.policy_document(active).await?;
        Ok(Some(ActivePolicy { activation: active.clone(), document }))
    }

    /// The approvals of policies that were not used yet and have not expired.
    pub async fn policy_approvals(&self) -> Result<Vec<PanelApproval>> {
        let Some(ledger) = self.existing_ledger().await? else { return Ok(Vec::new()) };
        let view = ledger.view().await?;
        let live =
            view.standing.panel_approvals().iter().filter(|approval| approval.is_live(view.moment.now));
        Ok(live.cloned().collect())
    }

    /// The policies to compare with what was decided, or to ask what they would decide; nothing is recorded. These are the policies
    /// that this program names, or else the active ones with the settings and limits of this program, or else the embedded one.
    pub async fn policies_to_compare(&self) -> Result<Panel> {
        let ledger =
            if self.inner.configured().names_policies { None } else { self.existing_ledger().await? };
        match ledger {
            Some(ledger) => {
                let standing = Box::pin(ledger.view()).await?.standing;
                to_compare(&*self.inner, Some((&ledger, &standing))).await
            }
            None => to_compare(&*self.inner, None).await,
        }
    }

    /// Executes a statement about the active policy.
    pub(crate) async fn state_policy(&self, asked: PolicyAsked) -> Result<PolicyStated> {
        let PolicyAsked { verb, sha256, reason, expires, activation_approvals, expected_head, dry_run } =
            asked;
        let mut statement = match verb {
            PolicyVerb::Activate => {
                let configured = self.inner.settings.policy.activation_approvals;
                let approvals = activation_approvals.unwrap_or(configured);
                PolicyStatement::activate(self.named_panel().await?, approvals)?
            }
            PolicyVerb::Deactivate => PolicyStatement::deactivate(),
            _ => PolicyStatement::approve(sha256),
        };
        (statement.reason, statement.expires, statement.expected_head) = (reason, expires, expected_head);
        if !dry_run {
            if let Some(expected) = &statement.expected_head
                && self.existing_ledger().await?.is_none()
            {
                expected.ensure(None)?;
            }
            return activation::record(&self.ledger().await?, &statement).await;
        }
        let ledger = self.existing_ledger().await?;
        if let (None, Some(expected)) = (&ledger, &statement.expected_head) {
            expected.ensure(None)?;
        }
        let settings = self.writer_settings().await?;
        let who = (settings.actor.as_str(), settings.user.as_deref());
        activation::try_out(self.model(), ledger.as_ref(), who, now(), &statement).await
    }

    /// The policies of this program, if it names some or has settings for the embedded one.
    async fn named_panel(&self) -> Result<&Panel> {
        let configured = self.inner.configured();
        if configured.names_policies || !configured.settings.is_empty() {
            return self.panel().await;
        }
        Err(Error::new(ErrorKind::NothingToActivate, "no policy is named that could become the active one")
            .with_hint("name its file: `hydra-registry policy activate FILE`, `--policy`, HYDRA_POLICY, or `policy` in hydra.toml"))
    }
}
