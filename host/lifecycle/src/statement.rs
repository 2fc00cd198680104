//! Statements: what people say of one version, and the ledger records. No policy is asked.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;
use uuid::Uuid;

use crate::guards::quarantined;
use crate::ledger::entry::{EntryKind, Subject};
use crate::ledger::head::Head;
use crate::ledger::{Decide, DecideOutcome, LedgerView, LedgerWriter, Proposal, QUARANTINE_TAG, Recorded};
use hydra_base::actor;
use hydra_base::aliases::AliasMove;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{Alias, ModelName, Version};
use hydra_base::{Sha256, Timestamp};
use hydra_mlflow::connect::Backend;
use hydra_mlflow::entities::{ModelVersion, USER_TAG};
use hydra_models::candidate::SHA256_TAG;
use hydra_models::model_cache::ModelCache;
use hydra_models::preflight::{self, Opened, Presence};

/// The most characters of the reason of a statement.
pub const MAX_REASON_CHARS: usize = 1_000;

/// What is said of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Verb {
    /// It becomes the candidate.
    Nominate,
    /// It is good enough to become champion. Policies see it, and may ask for it.
    Approve,
    /// It must not become champion.
    Quarantine,
    /// Its quarantine ends.
    Release,
}

/// A statement about a version.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[must_use = "a statement is not recorded until it is passed to `record`"]
pub struct Statement {
    /// What is said.
    pub verb: Verb,
    /// The version.
    pub version: Version,
    /// Why, for the ledger.
    pub reason: Option<String>,
    /// How long an approval lasts; none if only its use ends it.
    pub expires: Option<Duration>,
    /// The newest entry that the ledger must have when it is recorded.
    pub expected_head: Option<Head>,
}

impl Statement {
    /// A statement without a reason, which does not expire.
    pub fn new(verb: Verb, version: Version) -> Self {
        Self { verb, version, reason: None, expires: None, expected_head: None }
    }
}

/// A statement on record.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "each is a separate fact about the version or the entry")]
pub struct Stated {
    /// The registered model.
    pub model: ModelName,
    /// What was said.
    pub verb: Verb,
    /// The version.
    pub version: Version,
    /// Whether the ledger records it; otherwise it held already.
    pub recorded: bool,
    /// What it means, for people.
    pub explanation: String,
    /// The version that was the candidate before a nomination.
    pub former_candidate: Option<Version>,
    /// Whether the version is the champion.
    pub is_champion: bool,
    /// The SHA-256 of the model file that it is about, if it is known.
    pub sha256: Option<String>,
    /// When an approval ends.
    pub expires: Option<Timestamp>,
    /// Whether an approver also logged the version.
    pub own: bool,
    /// Who said it.
    pub actor: String,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
    /// Whether the version exists and is not in quarantine afterwards.
    pub can_become_champion: bool,
    /// The number of the ledger entry, if it is recorded.
    pub sequence: Option<u64>,
}

/// Records a statement in the ledger and carries it out.
///
/// `VersionNotFound` for a version that does not exist, `Quarantined` for the nomination of a version in quarantine,
/// `NotQuarantined` for a release of one that is not, `TooManyApprovals` beyond the limits of approvals, `TextTooLong` for a
/// reason of more than [`MAX_REASON_CHARS`], and the errors of [`LedgerWriter::transition`].
pub async fn record(
    backend: &Backend,
    cache: Option<&ModelCache>,
    ledger: &LedgerWriter,
    statement: &Statement,
) -> Result<Stated> {
    check_reason(statement.reason.as_deref())?;
    if statement.verb == Verb::Quarantine
        && statement.reason.as_deref().is_none_or(|why| why.trim().is_empty())
    {
        return Err(Error::new(ErrorKind::InvalidArgument, "a quarantine needs a reason").with_hint(
            "say why the version must not become champion: `--reason \"trained on leaked labels\"`",
        ));
    }
    let operation_id = Uuid::new_v4().simple().to_string();
    let mut decider = StatementDecider { backend, cache, ledger, statement, about: None, stated: None };
    let recorded = ledger.transition(&operation_id, &mut decider).await?;
    let mut stated = decider.stated.ok_or_else(|| {
        Error::new(ErrorKind::Internal, "the ledger recorded a statement that was not made")
    })?;
    if let Recorded::Now(record) = recorded {
        stated.recorded = true;
        stated.sequence = Some(record.number);
        stated.at = record.entry.at;
    }
    tracing::info!(
        model = %stated.model,
        verb = %stated.verb,
        version = %stated.version,
        sequence = stated.sequence,
        actor = %stated.actor,
        explanation = %stated.explanation,
        "statement"
    );
    Ok(stated)
}

/// A standing repeats the reasons of approvals and quarantines for as long as they last.
pub(crate) fn check_reason(reason: Option<&str>) -> Result<()> {
    let chars = reason.map_or(0, |reason| reason.chars().count());
    if chars <= MAX_REASON_CHARS {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::TextTooLong,
        format!("the reason has {chars} characters; the limit is {MAX_REASON_CHARS}"),
    )
    .with_hint("shorten it, and keep the details where it can point to"))
}

/// Makes one statement, again whenever another writer was faster.
struct StatementDecider<'a> {
    backend: &'a Backend,
    cache: Option<&'a ModelCache>,
    ledger: &'a LedgerWriter,
    statement: &'a Statement,
    about: Option<About>,
    stated: Option<Stated>,
}

/// What is known about the version.
#[derive(Debug, Clone, Default)]
struct About {
    sha256: Option<String>,
    own: bool,
    has_tag: bool,
    exists: bool,
}

#[async_trait]
impl Decide for StatementDecider<'_> {
    async fn decide(&mut self, view: &LedgerView) -> Result<DecideOutcome> {
        if let Some(expected) = &self.statement.expected_head {
            expected.ensure(Some(view))?;
        }
        let about = match self.about.take() {
            Some(about) => about,
            None => self.look_up().await?,
        };
        self.about = Some(about.clone());
        let Statement { verb, version, reason, expires, .. } = self.statement;
        let (verb, version) = (*verb, *version);
        let aliases = &view.registered.aliases;
        let candidate = aliases.get(&Alias::CANDIDATE).copied();
        let actor = self.ledger.actor();
        let quarantine = view.standing.quarantine(version);
        let holds = match verb {
            Verb::Nominate if quarantine.is_some() => return Err(quarantined(version, &view.standing)),
            Verb::Nominate => candidate == Some(version),
            Verb::Quarantine => quarantine.is_some_and(|quarantine| {
                actor::is_same(&quarantine.by, actor) && reason.as_ref() == Some(&quarantine.reason)
            }),
            Verb::Release if quarantine.is_none() && !about.has_tag => return Err(not_quarantined(version)),
            Verb::Approve | Verb::Release => false,
        };
        let at = view.moment.now;
        if verb == Verb::Approve {
            view.standing.ensure_room_for_approval(version, actor, at)?;
        }
        let ends =
            |expires: Duration| at.saturating_add(i64::try_from(expires.as_millis()).unwrap_or(i64::MAX));
        let mut stated = Stated {
            model: self.ledger.ledger().model().clone(),
            verb,
            version,
            recorded: false,
            explanation: String::new(),
            former_candidate: candidate.filter(|candidate| verb == Verb::Nominate && *candidate != version),
            is_champion: aliases.get(&Alias::CHAMPION) == Some(&version),
            sha256: about.sha256.clone(),
            expires: expires.map(ends),
            own: about.own,
            actor: actor.to_owned(),
            reason: reason.clone(),
            at,
            can_become_champion: about.exists
                && match verb {
                    Verb::Quarantine => false,
                    Verb::Release => true,
                    Verb::Nominate | Verb::Approve => quarantine.is_none(),
                },
            sequence: None,
        };
        stated.explanation = explanation(&stated, holds);
        let outcome = if holds {
            DecideOutcome::Nothing
        } else {
            let nominated = (verb == Verb::Nominate).then(|| AliasMove::set(Alias::CANDIDATE, version));
            DecideOutcome::Propose(Box::new(Proposal {
                target: Some(version),
                reason: reason.clone(),
                moves: nominated.into_iter().collect(),
                subject: Some(Subject {
                    model_sha256: about.sha256,
                    expires: stated.expires,
                    own: about.own,
                }),
                ..Proposal::statement(verb.into(), stated.explanation.clone())
            }))
        };
        self.stated = Some(stated);
        Ok(outcome)
    }
}

impl StatementDecider<'_> {
    async fn look_up(&self) -> Result<About> {
        let (registry, model) = (&self.backend.registry, self.ledger.ledger().model());
        let found = match registry.model_version(model, self.statement.version).await {
            // Its quarantine can end all the same.
            Err(error)
                if error.kind() == ErrorKind::VersionNotFound && self.statement.verb == Verb::Release =>
            {
                return Ok(About::default());
            }
            found => found?,
        };
        let has_tag = found.tags.contains_key(QUARANTINE_TAG);
        let mut about =
            About { sha256: found.tags.get(SHA256_TAG).cloned(), own: false, has_tag, exists: true };
        if self.statement.verb == Verb::Approve {
            about.sha256 = Some(self.digest(&found).await?.to_string());
            about.own = self.is_own(&found).await?;
        }
        Ok(about)
    }

    /// The digest of the model file as it is found, not as the version's tag has it: an approval is about these bytes.
    async fn digest(&self, version: &ModelVersion) -> Result<Sha256> {
        match preflight::open(self.backend, self.cache, version, Presence::Exact).await? {
            Opened::Loadable(facts) => Ok(facts.sha256),
            Opened::Unloadable(why) => Err(Error::new(
                ErrorKind::Unloadable,
                format!("version {} cannot be approved because its model cannot be loaded", version.version),
            )
            .with_source(why)
            .with_hint("restore the files, or approve another version")),
        }
    }

    /// Whether the run of the version has this actor as its user. A run that is gone says nothing.
    async fn is_own(&self, version: &ModelVersion) -> Result<bool> {
        let Some(run_id) = &version.run_id else { return Ok(false) };
        match self.backend.tracking.run(run_id).await {
            Ok(run) => {
                Ok(actor::is_same(run.tags.get(USER_TAG).unwrap_or(&run.user_id), self.ledger.actor()))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn explanation(stated: &Stated, holds: bool) -> String {
    let Stated { verb, version, former_candidate, is_champion, own, can_become_champion, .. } = stated;
    match verb {
        Verb::Nominate if holds => format!("version {version} is the candidate already"),
        Verb::Nominate => match former_candidate {
            Some(former) => format!("version {version} becomes the candidate instead of version {former}"),
            None => format!("version {version} becomes the candidate"),
        },
        Verb::Approve => {
            let own = if *own { ", by the one who logged it" } else { "" };
            format!("version {version} is approved{own}")
        }
        Verb::Quarantine if holds => format!("version {version} is in quarantine already"),
        Verb::Quarantine if *is_champion => {
            format!("version {version} goes into quarantine; it stays the champion until another version is")
        }
        Verb::Quarantine => format!("version {version} goes into quarantine: it cannot become champion"),
        Verb::Release if *can_become_champion => {
            format!("version {version} is released: it may become champion")
        }
        Verb::Release => format!("version {version}, which was deleted, is released"),
    }
}

fn not_quarantined(version: Version) -> Error {
    Error::new(ErrorKind::NotQuarantined, format!("version {version} is not in quarantine"))
        .with_hint("run `hydra-registry list` to see the versions in quarantine")
}

impl From<Verb> for EntryKind {
    fn from(verb: Verb) -> Self {
        match verb {
            Verb::Nominate => Self::Nominate,
            Verb::Approve => Self::Approve,
            Verb::Quarantine => Self::Quarantine,
            Verb::Release => Self::Release,
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        EntryKind::from(*self).fmt(f)
    }
}
