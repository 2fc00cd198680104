//! Which evaluations a decision rests on.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;

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
use hydra_evaluation::Evaluation as Document;
use hydra_policy::{Evaluation, Operation, OverrideKind};
use tokio::time::timeout;

/// The most datasets whose evaluations are read for a decision: first those in which one evaluation measured both versions, then
/// the others, each by their names.
pub(super) const MAX_DATASETS: usize = 16;

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
        let answers = join_all(references.iter().map(async |(dataset, reference)| {
            let reading = read(self.backend, self.evaluations(), dataset, reference);
            if !is_emergency {
                return reading.await;
            }
            // An emergency does not wait for a store that does not answer.
            timeout(PATIENCE, reading)
                .await
                .unwrap_or_else(|_| Err((EvaluationFlaw::Unreadable, no_answer_in_time())))
        }));
        for ((dataset, reference), answer) in references.iter().zip(answers.await) {
            match answer {
                Ok(document) => {
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
        // What one version has alone must not displace what compares the two.
        let (both, alone): (Vec<_>, Vec<_>) = all.into_iter().partition(|(name, _)| of_both.contains(name));
        let mut all = [both, alone].concat();
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
