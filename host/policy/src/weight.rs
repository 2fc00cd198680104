//! The size of the evidence that a guest receives: all text, 16 bytes for each list item, and 64 for each figure of an
//! evaluation. Each version of the contract counts only what it passes.

use std::collections::BTreeMap;

use super::input::Input;
use super::types::{
    Agreement, ApprovalRecord, Context, Evaluation, MeasuredMetric, ModelFacts, ModelState, ModelVersion,
    QuarantineRecord, Segment, SignatureColumn, Signer, Transition,
};

/// Bytes that a list item counts in addition to its text.
const ITEM: u64 = 16;
/// Bytes that a measurement, a comparison or an agreement counts.
const FIGURE: u64 = 64;
/// The bytes of a SHA-256 as text.
const DIGEST: u64 = 64;

impl Input {
    /// The bytes of what version 0.1 of the contract passes.
    pub(super) fn weight_in_v0_1(&self) -> u64 {
        self.target().map_or(0, ModelVersion::weight) + self.context().weight()
    }

    /// The bytes of what version 0.2 of the contract passes.
    pub(super) fn weight_in_v0_2(&self) -> u64 {
        self.weight_in_v0_1() + self.target().map_or(0, ModelVersion::added) + self.context().added()
    }
}

impl Input {
    /// The part of the evidence with the most text: what it is, and its bytes.
    pub(super) fn heaviest(&self) -> (String, u64) {
        let context = self.context();
        let versions = self.target().into_iter().chain(&context.champion).chain(&context.archived);
        let of_versions = versions.flat_map(|version| {
            let number = version.version;
            [
                (format!("the run and tags of version {number}"), version.weight()),
                (format!("the approvals of version {number}"), version.approvals_weight()),
                (
                    format!("the model facts of version {number}"),
                    version.added() - version.approvals_weight(),
                ),
            ]
        });
        let of_context = [
            ("the reason", optional(context.reason.as_ref())),
            ("the tags of the registered model", map(&context.model_tags)),
            ("the settings", map(&context.settings)),
            ("the history", context.history.iter().map(|step| step.weight() + step.added()).sum()),
            ("the evaluations", context.evaluations.iter().map(Evaluation::weight).sum()),
            ("the list of versions in quarantine", ITEM * context.quarantined.len() as u64),
        ];
        let parts = of_versions.chain(of_context.map(|(what, bytes)| (what.to_owned(), bytes)));
        parts.max_by_key(|(_, bytes)| *bytes).unwrap_or_default()
    }
}

impl ModelVersion {
    fn weight(&self) -> u64 {
        let aliases: u64 = self.aliases.iter().map(|alias| ITEM + bytes(alias.as_str())).sum();
        let run = self.run.as_ref().map_or(0, |run| {
            let metrics: u64 = run.metrics.keys().map(|key| ITEM + bytes(key)).sum();
            metrics + map(&run.params) + map(&run.tags)
        });
        aliases + run + map(&self.tags) + optional(self.run_id.as_ref())
    }

    /// What version 0.2 added.
    fn added(&self) -> u64 {
        let model = match &self.model {
            ModelState::Loadable(facts) => facts.weight(),
            ModelState::Unloadable { why } => bytes(why),
            ModelState::Unopened => 0,
        };
        model + self.approvals_weight() + self.quarantine.as_ref().map_or(0, QuarantineRecord::weight)
    }

    fn approvals_weight(&self) -> u64 {
        self.approvals.iter().map(ApprovalRecord::weight).sum()
    }
}

impl ModelFacts {
    fn weight(&self) -> u64 {
        let signature: u64 = self.signature_inputs.iter().flatten().map(SignatureColumn::weight).sum();
        let signers: u64 = self.signers.iter().map(Signer::weight).sum();
        2 * DIGEST
            + bytes(&self.flavor)
            + bytes(&self.objective)
            + texts(&self.classes)
            + texts(&self.features)
            + texts(&self.categories)
            + signature
            + signers
    }
}

impl SignatureColumn {
    fn weight(&self) -> u64 {
        ITEM + bytes(&self.name) + bytes(&self.kind)
    }
}

impl Signer {
    fn weight(&self) -> u64 {
        ITEM + bytes(&self.identity) + optional(self.issuer.as_ref())
    }
}

impl ApprovalRecord {
    fn weight(&self) -> u64 {
        let by = bytes(&self.actor) + optional(self.user.as_ref());
        ITEM + DIGEST + by + optional(self.reason.as_ref())
    }
}

impl QuarantineRecord {
    fn weight(&self) -> u64 {
        bytes(&self.actor) + optional(self.user.as_ref()) + bytes(&self.reason)
    }
}

impl Context {
    fn weight(&self) -> u64 {
        let versions: u64 = self.champion.iter().chain(&self.archived).map(ModelVersion::weight).sum();
        let history: u64 = self.history.iter().map(Transition::weight).sum();
        bytes(&self.model_name)
            + bytes(&self.actor)
            + optional(self.reason.as_ref())
            + map(&self.settings)
            + versions
            + history
    }

    /// What version 0.2 added.
    fn added(&self) -> u64 {
        let versions: u64 = self.champion.iter().chain(&self.archived).map(ModelVersion::added).sum();
        let history: u64 = self.history.iter().map(Transition::added).sum();
        let aliases: u64 = self.aliases.keys().map(|alias| ITEM + bytes(alias.as_str())).sum();
        let evaluations: u64 = self.evaluations.iter().map(Evaluation::weight).sum();
        map(&self.model_tags)
            + optional(self.user.as_ref())
            + ITEM * self.overrides.len() as u64
            + aliases
            + ITEM * self.quarantined.len() as u64
            + versions
            + history
            + evaluations
    }
}

impl Transition {
    fn weight(&self) -> u64 {
        let moves: u64 = self.moves.iter().map(|step| ITEM + bytes(step.alias.as_str())).sum();
        ITEM + moves + bytes(&self.actor) + optional(self.reason.as_ref()) + bytes(&self.explanation)
    }

    /// What version 0.2 added.
    fn added(&self) -> u64 {
        optional(self.user.as_ref()) + ITEM * self.overrides.len() as u64
    }
}

impl Evaluation {
    /// About the bytes that the budget of a decision counts for it.
    #[must_use]
    pub fn weight(&self) -> u64 {
        let columns = optional(self.label.as_ref()) + optional(self.weight.as_ref());
        let segments: u64 = self.segments.iter().map(Segment::weight).sum();
        let metrics: u64 = self.metrics.iter().map(MeasuredMetric::weight).sum();
        let agreements: u64 = self.agreements.iter().map(Agreement::weight).sum();
        let dataset = bytes(&self.dataset) + bytes(&self.dataset_digest);
        ITEM + DIGEST + dataset + columns + segments + metrics + agreements
    }
}

impl Segment {
    fn weight(&self) -> u64 {
        ITEM + bytes(&self.column) + optional(self.value.as_ref())
    }
}

impl MeasuredMetric {
    fn weight(&self) -> u64 {
        let figures = self.measurements.len() + self.comparisons.len();
        ITEM + bytes(&self.name) + FIGURE * figures as u64
    }
}

impl Agreement {
    fn weight(&self) -> u64 {
        FIGURE + ITEM * self.difference_quantiles.len() as u64
    }
}

fn bytes(text: &str) -> u64 {
    text.len() as u64
}

fn optional(text: Option<&String>) -> u64 {
    text.map_or(0, |text| bytes(text))
}

fn map(map: &BTreeMap<String, String>) -> u64 {
    map.iter().map(|(key, value)| ITEM + bytes(key) + bytes(value)).sum()
}

fn texts<'a>(texts: impl IntoIterator<Item = &'a String>) -> u64 {
    texts.into_iter().map(|text| ITEM + bytes(text)).sum()
}
