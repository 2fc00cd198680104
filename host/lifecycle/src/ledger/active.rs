//! The document of an active policy: which components decide together, with which settings and limits. It lies in the archive with
//! the components, and every host decides by it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ledger::archive::{active_path, component_path, signatures_path};
use crate::ledger::decide::ActiveFiles;
use crate::ledger::errors::is_lost;
use crate::ledger::standing::ActivePanel;
use crate::ledger::{Ledger, LedgerWriter, archive, document, policy_proofs};
use crate::panel::{Member, Panel};
use hydra_base::blocking;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::PolicyName;
use hydra_base::text::shell_word;
use hydra_base::{PolicyIdentity, Sha256};
use hydra_policy::{Budget, PanelRole, Policy, PolicyEngine};

pub use crate::ledger::archive::MAX_COMPONENT_BYTES;

/// The schema that this release writes, and the newest that it reads.
const SCHEMA: u32 = 1;

/// The most bytes of a document.
const MAX_BYTES: usize = 1 << 20;

/// The name of the document in errors.
const WHAT: &str = "the document of the active policy";

/// A panel of policies as the ledger activates it. Its digest names it: equal panels with equal settings and limits are equal bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PolicyDocument {
    schema: u32,
    /// How many people, other than the requester, must approve before another panel or none takes its place.
    #[serde(default)]
    pub activation_approvals: u32,
    /// The policies, the leader first.
    pub policies: Vec<DocumentedPolicy>,
    /// The rules about signatures, as `[policy.trust]` has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<Map<String, Value>>,
}

/// One policy of an active panel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DocumentedPolicy {
    /// Its name in the panel.
    pub name: PolicyName,
    /// Its part.
    pub mode: PanelRole,
    /// The policy.
    pub policy: PolicyIdentity,
    /// Its settings, checked and completed.
    pub settings: BTreeMap<String, String>,
    /// The resources that it may use.
    pub budget: Budget,
}

impl PolicyDocument {
    /// The document of a panel. The settings are checked against those that the policies declare.
    pub fn of(panel: &Panel, activation_approvals: u32) -> Result<Self> {
        let policies = panel.members().map(|member| {
            Ok(DocumentedPolicy {
                // Of one policy, the name of its file means nothing.
                name: if panel.is_alone() {
                    PolicyName::of_stem(&member.policy.descriptor().name)
                } else {
                    member.name.clone()
                },
                mode: member.role,
                policy: member.policy.identity(),
                settings: panel.settings(member)?,
                budget: member.policy.budget().clone(),
            })
        });
        let policies = policies.collect::<Result<_>>()?;
        Ok(Self { schema: SCHEMA, activation_approvals, policies, trust: panel.trust().cloned() })
    }

    /// The bytes in the archive: canonical JSON.
    pub fn encode(&self) -> Result<Vec<u8>> {
        document::encode(self, WHAT)
    }

    /// The SHA-256 of the bytes.
    pub fn sha256(&self) -> Result<Sha256> {
        Ok(Sha256::of(&self.encode()?))
    }

    /// Reads the bytes of a document. `LedgerNewer` for one of a newer schema, `LedgerBroken` for anything else that is
    /// not a document.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        document::decode(bytes, WHAT, SCHEMA)
    }

    /// Whether both decide alike: the same components with the same parts, settings and limits. Names, and the approvals that a
    /// change asks for, decide nothing. Rules about signatures differ only if this document has some.
    #[must_use]
    pub fn decides_like(&self, other: &Self) -> bool {
        let part =
            |one: &DocumentedPolicy| (one.policy.sha256, one.mode, one.settings.clone(), one.budget.clone());
        let same_trust = self.trust.is_none() || self.trust == other.trust;
        same_trust && self.policies.iter().map(part).eq(other.policies.iter().map(part))
    }

    /// The digests of the components, each once.
    #[must_use]
    pub fn components(&self) -> BTreeSet<Sha256> {
        self.policies.iter().map(|policy| policy.policy.sha256).collect()
    }

    /// The files of this document, which is that of `panel`. `PolicySize` for a component that no archive would give back,
    /// `TextTooLong` for settings that make the document too long, `SignatureNotFound` for a component without a signature that
    /// the rules of the document ask for.
    pub(crate) fn files(&self, panel: &Panel) -> Result<ActiveFiles> {
        let mut components = BTreeMap::new();
        for (sha256, bytes) in panel.components() {
            if bytes.len() as u64 > MAX_COMPONENT_BYTES {
                let message = format!(
                    "the component has {} bytes; an archive holds components of at most {MAX_COMPONENT_BYTES}",
                    bytes.len()
                );
                return Err(Error::new(ErrorKind::PolicySize, message).with_context("sha256", sha256));
            }
            components.insert(sha256, bytes.into());
        }
        let document = self.encode()?;
        if document.len() > MAX_BYTES {
            let message = format!("{WHAT} has {} bytes; the limit is {MAX_BYTES}", document.len());
            return Err(Error::new(ErrorKind::TextTooLong, message)
                .with_hint("shorten the settings and the rules about signatures"));
        }
        Ok(ActiveFiles { document, components, signatures: policy_proofs::of_panel(panel)? })
    }
}

/// A file of an active policy in the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) enum File {
    /// The document of that digest.
    Document(Sha256),
    /// The component of that digest.
    Component(Sha256),
    /// The signatures of the policy whose document has that digest.
    Signatures(Sha256),
}

impl File {
    pub fn path(self) -> String {
        match self {
            Self::Document(sha256) => active_path(sha256),
            Self::Component(sha256) => component_path(sha256),
            Self::Signatures(sha256) => signatures_path(sha256),
        }
    }
}

impl Ledger {
    /// The document of an active policy: from the private cache, or from the archive with one request.
    pub async fn policy_document(&self, active: &ActivePanel) -> Result<PolicyDocument> {
        let bytes = self.policy_file(File::Document(active.sha256), active.sha256).await?;
        PolicyDocument::decode(&bytes)
    }

    /// The document of an active policy in the archive.
    pub(super) async fn archived_policy(&self, active: &ActivePanel) -> Result<PolicyDocument> {
        let bytes = self.read_document(&active_path(active.sha256), active.sha256).await?;
        PolicyDocument::decode(&bytes)
    }

    /// The active policy, from the private cache or from the archive, ready to decide on `engine`.
    ///
    /// `ActivePolicyLost` if the document, a component or the signatures are neither in the archive nor in the cache; if the document
    /// has trust rules, the errors of [`TrustRules::check`](hydra_trust::TrustRules::check) for a component that does not meet them.
    pub async fn load_active(&self, active: &ActivePanel, engine: &PolicyEngine) -> Result<Panel> {
        let document = self.policy_document(active).await?;
        let mut components = BTreeMap::new();
        for sha256 in document.components() {
            components.insert(sha256, self.policy_file(File::Component(sha256), sha256).await?);
        }
        let origins = self.policy_origins(active, &document, &components).await?;
        let mut loaded: Vec<Policy> = Vec::new();
        let mut members = Vec::with_capacity(document.policies.len());
        for policy in &document.policies {
            let sha256 = policy.policy.sha256;
            let known =
                loaded.iter().find(|known| known.sha256() == sha256 && *known.budget() == policy.budget);
            let component = match known {
                Some(known) => known.clone(),
                None => {
                    let bytes = components.get(&sha256).cloned().unwrap_or_default();
                    let (engine, budget) = (engine.clone(), policy.budget.clone());
                    let found = blocking(move || Policy::load(&engine, &bytes, &budget)).await;
                    let found = found.map_err(|error| error.with_context("active policy", &policy.policy))?;
                    loaded.push(found.clone());
                    found
                }
            };
            let settings = component.descriptor().as_written(&policy.settings);
            members.push(Member {
                name: policy.name.clone(),
                role: policy.mode,
                policy: component,
                settings,
                origin: origins.get(&sha256).cloned().unwrap_or_default(),
            });
        }
        let panel = Panel::new(members)?.with_trust(document.trust.clone()).into_active();
        if PolicyDocument::of(&panel, document.activation_approvals)? != document {
            return Err(Error::new(
                ErrorKind::LedgerBroken,
                format!("{WHAT} is not the one of its components and settings"),
            )
            .with_context("active policy", active.sha256)
            .with_hint(self.way_out()));
        }
        Ok(panel)
    }

    /// The document or a component of the active policy, which has that digest.
    async fn policy_file(&self, file: File, sha256: Sha256) -> Result<Vec<u8>> {
        let cached = async {
            let Some(cache) = &self.policies else { return Ok(None) };
            cache.get(sha256).await
        };
        if let Some(bytes) = cached.await? {
            return Ok(bytes);
        }
        let bytes = match self.archived_policy_file(file, sha256).await {
            Err(error) if is_lost(&error) => {
                let message = "the active policy is not in the archive of the ledger, or was altered";
                return Err(Error::new(ErrorKind::ActivePolicyLost, message)
                    .with_context("artifact", file.path())
                    .with_source(error)
                    .with_hint(self.way_out()));
            }
            found => found?,
        };
        if let Some(cache) = &self.policies {
            cache.put(sha256, bytes.clone()).await?;
        }
        Ok(bytes)
    }

    /// Keeps the files of an active policy in the private cache.
    pub(super) async fn keep_active(&self, files: &ActiveFiles) -> Result<()> {
        let Some(cache) = &self.policies else { return Ok(()) };
        let sha256 = Sha256::of(&files.document);
        cache.put(sha256, files.document.clone()).await?;
        if let Some(signatures) = &files.signatures {
            cache.put_named(sha256, signatures.clone()).await?;
        }
        for (sha256, bytes) in &files.components {
            cache.put(*sha256, bytes.to_vec()).await?;
        }
        Ok(())
    }

    async fn archived_policy_file(&self, file: File, sha256: Sha256) -> Result<Vec<u8>> {
        match file {
            File::Component(_) => self.component(sha256).await,
            File::Document(_) | File::Signatures(_) => self.read_document(&file.path(), sha256).await,
        }
    }

    /// A file of the active policy in the archive; none if it is not there, or altered.
    async fn if_not_lost(&self, file: File, sha256: Sha256) -> Result<Option<Vec<u8>>> {
        match self.archived_policy_file(file, sha256).await {
            Err(error) if is_lost(&error) => Ok(None),
            found => found.map(Some),
        }
    }

    /// The files of the active policy that are not in the archive, or altered there.
    pub(in crate::ledger) async fn lost_policy_files(&self, active: &ActivePanel) -> Result<Vec<File>> {
        let mut lost = Vec::new();
        let document = File::Document(active.sha256);
        if self.if_not_lost(document, active.sha256).await?.is_none() {
            lost.push(document);
        }
        let document = self.policy_document(active).await.ok();
        let mut components = BTreeMap::new();
        for sha256 in document.iter().flat_map(PolicyDocument::components) {
            match self.if_not_lost(File::Component(sha256), sha256).await? {
                Some(bytes) => drop(components.insert(sha256, bytes)),
                None => lost.push(File::Component(sha256)),
            }
        }
        if let Some(document) = &document
            && self.lacks_signatures(active, document, &components).await?
        {
            lost.push(File::Signatures(active.sha256));
        }
        Ok(lost)
    }

    pub(super) fn way_out(&self) -> String {
        let model = shell_word(self.model.as_str());
        format!(
            "run `hydra-registry --model {model} policy activate FILE…` with the same files and settings, which stores them again; \
             `--override-policy --reason REASON` decides without it, on record"
        )
    }
}

impl LedgerWriter {
    /// Stores the files of an active policy that are missing in the archive or altered there.
    pub(crate) async fn restore_active(&self, active: &ActivePanel, files: &ActiveFiles) -> Result<()> {
        for file in self.ledger.lost_policy_files(active).await? {
            let bytes = match file {
                File::Document(_) => Some(files.document.clone()),
                File::Component(sha256) => files.components.get(&sha256).map(|bytes| bytes.to_vec()),
                File::Signatures(_) => files.signatures.clone(),
            };
            if let Some(bytes) = bytes {
                self.ledger.artifacts().await?.put_bytes(&file.path(), bytes).await?;
            }
        }
        Ok(())
    }

    /// Stores the files of the active policy again that are missing in the archive and that the private cache of this machine still
    /// has.
    pub(super) async fn restore_active_from_cache(&self, active: &ActivePanel) -> Result<()> {
        let lost = self.ledger.lost_policy_files(active).await?;
        if lost.is_empty() {
            return Ok(());
        }
        let Some(cache) = &self.ledger.policies else { return Ok(()) };
        let Some(document) = cache.get(active.sha256).await? else { return Ok(()) };
        let mut components = BTreeMap::new();
        for sha256 in PolicyDocument::decode(&document)?.components() {
            if let Some(bytes) = cache.get(sha256).await? {
                components.insert(sha256, bytes.into());
            }
        }
        let signatures = cache.get_named(active.sha256).await?;
        self.restore_active(active, &ActiveFiles { document, components, signatures }).await
    }

    /// Stores the files of a policy in the archive, which another archive has.
    pub(super) async fn copy_active(&self, from: &Ledger, sha256: Sha256) -> Result<()> {
        let document = from.read_document(&active_path(sha256), sha256).await?;
        let mut components = BTreeMap::new();
        for component in PolicyDocument::decode(&document)?.components() {
            components.insert(component, from.component(component).await?.into());
        }
        let signatures = from.archived_signatures(sha256).await?;
        let files = ActiveFiles { document, components, signatures };
        archive::archive_active(self.ledger.artifacts().await?.as_ref(), &files).await
    }
}
