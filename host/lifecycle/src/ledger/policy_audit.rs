//! Whether each decision was made by the policy that was active, with its settings and limits.

use std::collections::BTreeMap;

use crate::ledger::Ledger;
use crate::ledger::active::PolicyDocument;
use crate::ledger::chain::Record;
use crate::ledger::entry::StandingRef;
use crate::ledger::errors::is_lost;
use crate::ledger::policy_proofs::AuditedSignatures;
use crate::ledger::standing::ActivePanel;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::{Sha256, Timestamp};
use hydra_policy::{Input, OverrideKind};

/// What is to be said of the policy of a decision, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Remark {
    /// It says that it sets the active policy aside.
    SetAside(String),
    /// It should be by the active policy, and is not.
    Flaw(String),
}

/// An audit of decisions in any order, in constant memory.
#[derive(Debug)]
pub(super) struct PolicyAudit<'a> {
    ledger: &'a Ledger,
    /// The standing that was read last, with the active panel; none if the document is lost, which is a flaw of its own.
    standing: Option<(StandingRef, Option<ActivePanel>)>,
    /// The document of a policy that was read last, or what is wrong with it.
    document: Option<(Sha256, Result<PolicyDocument, String>)>,
    /// Who signed the policy that was read last, by its trust rules, or what is wrong with that.
    signatures: Option<(Sha256, Result<Option<AuditedSignatures>, String>)>,
}

impl<'a> PolicyAudit<'a> {
    pub fn new(ledger: &'a Ledger) -> Self {
        Self { ledger, standing: None, document: None, signatures: None }
    }

    /// What is to be said of the policy of an entry. An entry that is not a decision of a policy has none.
    pub async fn remark(&mut self, record: &Record) -> Result<Option<Remark>> {
        let (Some(decided), Some(reference)) = (&record.entry.decided, record.entry.standing) else {
            return Ok(None);
        };
        // A decision does not change which policy is active: the standing after it has the one that was active.
        let Some(active) = self.active(record, reference).await? else { return Ok(None) };
        if record.entry.overrides.contains(&OverrideKind::InactivePolicy) {
            let why = record.entry.reason.as_deref().unwrap_or_default();
            let what = format!("{} set the active policy {} aside: {why}", record.entry.actor, active.sha256);
            return Ok(Some(Remark::SetAside(what)));
        }
        if let Err(flaw) = self.document(&active).await? {
            return Ok(Some(Remark::Flaw(flaw.clone())));
        }
        if let Some(flaw) = self.unsigned(&active, record.created_at).await? {
            return Ok(Some(Remark::Flaw(flaw)));
        }
        let Ok(document) = self.document(&active).await? else { return Ok(None) };
        let other = || {
            Some(Remark::Flaw(format!("it was not decided by {}, the policy that was active", active.sha256)))
        };
        let mut alike = document
            .policies
            .first()
            .is_some_and(|leader| leader.policy == decided.policy && leader.budget == decided.budget);
        let count = decided.panel.len().max(1);
        alike &= count == document.policies.len();
        let mut parts = decided.panel.iter().zip(&document.policies);
        alike &=
            parts.all(|(answer, policy)| (answer.sha256, answer.mode) == (policy.policy.sha256, policy.mode));
        if !alike {
            return Ok(other());
        }
        // What is missing in the archive, or altered, the repetition of the decision reports.
        let settings = match self.settings(record).await {
            Err(error) if is_flaw(&error) => return Ok(None),
            found => found?,
        };
        let document = self.document(&active).await?;
        let alike = document.as_ref().is_ok_and(|document| {
            settings.iter().zip(&document.policies).all(|(settings, policy)| *settings == policy.settings)
        });
        Ok(if alike { None } else { other() })
    }

    /// The settings that each policy of a decision was asked with.
    async fn settings(&self, record: &Record) -> Result<Vec<BTreeMap<String, String>>> {
        if let Some(answers) = self.ledger.answers(record).await? {
            return Ok(answers.policies.into_iter().map(|answer| answer.settings).collect());
        }
        let input = Input::from_json(&self.ledger.input(record).await?);
        Ok(input.map(|input| vec![input.context().settings.clone()]).unwrap_or_default())
    }

    async fn active(&mut self, record: &Record, reference: StandingRef) -> Result<Option<ActivePanel>> {
        if let Some((last, active)) = &self.standing
            && *last == reference
        {
            return Ok(active.clone());
        }
        let active = match self.ledger.standing(record).await {
            Ok(standing) => standing.panel().cloned(),
            Err(error) if error.kind() == ErrorKind::StandingLost || is_flaw(&error) => None,
            Err(error) => return Err(error),
        };
        self.standing = Some((reference, active.clone()));
        Ok(active)
    }

    async fn document(&mut self, active: &ActivePanel) -> Result<&Result<PolicyDocument, String>> {
        let is_known = self.document.as_ref().is_some_and(|(known, _)| *known == active.sha256);
        if !is_known {
            let found = match self.ledger.archived_policy(active).await {
                Ok(document) => Ok(document),
                Err(error) if is_flaw(&error) => Err(error.to_string()),
                Err(error) => return Err(error),
            };
            self.document = Some((active.sha256, found));
        }
        match &self.document {
            Some((_, document)) => Ok(document),
            None => Err(Error::new(ErrorKind::Internal, "the document that was just read is not there")),
        }
    }

    /// What speaks against the signatures of a policy in the archive, by its trust rules as they were at a time, in milliseconds.
    async fn unsigned(&mut self, active: &ActivePanel, at: Timestamp) -> Result<Option<String>> {
        let is_known = self.signatures.as_ref().is_some_and(|(known, _)| *known == active.sha256);
        if !is_known {
            let Ok(document) = self.document(active).await?.clone() else { return Ok(None) };
            let found = match self.ledger.audited_signatures(active, &document).await {
                Ok(found) => Ok(found),
                Err(error) if is_flaw(&error) || is_about_signatures(&error) => Err(flaw_of(active, &error)),
                Err(error) => return Err(error),
            };
            self.signatures = Some((active.sha256, found));
        }
        Ok(match &self.signatures {
            Some((_, Ok(Some(audited)))) => audited.check(at).err().map(|error| flaw_of(active, &error)),
            Some((_, Err(flaw))) => Some(flaw.clone()),
            _ => None,
        })
    }
}

fn flaw_of(active: &ActivePanel, error: &Error) -> String {
    let cause = std::error::Error::source(error).map_or_else(String::new, |cause| format!(": {cause}"));
    format!(
        "the signatures of {}, the policy that was active, do not show what its rules ask: {error}{cause}",
        active.sha256
    )
}

fn is_about_signatures(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::InvalidTrust
            | ErrorKind::SignatureNotFound
            | ErrorKind::SignatureMismatch
            | ErrorKind::UntrustedSigner
            | ErrorKind::SignersMissing
            | ErrorKind::ExpiredKey
    )
}

fn is_flaw(error: &Error) -> bool {
    is_lost(error) || matches!(error.kind(), ErrorKind::LedgerBroken | ErrorKind::LedgerNewer)
}
