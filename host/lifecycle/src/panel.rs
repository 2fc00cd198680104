//! Policies that decide together: a leader whose moves count, gates whose yes or no counts, and monitors whose answers are
//! recorded only.

mod answer;
mod counted;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::thread::available_parallelism;

use futures_util::stream::{self, StreamExt as _};
use serde_json::{Map, Value};

use crate::transition::run_policy;
use hydra_base::Sha256;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::PolicyName;
use hydra_policy::{Decision, Input, PanelRole, Policy, Verdict, VerdictKind};
use hydra_trust::{Proof, Signer};

pub use answer::{Answer, deciding};
pub use counted::Counted;

/// The most policies that can decide together: an entry of the ledger has room for their answers.
pub const MAX_POLICIES: usize = 8;

/// The most bytes of the names of those who signed policies in an entry of the ledger, and of the digests of manifests: four
/// digests, or a subject with its issuer.
const ROOM: usize = 4 * 64;

/// A policy with its part in a panel, its own settings and, in [`Policy::budget`], its own limits.
#[derive(Debug, Clone)]
pub struct Member {
    /// The name by which users address it, unique in the panel.
    pub name: PolicyName,
    /// Its part.
    pub role: PanelRole,
    /// The policy.
    pub policy: Policy,
    /// Its settings as they were given, not yet checked against those that it declares.
    pub settings: BTreeMap<String, String>,
    /// Where its component came from, and who signed it.
    pub origin: Origin,
}

/// Where a component came from, and who signed it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a program that loads a policy itself says what it knows")]
pub struct Origin {
    /// The SHA-256 of the manifest of the artifact in a registry; none for a file.
    pub manifest: Option<Sha256>,
    /// Who signed it, as trust rules found them; empty without rules.
    pub signers: Vec<Signer>,
    /// What shows other hosts that they signed it.
    pub proof: Option<Proof>,
}

/// One to eight policies that decide together. The first one leads.
#[derive(Debug, Clone)]
pub struct Panel {
    leader: Member,
    others: Vec<Member>,
    trust: Option<Map<String, Value>>,
    is_active: bool,
}

/// What a panel decided.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PanelDecision {
    /// The verdict of all policies together, before any guard has checked it: the leader's with its moves, if every policy
    /// that counts approves; else the strictest one, in the words of the first policy that gave it.
    pub verdict: Verdict,
    /// The leader's decision.
    pub leader: Decision,
    /// The answers of all policies, the leader's first.
    pub answers: Vec<Answer>,
}

impl Panel {
    /// A policy that decides alone.
    #[must_use]
    pub fn alone(policy: Policy, settings: BTreeMap<String, String>) -> Self {
        let name = PolicyName::of_stem(&policy.descriptor().name);
        let role = PanelRole::Leader;
        Self::led_by(Member { name, role, policy, settings, origin: Origin::default() }, Vec::new())
    }

    fn led_by(leader: Member, others: Vec<Member>) -> Self {
        Self { leader, others, trust: None, is_active: false }
    }

    /// The policies, the leader first: `PanelSize`, `PanelRoles` or `PanelNames` if they do not form a panel.
    pub fn new(members: Vec<Member>) -> Result<Self> {
        check_parts(members.iter().map(|member| (&member.name, member.role)))?;
        let mut members = members.into_iter();
        let Some(leader) = members.next() else { return Err(wrong_size(0)) };
        Ok(Self::led_by(leader, members.collect()))
    }

    /// The same panel with rules about signatures, as `[policy.trust]` in `hydra.toml` has them.
    #[must_use]
    pub fn with_trust(self, trust: Option<Map<String, Value>>) -> Self {
        Self { trust, ..self }
    }

    /// The same panel as the one that is active by the ledger of the model; policies learn that.
    #[must_use]
    pub(crate) fn into_active(self) -> Self {
        Self { is_active: true, ..self }
    }

    /// The rules about signatures that go with the policies.
    #[must_use]
    pub fn trust(&self) -> Option<&Map<String, Value>> {
        self.trust.as_ref()
    }

    /// Whether it is the one that is active by the ledger of the model.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.is_active
    }

    /// The policy whose moves count.
    #[must_use]
    pub fn leader(&self) -> &Member {
        &self.leader
    }

    /// All policies, the leader first.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        std::iter::once(&self.leader).chain(&self.others)
    }

    /// The number of policies.
    #[must_use]
    pub fn size(&self) -> usize {
        1 + self.others.len()
    }

    /// Whether one policy decides alone.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.others.is_empty()
    }

    /// The policy that decides alone: `SeveralPolicies` if several decide together.
    pub fn only(&self) -> Result<&Member> {
        if self.is_alone() {
            return Ok(&self.leader);
        }
        let names: Vec<String> = self.members().map(|member| member.name.to_string()).collect();
        let message = format!("{} policies decide together, and one is needed", names.len());
        Err(Error::new(ErrorKind::SeveralPolicies, message)
            .with_context("policies", names.join(", "))
            .with_hint("name the file of one policy"))
    }

    /// The bytes of the components by their digests: each once, also if several policies are the same component.
    #[must_use]
    pub fn components(&self) -> BTreeMap<Sha256, &[u8]> {
        self.members().map(|member| (member.policy.sha256(), member.policy.bytes())).collect()
    }

    /// Who signed any of the policies, keys by their ids: the first ones in ascending order, as many as an entry has room for.
    #[must_use]
    pub fn recorded_signers(&self) -> Vec<String> {
        let signers = self.members().flat_map(|member| &member.origin.signers);
        recorded(signers.map(|signer| signer.recorded(ROOM)))
    }

    /// The digests of the manifests of the artifacts that the policies came from: likewise.
    #[must_use]
    pub fn recorded_manifests(&self) -> Vec<String> {
        recorded(
            self.members().filter_map(|member| member.origin.manifest).map(|manifest| manifest.to_string()),
        )
    }

    /// The same panel with other settings in addition, which are addressed as [`address`] describes.
    #[must_use]
    pub fn with_settings(mut self, given: &BTreeMap<String, String>) -> Self {
        let names: Vec<PolicyName> = self.members().map(|member| member.name.clone()).collect();
        for (key, value) in given {
            let (index, key) = address(&names, key);
            let member = match index.and_then(|index| index.checked_sub(1)) {
                Some(other) => self.others.get_mut(other),
                None => Some(&mut self.leader),
            };
            if let Some(member) = member {
                member.settings.insert(key.to_owned(), value.clone());
            }
        }
        self
    }

    /// Checks the settings of all policies against those that they declare.
    pub fn check_settings(&self) -> Result<()> {
        self.members().try_for_each(|member| self.settings(member).map(drop))
    }

    /// The question to a policy of the panel, given the evidence of a request: its own settings, checked and completed, and its
    /// own part.
    pub fn question(&self, member: &Member, evidence: &Input) -> Result<Input> {
        let mut question = put_to(evidence, self.settings(member)?, member.role, self.size());
        // Evidence that was recorded, or written by hand, says itself what was active.
        question.context_mut().panel.active |= self.is_active;
        Ok(question)
    }

    /// The settings of a policy of the panel, checked and completed.
    pub(crate) fn settings(&self, member: &Member) -> Result<BTreeMap<String, String>> {
        let settings = member.policy.descriptor().resolve(&member.settings);
        settings.map_err(|error| self.about(member, error))
    }

    /// Asks all policies about the evidence of a request, side by side, as many at once as the machine has cores and at
    /// least two: their time is limited.
    ///
    /// An error of the leader or of a gate is an error of the whole. That of a monitor is its answer. Settings that do not fit,
    /// also those of a monitor, are an error before any policy is asked.
    pub async fn decide(&self, evidence: &Input) -> Result<PanelDecision> {
        let questions: Vec<Input> =
            self.members().map(|member| self.question(member, evidence)).collect::<Result<_>>()?;
        let settings: Vec<_> = questions.iter().map(|question| question.context().settings.clone()).collect();
        let asked = self.members().map(|member| member.policy.clone()).zip(questions).collect::<Vec<_>>();
        let at_once = available_parallelism().map_or(2, usize::from).max(2);
        let asked = stream::iter(asked).map(|(policy, question)| run_policy(policy, question));
        let decisions: Vec<Result<Decision>> = asked.buffered(at_once).collect().await;
        let mut answers = Vec::with_capacity(decisions.len());
        let mut leader = None;
        for ((member, settings), decision) in self.members().zip(settings).zip(decisions) {
            if member.role == PanelRole::Monitor {
                answers.push(Answer::new(member, settings, decision.as_ref()));
                continue;
            }
            let decision = decision.map_err(|error| self.about(member, error))?;
            answers.push(Answer::new(member, settings, Ok(&decision)));
            leader.get_or_insert(decision);
        }
        let Some(leader) = leader else {
            return Err(Error::new(ErrorKind::Internal, "no policy of the panel leads"));
        };
        Ok(PanelDecision { verdict: together(&leader, &answers), leader, answers })
    }

    /// An error of a policy, with its name in the panel.
    fn about(&self, member: &Member, error: Error) -> Error {
        about(member, error, self.is_alone())
    }
}

fn about(member: &Member, error: Error, is_alone: bool) -> Error {
    if is_alone { error } else { error.with_context("policy of the panel", &member.name) }
}

impl PanelDecision {
    /// The verdict of all as if the leader had given it.
    #[must_use]
    pub fn as_one(&self) -> Decision {
        let mut decision = self.leader.clone();
        decision.verdict.clone_from(&self.verdict);
        decision
    }

    /// The answers if several policies decided; empty for a policy that decided alone.
    #[must_use]
    pub fn into_answers(self) -> Vec<Answer> {
        if self.answers.len() > 1 { self.answers } else { Vec::new() }
    }
}

/// What an entry has room for of some digests and names.
fn recorded(all: impl Iterator<Item = String>) -> Vec<String> {
    let mut room = ROOM;
    let all: BTreeSet<String> = all.collect();
    all.into_iter()
        .take_while(|text| {
            let left = room.checked_sub(text.len());
            room = left.unwrap_or(0);
            left.is_some()
        })
        .collect()
}

/// The question that a policy with this part in a panel is asked, given the evidence of a request or the question to another
/// policy of the panel.
pub(crate) fn put_to(
    evidence: &Input,
    settings: BTreeMap<String, String>,
    role: PanelRole,
    size: usize,
) -> Input {
    let mut question = evidence.clone();
    let context = question.context_mut();
    context.settings = settings;
    context.panel.role = role;
    context.panel.size = u32::try_from(size).unwrap_or(u32::MAX);
    question
}

/// The verdict of all policies together.
fn together(leader: &Decision, answers: &[Answer]) -> Verdict {
    let Some(deciding) = Answer::deciding(answers) else { return leader.verdict.clone() };
    match deciding.verdict_kind() {
        None | Some(VerdictKind::Approve) => leader.verdict.clone(),
        Some(VerdictKind::Reject) => Verdict::reject(deciding.explanation.clone()),
        Some(VerdictKind::Hold) => Verdict::hold(deciding.explanation.clone()),
    }
}

/// The policy of a panel that a key of a setting or a limit is for, and the key that this policy knows. `NAME.KEY` is for the
/// policy of that name, any other key for no policy in particular.
#[must_use]
pub fn address<'k>(names: &[PolicyName], key: &'k str) -> (Option<usize>, &'k str) {
    let addressed = key.split_once('.').filter(|_| names.len() > 1);
    let found = addressed.and_then(|(name, rest)| {
        let index = names.iter().position(|known| known.as_str() == name)?;
        Some((Some(index), rest))
    });
    found.unwrap_or((None, key))
}

/// Checks the names and the parts of the policies of a panel: at most [`MAX_POLICIES`], each name once, the leader first.
pub fn check_parts<'a>(parts: impl IntoIterator<Item = (&'a PolicyName, PanelRole)>) -> Result<()> {
    let mut names = BTreeSet::new();
    for (index, (name, role)) in parts.into_iter().enumerate() {
        if index >= MAX_POLICIES {
            return Err(wrong_size(index + 1));
        }
        if !names.insert(name) {
            return Err(Error::new(ErrorKind::PanelNames, format!("two policies have the name `{name}`"))
                .with_hint("name them: `--policy NAME=FILE`, or `name` in `[[policies]]` of hydra.toml"));
        }
        if (index == 0) != (role == PanelRole::Leader) {
            let message = match role {
                PanelRole::Leader => format!("the policy `{name}` cannot lead because it is not the first"),
                _ => format!("the first policy, `{name}`, is not a leader but a {role}"),
            };
            return Err(Error::new(ErrorKind::PanelRoles, message)
                .with_hint("put the policy whose moves count first, and gates and monitors after it"));
        }
    }
    if names.is_empty() { Err(wrong_size(0)) } else { Ok(()) }
}

fn wrong_size(found: usize) -> Error {
    let message = match found {
        0 => "no policy decides".to_owned(),
        _ => format!("more than {MAX_POLICIES} policies cannot decide together"),
    };
    Error::new(ErrorKind::PanelSize, message)
        .with_hint(format!("configure 1 to {MAX_POLICIES} policies, monitors included"))
}
