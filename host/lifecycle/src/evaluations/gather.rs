//! Which evaluations a decision rests on.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::FutureExt as _;
use futures_util::stream::{self, StreamExt as _};

use super::convert::{self, Subjects};
use super::reading::{describe, read};
use super::reference::references;
use super::{EvaluationFlaw, EvaluationRef, LeftOut};
use crate::evidence::Evidence;
use crate::opening::{PATIENCE, no_answer_in_time};
use crate::transition::{Request, Transitions};
use hydra_base::Sha256;
use hydra_base::error::Result;
use hydra_base::names::DatasetName;
use hydra_base::text::{QUOTED_CHARS, excerpt};
use hydra_evaluation::{Evaluation as Document, LIVE_DATASETS};
use hydra_policy::{Evaluation, Operation, OverrideKind};
use tokio::time::timeout;

/// The most datasets whose evaluations are read for a decision: first those of rows that were set aside, then those of live rows; of each,
/// first those in which one evaluation measured both versions, then the others, by their names.
pub(super) const MAX_DATASETS: usize = 16;

/// The most bytes of the evaluations that a policy receives, by the measure of its budget: half of what the default budget allows
/// for all evidence. More would stop every decision about the versions that were measured.
const MAX_WEIGHT: u64 = 2 << 20;

/// How many documents are read side by side.
const AT_ONCE: usize = 4;

/// The most bytes of all documents of a decision.
const MAX_TOTAL_BYTES: u64 = 24 << 20;

/// The evaluations of a decision.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gathered {
    /// What the policy receives, by the name of the dataset.
    pub(crate) evaluations: Vec<Evaluation>,
    /// What it does not receive, by the name of the dataset.
    pub(crate) left_out: Vec<LeftOut>,
}

/// The documents that were found for a decision.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    found: Vec<Found>,
    left_out: Vec<LeftOut>,
}

#[derive(Debug)]
struct Found {
    document: Document,
    sha256: Sha256,
    first_hand: bool,
}

impl Transitions<'_> {
    /// The documents to which the tags of the target and of the champion refer, and those that the request brings. Those that
    /// were read before come from the cache, all others from the store, side by side.
    ///
    /// A promotion fails if the same request may succeed later: it must not be decided on less evidence because of an outage.
    /// A request that sets aside that the model cannot be loaded is an emergency, and goes on without what cannot be read.
    pub(crate) async fn read_evaluations(&self, request: &Request, evidence: &Evidence) -> Result<Documents> {
        let Some(target) = evidence.target.as_ref() else { return Ok(Documents::default()) };
        if evidence.champion.as_ref().is_some_and(|champion| champion.version == target.version) {
            // Nothing is to be done, and no policy is asked.
            return Ok(Documents::default());
        }
        let mut documents = Documents::default();
        for document in &request.first_hand {
            let sha256 = Sha256::of(&document.to_json()?);
            documents.found.push(Found { document: document.clone(), sha256, first_hand: true });
        }
        let references = documents.references(evidence);
        let is_emergency = request.overrides.contains(&OverrideKind::UnloadableModel);
        let ask = async |(dataset, reference): &(DatasetName, EvaluationRef)| {
            let reading = read(self.backend, self.evaluations(), dataset, reference);
            if !is_emergency {
                return reading.await;
            }
            // An emergency does not wait for a store that does not answer.
            timeout(PATIENCE, reading)
                .await
                .unwrap_or_else(|_| Err((EvaluationFlaw::Unreadable, no_answer_in_time())))
        };
        let reads: Vec<_> = references.iter().map(|named| ask(named).boxed()).collect();
        let mut answers = stream::iter(reads).buffered(AT_ONCE);
        let mut room = MAX_TOTAL_BYTES;
        for (dataset, reference) in &references {
            let Some(answer) = answers.next().await else { break };
            match answer {
                Ok((_, size)) if size > room => {
                    let why = format!("the documents of the decision have more than {MAX_TOTAL_BYTES} bytes");
                    documents.leave_out(
                        dataset.as_str(),
                        Some(reference.sha256),
                        EvaluationFlaw::TooLarge,
                        why,
                    );
                }
                Ok((document, size)) => {
                    room -= size;
                    documents.found.push(Found { document, sha256: reference.sha256, first_hand: false });
                }
                Err((_, error))
                    if error.retryable() && request.operation == Operation::Promote && !is_emergency =>
                {
                    return Err(error.with_context("evaluation", dataset));
                }
                Err((flaw, error)) => {
                    documents.leave_out(dataset.as_str(), Some(reference.sha256), flaw, describe(&error));
                }
            }
        }
        Ok(documents)
    }
}

impl Documents {
    /// What the tags of the target and of the champion refer to, each once.
    fn references(&mut self, evidence: &Evidence) -> Vec<(DatasetName, EvaluationRef)> {
        let mut all: BTreeMap<DatasetName, BTreeSet<EvaluationRef>> = BTreeMap::new();
        let mut of_both = BTreeSet::new();
        for version in [&evidence.target, &evidence.champion].into_iter().flatten() {
            for (dataset, reference) in references(&version.tags) {
                match reference {
                    Ok((name, reference)) => {
                        if !all.entry(name.clone()).or_default().insert(reference) {
                            of_both.insert(name);
                        }
                    }
                    Err(error) => {
                        let why = format!(
                            "the tag of version {} is malformed: {}",
                            version.version,
                            describe(&error)
                        );
                        self.leave_out(
                            excerpt(dataset, QUOTED_CHARS),
                            None,
                            EvaluationFlaw::MalformedTag,
                            why,
                        );
                    }
                }
            }
        }
        let mut all = ranked(all, &of_both);
        for (name, _) in all.iter().skip(MAX_DATASETS) {
            let why = format!("the versions have evaluations on more than {MAX_DATASETS} datasets");
            self.leave_out(name.as_str(), None, EvaluationFlaw::TooMany, why);
        }
        all.truncate(MAX_DATASETS);
        let each = |(name, references): (DatasetName, BTreeSet<_>)| {
            references.into_iter().map(move |one| (name.clone(), one))
        };
        all.into_iter().flat_map(each).collect()
    }

    fn leave_out(
        &mut self,
        dataset: impl Into<String>,
        sha256: Option<Sha256>,
        flaw: EvaluationFlaw,
        why: String,
    ) {
        self.left_out.push(LeftOut { dataset: dataset.into(), sha256, flaw, why });
    }
}

/// The datasets in the order in which they are read. What one version has alone must not displace what compares the two, nor must live
/// rows, of which every process that serves has a dataset, displace those that were set aside.
fn ranked<T>(all: BTreeMap<DatasetName, T>, of_both: &BTreeSet<DatasetName>) -> Vec<(DatasetName, T)> {
    let mut all: Vec<_> = all.into_iter().collect();
    all.sort_by_key(|(name, _)| (name.as_str().starts_with(LIVE_DATASETS), !of_both.contains(name)));
    all
}

/// For each dataset the newest evaluation in which the target was measured, and the champion too if there is one. One that the
/// request brings counts before those that are recorded, because recording it replaces them.
pub(crate) fn select(documents: Documents, evidence: &Evidence) -> Gathered {
    let Some(subjects) = Subjects::of(evidence) else { return Gathered::default() };
    let Documents { found, mut left_out } = documents;
    let mut newest: BTreeMap<String, Evaluation> = BTreeMap::new();
    for Found { document, sha256, first_hand } in found {
        match convert::evaluation(&document, &subjects) {
            Ok(mut evaluation) => {
                evaluation.sha256 = sha256;
                evaluation.first_hand = first_hand;
                let rank = |of: &Evaluation| (of.first_hand, of.measured_at, of.sha256);
                let known = newest.get(&evaluation.dataset);
                if known.is_none_or(|known| rank(known) < rank(&evaluation)) {
                    newest.insert(evaluation.dataset.clone(), evaluation);
                }
            }
            Err((flaw, why)) => {
                let dataset = document.dataset.name.to_string();
                left_out.push(LeftOut { dataset, sha256: Some(sha256), flaw, why });
            }
        }
    }
    leave_out_the_largest(&mut newest, &mut left_out);
    // An older evaluation need not be about the champion of today. A copy of what is used need not be readable.
    left_out.retain(|left_out| {
        let used = newest.get(&left_out.dataset);
        used.is_none_or(|used| {
            !matches!(left_out.flaw, EvaluationFlaw::NotMeasured | EvaluationFlaw::TooMany)
                && left_out.sha256 != Some(used.sha256)
        })
    });
    left_out.sort_by(|a, b| (&a.dataset, a.flaw, a.sha256).cmp(&(&b.dataset, b.flaw, b.sha256)));
    left_out.dedup();
    Gathered { evaluations: newest.into_values().collect(), left_out }
}

/// Leaves out the largest evaluations until the others fit in [`MAX_WEIGHT`].
fn leave_out_the_largest(newest: &mut BTreeMap<String, Evaluation>, left_out: &mut Vec<LeftOut>) {
    let mut total: u64 = newest.values().map(Evaluation::weight).sum();
    while total > MAX_WEIGHT {
        let largest = newest.iter().max_by_key(|(dataset, one)| (one.weight(), *dataset));
        let Some(dataset) = largest.map(|(dataset, _)| dataset.clone()) else { return };
        let Some(largest) = newest.remove(&dataset) else { return };
        let weight = largest.weight();
        total -= weight;
        left_out.push(LeftOut {
            dataset: largest.dataset,
            sha256: Some(largest.sha256),
            flaw: EvaluationFlaw::TooLarge,
            why: format!(
                "it takes {weight} bytes of evidence, and the evaluations of a decision at most {MAX_WEIGHT} together; measure \
                 fewer metrics or segments"
            ),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydra_policy::Segment;

    #[test]
    fn live_rows_come_after_those_that_were_set_aside() {
        let name = |name: &str| DatasetName::new(name).expect("a name");
        let all = ["april", "june", "shadow-a", "shadow-b", "test"].map(|text| (name(text), ()));
        let of_both = ["test", "shadow-b", "april"].map(name).into();
        let order: Vec<String> =
            ranked(all.into(), &of_both).into_iter().map(|(name, ())| name.to_string()).collect();
        assert_eq!(order, ["april", "test", "june", "shadow-b", "shadow-a"]);
    }

    #[test]
    fn the_largest_evaluations_are_left_out_until_the_others_fit() {
        let evaluation = |name: &str, segments: usize| {
            let mut one = Evaluation::new(name, "1f2e", 1, 1, Sha256::of(name.as_bytes()));
            one.segments = vec![Segment::new("region", Some("x".repeat(200)), 1); segments];
            (name.to_owned(), one)
        };
        let of = |all: &[(&str, usize)]| -> (Vec<String>, Vec<LeftOut>) {
            let mut newest = all.iter().map(|(name, segments)| evaluation(name, *segments)).collect();
            let mut left_out = Vec::new();
            leave_out_the_largest(&mut newest, &mut left_out);
            (newest.into_keys().collect(), left_out)
        };
        let small: Vec<String> = (0..16).map(|index| format!("e{index:02}")).collect();
        let many: Vec<(&str, usize)> = small.iter().map(|name| (name.as_str(), 100)).collect();
        assert_eq!(of(&many), (small.clone(), Vec::new()), "evaluations of a usual size");

        let (used, left_out) = of(&[("april", 6_000), ("june", 100), ("may", 7_000)]);
        assert_eq!(used, ["april", "june"]);
        let [left_out] = &left_out[..] else { panic!("{left_out:?}") };
        assert_eq!((left_out.dataset.as_str(), left_out.flaw), ("may", EvaluationFlaw::TooLarge));
        assert_eq!(left_out.sha256, Some(Sha256::of(b"may")));
        assert!(left_out.why.contains("at most 2097152 together"), "{}", left_out.why);
        // One alone can be too large.
        assert_eq!(of(&[("may", 20_000), ("june", 1)]).0, ["june"]);
    }
}
