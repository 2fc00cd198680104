//! Which single change of the evidence flips a verdict, and where.
//!
//! The search knows nothing about the policy: it changes one thing after the other, with what has to move along, and asks. Along
//! a number it first tries values near and far, and then bisects between two that have different verdicts.

mod ask;
mod change;
mod figures;
mod flip;
mod policy_side;
mod scale;
mod search;
mod times;

use std::thread;
use std::time::{Duration, Instant};

use ask::{Asker, Question};
use change::Change;
use hydra_base::error::{Error, Result};
use hydra_policy::{Input, Setting, Verdict};
use search::MOST_STEPS;

pub use change::{ChangeKind, Moved};
pub use flip::{Flip, Relation};

/// How much a search may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// The most decisions.
    pub decisions: u32,
    /// The time after which no further decision begins.
    pub time: Duration,
    /// The number of decisions at once.
    pub threads: usize,
}

impl Default for Effort {
    /// 20,000 decisions in at most a minute, on every processor.
    fn default() -> Self {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        Self { decisions: 20_000, time: Duration::from_mins(1), threads }
    }
}

/// The result of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WhatIf {
    /// The verdict on the evidence as it is.
    pub verdict: Verdict,
    /// The changes that flip it, approvals and settings first, then times, metrics and what evaluations measured.
    pub flips: Vec<Flip>,
    /// The number of changes that were tried.
    pub tried: usize,
    /// The number of changes that were not tried for lack of decisions or time.
    pub left_out: usize,
    /// The number of flips that are known less exactly for lack of decisions or time.
    pub inexact: usize,
    /// The number of decisions that the policy was asked.
    pub decisions: u32,
    /// The number of changes with a value on which the policy failed.
    pub failed: usize,
    /// The first of these failures in the order of the changes, for people.
    pub failure: Option<String>,
    /// The time that the search took.
    pub elapsed: Duration,
}

/// Asks `decide` about `input` and about single changes of it, and reports those that flip the verdict.
///
/// `settings` are those that the policy declares; the settings of `input` are in normal form. `progress` is called after each
/// decision, on any thread. An error on the unchanged evidence is the error of the search; one on changed evidence is counted.
/// While the search is within its time, equal arguments give equal flips for any number of threads.
pub fn what_if(
    input: &Input,
    settings: &[Setting],
    effort: Effort,
    decide: &(dyn Fn(&Input) -> Result<Verdict> + Sync),
    progress: &(dyn Fn() + Sync),
) -> Result<WhatIf> {
    let started = Instant::now();
    let asker = Asker::new(input, decide, progress, effort);
    let verdict = asker.present()?;
    let changes = changes(input, settings);
    let questions: Vec<Vec<Question<'_>>> = changes.iter().map(Change::questions).collect();

    // Which changes are tried, and which flips are bisected, must not depend on the speed of the threads. A fourth of the
    // decisions is for the bisections.
    let most = usize::try_from(effort.decisions.saturating_sub(1)).unwrap_or(usize::MAX);
    let questions = affordable(&questions, most - most / 4);
    let flat = questions.concat();
    let answers = asker.all(&flat, |question| asker.ask(*question));

    let mut found = Vec::new();
    let (mut tried, mut failed, mut failure) = (0, 0, None::<String>);
    let mut rest = answers.as_slice();
    for (change, questions) in changes.iter().zip(questions) {
        let (answers, others) = rest.split_at(questions.len());
        rest = others;
        tried += usize::from(answers.iter().all(Option::is_some));
        if let Some(error) = answers.iter().flatten().find_map(|answer| answer.as_ref().err()) {
            failed += 1;
            failure.get_or_insert_with(|| Error::to_string(error));
        }
        found.extend(change.found(verdict.kind(), questions, answers));
    }

    let bisected = most.saturating_sub(flat.len()) / MOST_STEPS;
    let found: Vec<_> = found.into_iter().enumerate().collect();
    let flips = asker.all(&found, |(index, found)| found.sharpen(&asker, *index < bisected));
    let inexact = flips.iter().filter(|(_, exact)| !exact).count();
    Ok(WhatIf {
        verdict,
        flips: flips.into_iter().map(|(flip, _)| flip).collect(),
        tried,
        left_out: changes.len() - tried,
        inexact,
        decisions: asker.asked(),
        failed,
        failure,
        elapsed: started.elapsed(),
    })
}

/// Every change that can be tried, in the order of the report: what takes few decisions and what people decide comes first, the
/// many segments of evaluations last.
fn changes(input: &Input, settings: &[Setting]) -> Vec<Change> {
    let mut changes = policy_side::approvals(input);
    changes.extend(policy_side::settings(input, settings));
    changes.extend(times::times(input));
    changes.extend(figures::metrics(input));
    changes.extend(figures::about_all_rows(input));
    changes.extend(figures::about_segments(input));
    changes.retain(|change| !change.questions().is_empty());
    changes
}

/// The first changes, by their questions, that together ask at most `most`.
fn affordable<'a, 'b>(questions: &'a [Vec<Question<'b>>], most: usize) -> &'a [Vec<Question<'b>>] {
    let mut sum = 0_usize;
    let count = questions
        .iter()
        .take_while(|questions| {
            sum = sum.saturating_add(questions.len());
            sum <= most
        })
        .count();
    &questions[..count]
}

#[cfg(test)]
mod tests;
