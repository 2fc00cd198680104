//! What a decision rested on: target and champion side by side, and the policies with their settings and answers.

use std::collections::BTreeMap;

use hydra_lifecycle::ledger::chain::Record;
use hydra_lifecycle::ledger::decision::DecisionDocument;
use hydra_lifecycle::ledger::entry::{Decided, PanelVerdict};
use hydra_lifecycle::panel::Answer;
use hydra_policy::{
    Budget, Input, ModelFacts, ModelState, ModelVersion, PanelRole, RunData, TargetOrigin, Usage, VerdictKind,
};

use crate::line::verdict_text;
use crate::measured::{Measured, measured};
use crate::text::{Digits, LONG, Shown, grouped, time};

/// What a row, a policy or a table costs in bytes of HTML beside its texts.
const MARKUP: usize = 70;

/// Room for the evidence of one decision, in bytes of HTML.
#[derive(Debug)]
pub(crate) struct Room {
    left: usize,
    /// What found no room.
    pub missing: usize,
}

impl Room {
    /// That many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        Self { left: bytes, missing: 0 }
    }

    /// `row`, if there is room for it.
    pub(crate) fn take<T>(&mut self, row: T, bytes: usize) -> Option<T> {
        match self.left.checked_sub(bytes + MARKUP) {
            Some(left) => {
                self.left = left;
                Some(row)
            }
            None => {
                self.missing += 1;
                None
            }
        }
    }
}

/// Texts of target and champion side by side.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    /// What is compared.
    pub name: Shown,
    /// The target's.
    pub target: Shown,
    /// The champion's.
    pub champion: Shown,
    /// The target's minus the champion's.
    pub difference: String,
    /// Whether they differ.
    pub differs: bool,
}

/// A policy with its settings and its answer.
#[derive(Debug, Clone)]
pub(crate) struct PolicyView {
    /// Its name in the panel; none if it decided alone.
    pub name: Option<Shown>,
    /// Its part.
    pub role: &'static str,
    /// Its name, version and digest.
    pub identity: Shown,
    /// What it said.
    pub verdict: &'static str,
    /// The class of the verdict's colour.
    pub class: &'static str,
    /// Why.
    pub explanation: Shown,
    /// Its settings.
    pub settings: Vec<(Shown, Shown)>,
    /// What it used of its budget; none if it failed.
    pub used: Option<String>,
}

/// What a decision rested on.
#[derive(Debug, Clone)]
pub(crate) struct Evidence {
    /// The target, such as `v15`.
    pub target: String,
    /// The champion of that time.
    pub champion: String,
    /// Where the target comes from.
    pub origin: Option<&'static str>,
    /// The metrics of the runs.
    pub metrics: Vec<Pair>,
    /// What was measured on the same rows.
    pub evaluations: Vec<Measured>,
    /// The facts of the models.
    pub facts: Vec<Pair>,
    /// The params of the runs that differ.
    pub params: Vec<Pair>,
    /// The approvals of the target that counted.
    pub approvals: Vec<Shown>,
    /// The evaluations that the host left out, with the reason.
    pub left_out: Vec<Shown>,
    /// What users of the champion notice.
    pub changes: String,
    /// The policies, the leader first.
    pub policies: Vec<PolicyView>,
    /// The number of rows that found no room.
    pub missing: usize,
}

impl Evidence {
    /// The evidence of a decision, in about `room` bytes of HTML. `answers` is the document of a panel's decision.
    pub(crate) fn of(
        record: &Record,
        decided: &Decided,
        input: &Input,
        answers: Option<&DecisionDocument>,
        room: usize,
    ) -> Self {
        let mut room = Room::new(room);
        let context = input.context();
        let target = input.target().or(match input {
            // A rollback without a target is about the version that it went to.
            Input::Rollback { .. } => context.archived.as_ref(),
            _ => None,
        });
        let champion = context.champion.as_ref();
        let policies = match answers {
            Some(document) => document.policies.iter().filter_map(|one| of_panel(one, &mut room)).collect(),
            None => vec![alone(record, decided, &context.settings, &mut room)],
        };
        let versions: Vec<_> = target.iter().chain(&champion).map(|version| version.version).collect();
        let metrics = metrics(target, champion, &mut room);
        let evaluations = context
            .evaluations
            .iter()
            .filter_map(|evaluation| {
                let found = measured(evaluation, &versions, &mut room);
                (!found.rows.is_empty() || !found.agreements.is_empty()).then_some(found)
            })
            .collect();
        let mut evidence = Self {
            target: named(target),
            champion: named(champion),
            origin: context.target_origin.and_then(origin),
            metrics,
            evaluations,
            facts: facts(target, champion, &mut room),
            params: params(target, champion, &mut room),
            approvals: approvals(target, &mut room),
            left_out: left_out(decided, &mut room),
            changes: decided.changes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            policies,
            missing: 0,
        };
        evidence.missing = room.missing;
        evidence
    }

    /// What a refusal or a hold lacked: the explanations of the policies that did not approve and count.
    pub(crate) fn lacked(&self) -> impl Iterator<Item = &PolicyView> {
        self.policies
            .iter()
            .filter(|policy| policy.role != "monitor" && matches!(policy.class, "no" | "wait"))
    }
}

fn named(version: Option<&ModelVersion>) -> String {
    version.map_or_else(|| "none".to_owned(), |version| format!("v{}", version.version))
}

fn origin(origin: TargetOrigin) -> Option<&'static str> {
    match origin {
        TargetOrigin::Request => Some("named by the request"),
        TargetOrigin::Candidate => Some("the candidate"),
        TargetOrigin::Ledger => Some("the champion before the one that was set outside"),
        _ => None,
    }
}

/// A policy that decided alone.
fn alone(
    record: &Record,
    decided: &Decided,
    settings: &BTreeMap<String, String>,
    room: &mut Room,
) -> PolicyView {
    PolicyView {
        name: None,
        role: "",
        identity: Shown::short(decided.policy.to_string()),
        verdict: verdict_text(Some(decided.verdict)),
        class: class_of(Some(decided.verdict)),
        explanation: Shown::block(&record.entry.explanation, LONG),
        settings: settings_of(settings, room),
        used: Some(used(&decided.usage, &decided.budget)),
    }
}

fn of_panel(answer: &Answer, room: &mut Room) -> Option<PolicyView> {
    let explanation = Shown::block(&answer.explanation, LONG);
    let bytes = explanation.bytes();
    let view = PolicyView {
        name: Some(Shown::short(answer.name.as_str())),
        role: match answer.mode {
            PanelRole::Leader => "leader",
            PanelRole::Gate => "gate",
            PanelRole::Monitor => "monitor",
        },
        identity: Shown::short(answer.policy.to_string()),
        verdict: match answer.verdict {
            PanelVerdict::Error => "failed",
            verdict => verdict_text(verdict.kind()),
        },
        class: class_of(answer.verdict_kind()),
        explanation,
        settings: Vec::new(),
        used: answer.usage.as_ref().map(|usage| used(usage, &answer.budget)),
    };
    let mut view = room.take(view, bytes)?;
    view.settings = settings_of(&answer.settings, room);
    Some(view)
}

fn class_of(verdict: Option<VerdictKind>) -> &'static str {
    match verdict {
        Some(VerdictKind::Approve) => "yes",
        Some(VerdictKind::Reject) => "no",
        Some(VerdictKind::Hold) => "wait",
        None => "stop",
    }
}

fn settings_of(settings: &BTreeMap<String, String>, room: &mut Room) -> Vec<(Shown, Shown)> {
    let shown = settings.iter().map(|(key, value)| (Shown::short(key), Shown::short(value)));
    shown
        .filter_map(|(key, value)| {
            let bytes = key.bytes() + value.bytes();
            room.take((key, value), bytes)
        })
        .collect()
}

fn used(usage: &Usage, budget: &Budget) -> String {
    format!(
        "{} of {} fuel, {} ms, {} KiB of memory",
        grouped(usage.fuel),
        grouped(budget.fuel),
        usage.elapsed.as_millis(),
        grouped(usage.memory.div_ceil(1024))
    )
}

fn run(version: Option<&ModelVersion>) -> Option<&RunData> {
    version.and_then(|version| version.run.as_ref())
}

/// The metrics of both runs, each with the difference.
fn metrics(target: Option<&ModelVersion>, champion: Option<&ModelVersion>, room: &mut Room) -> Vec<Pair> {
    let empty = BTreeMap::new();
    let of = |version| run(version).map_or(&empty, |run| &run.metrics);
    let (ours, theirs) = (of(target), of(champion));
    let names = keys(ours, theirs);
    let rows = names.into_iter().map(|name| {
        let (ours, theirs) = (ours.get(name).copied(), theirs.get(name).copied());
        let digits = Digits::for_all(ours.into_iter().chain(theirs));
        let text = |figure: Option<f64>| figure.map_or_else(|| "–".to_owned(), |figure| digits.write(figure));
        let both = ours.zip(theirs).map(|(ours, theirs)| ours - theirs);
        Pair {
            name: Shown::short(name),
            target: Shown::short(text(ours)),
            champion: Shown::short(text(theirs)),
            difference: both.map(|difference| digits.write_signed(difference)).unwrap_or_default(),
            differs: both != Some(0.0),
        }
    });
    rows.filter_map(|row| take(room, row)).collect()
}

/// The keys of both maps, each once, in their order.
fn keys<'a, V>(one: &'a BTreeMap<String, V>, other: &'a BTreeMap<String, V>) -> Vec<&'a String> {
    let mut names: Vec<_> = one.keys().chain(other.keys().filter(|key| !one.contains_key(*key))).collect();
    names.sort();
    names
}

fn take(room: &mut Room, row: Pair) -> Option<Pair> {
    let bytes = row.name.bytes() + row.target.bytes() + row.champion.bytes();
    room.take(row, bytes)
}

/// The params that differ, or that only one run has. With one run only, all of its params.
fn params(target: Option<&ModelVersion>, champion: Option<&ModelVersion>, room: &mut Room) -> Vec<Pair> {
    let empty = BTreeMap::new();
    let of = |version| run(version).map_or(&empty, |run| &run.params);
    let (ours, theirs) = (of(target), of(champion));
    let rows = keys(ours, theirs)
        .into_iter()
        .filter(|name| ours.get(*name) != theirs.get(*name))
        .map(|name| pair(name, ours.get(name).cloned(), theirs.get(name).cloned()));
    rows.filter_map(|row| take(room, row)).collect()
}

fn pair(name: &str, target: Option<String>, champion: Option<String>) -> Pair {
    let differs = target != champion;
    let text = |text: Option<String>| text.map_or_else(|| Shown::short("–"), Shown::short);
    Pair {
        name: Shown::short(name),
        target: text(target),
        champion: text(champion),
        difference: String::new(),
        differs,
    }
}

/// The facts of both models: those that differ, and a few that people look for.
fn facts(target: Option<&ModelVersion>, champion: Option<&ModelVersion>, room: &mut Room) -> Vec<Pair> {
    type Fact = (&'static str, fn(&ModelFacts) -> String);
    const FACTS: [Fact; 7] = [
        ("objective", |facts| facts.objective.clone()),
        ("output", |facts| facts.output.to_string()),
        ("classes", |facts| facts.classes.join(", ")),
        ("features", |facts| facts.feature_count.to_string()),
        ("iterations", |facts| facts.iterations.to_string()),
        ("bytes", |facts| facts.size.to_string()),
        ("sha256", |facts| facts.sha256.to_string()[..12].to_owned()),
    ];
    let state = |version: Option<&ModelVersion>| {
        version.map(|version| match &version.model {
            ModelState::Unloadable { why } => format!("cannot be loaded: {why}"),
            ModelState::Loadable(_) => "loadable".to_owned(),
            _ => "not opened".to_owned(),
        })
    };
    let found = |version: Option<&ModelVersion>| version.and_then(|version| version.model.facts().cloned());
    let (ours, theirs) = (found(target), found(champion));
    let created = |version: Option<&ModelVersion>| {
        version.map(|version| time(i64::try_from(version.created_at).unwrap_or(i64::MAX)))
    };
    let mut rows = vec![pair("registered", created(target), created(champion))];
    if ours.is_none() || theirs.is_none() {
        rows.push(pair("model", state(target), state(champion)));
    }
    rows.extend(FACTS.iter().filter_map(|(name, read)| {
        let row = pair(name, ours.as_ref().map(read), theirs.as_ref().map(read));
        let is_empty = [&ours, &theirs].into_iter().flatten().all(|facts| read(facts).is_empty());
        (!is_empty).then_some(row)
    }));
    rows.into_iter().filter_map(|row| take(room, row)).collect()
}

fn approvals(target: Option<&ModelVersion>, room: &mut Room) -> Vec<Shown> {
    let approvals = target.map(|target| target.approvals.as_slice()).unwrap_or_default();
    let rows = approvals.iter().map(|approval| {
        let own = if approval.own { ", who also logged the version" } else { "" };
        let reason = approval.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
        let at = time(i64::try_from(approval.at).unwrap_or(i64::MAX));
        Shown::line(format!("{} at {at}{own}{reason}", approval.actor), 300)
    });
    rows.filter_map(|row| {
        let bytes = row.bytes();
        room.take(row, bytes)
    })
    .collect()
}

fn left_out(decided: &Decided, room: &mut Room) -> Vec<Shown> {
    let notes = decided.evaluations.iter().filter_map(|note| {
        let flaw = note.flaw?;
        Some(Shown::line(format!("{}: {flaw}", note.dataset), 300))
    });
    notes
        .filter_map(|row| {
            let bytes = row.bytes();
            room.take(row, bytes)
        })
        .collect()
}
