//! The policies of a panel whose answers count, to be asked about many variants of one request.

use std::collections::BTreeMap;

use super::answer::severity;
use super::{Member, Panel, about, address, put_to};
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::PolicyName;
use hydra_policy::{Input, PanelRole, Setting, Verdict, VerdictKind};

/// The leader and the gates of a panel, each with its own settings, limits and part.
///
/// In the evidence that they are asked about, the settings of all of them stand together: those of several policies with keys
/// `NAME.KEY`, those of a single one with its own keys.
#[derive(Debug, Clone)]
pub struct Counted {
    members: Vec<Member>,
    names: Vec<PolicyName>,
    size: usize,
    is_active: bool,
}

impl Counted {
    /// Those of `panel`.
    #[must_use]
    pub fn of(panel: &Panel) -> Self {
        let counts = |member: &&Member| member.role != PanelRole::Monitor;
        let members: Vec<Member> = panel.members().filter(counts).cloned().collect();
        let names = members.iter().map(|member| member.name.clone()).collect();
        Self { members, names, size: panel.size(), is_active: panel.is_active() }
    }

    /// The number of policies.
    #[must_use]
    pub fn count(&self) -> usize {
        self.members.len()
    }

    /// The settings that the policies declare.
    #[must_use]
    pub fn declared(&self) -> Vec<Setting> {
        let all = self.members.iter().flat_map(|member| {
            let declared = member.policy.descriptor().settings.iter().cloned();
            declared.map(|mut setting| {
                setting.key = self.key(member, &setting.key);
                setting
            })
        });
        all.collect()
    }

    /// The evidence of a request with the settings of the policies, checked and completed.
    pub fn evidence(&self, mut input: Input) -> Result<Input> {
        let mut settings = BTreeMap::new();
        for member in &self.members {
            let resolved = member.policy.descriptor().resolve(&member.settings);
            let resolved = resolved.map_err(|error| self.about(member, error))?;
            settings.extend(resolved.into_iter().map(|(key, value)| (self.key(member, &key), value)));
        }
        let context = input.context_mut();
        context.settings = settings;
        context.panel.active |= self.is_active;
        Ok(input)
    }

    /// The verdict of all of them about such evidence: that of the leader, if all approve, else the strictest. Of several, the
    /// explanation begins with the name of the policy that gave it. Each policy is asked, also after another one failed.
    pub fn decide(&self, evidence: &Input) -> Result<Verdict> {
        let answers: Vec<Result<Verdict>> = self
            .members
            .iter()
            .enumerate()
            .map(|(index, member)| {
                let decision = member.policy.decide(&self.question(index, member, evidence));
                decision.map(|decision| decision.verdict).map_err(|error| self.about(member, error))
            })
            .collect();
        let verdicts: Vec<Verdict> = answers.into_iter().collect::<Result<_>>()?;
        let answered = self.members.iter().zip(verdicts);
        // Of several equal ones, `min_by_key` returns the first.
        let deciding = answered.min_by_key(|(_, verdict)| severity(verdict.kind().into()));
        let Some((member, verdict)) = deciding else {
            return Err(Error::new(ErrorKind::Internal, "no policy of the panel leads"));
        };
        Ok(self.in_the_name_of(member, verdict))
    }

    fn in_the_name_of(&self, member: &Member, verdict: Verdict) -> Verdict {
        if self.members.len() == 1 {
            return verdict;
        }
        let explanation = format!("{}: {}", member.name, verdict.explanation());
        match verdict.kind() {
            VerdictKind::Approve => Verdict::approve(verdict.moves().to_vec(), explanation),
            VerdictKind::Reject => Verdict::reject(explanation),
            VerdictKind::Hold => Verdict::hold(explanation),
        }
    }

    /// The question to one of the policies. A policy that is alone has the part that the evidence says.
    fn question(&self, index: usize, member: &Member, evidence: &Input) -> Input {
        if self.size == 1 {
            return evidence.clone();
        }
        let all = evidence.context().settings.iter();
        let own = all.filter_map(|(key, value)| {
            let (of, key) = address(&self.names, key);
            (of.unwrap_or(0) == index).then(|| (key.to_owned(), value.clone()))
        });
        put_to(evidence, own.collect(), member.role, self.size)
    }

    /// The key of a setting in the evidence.
    fn key(&self, member: &Member, key: &str) -> String {
        if self.members.len() == 1 { key.to_owned() } else { format!("{}.{key}", member.name) }
    }

    fn about(&self, member: &Member, error: Error) -> Error {
        about(member, error, self.members.len() == 1)
    }
}
