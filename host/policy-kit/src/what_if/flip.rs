//! Changes that flip a verdict: found among the values that were tried, then sharpened.

use serde::Serialize;

use super::ask::{Answer, Asker, Question};
use super::change::{Change, ChangeKind, Choice, Moved, Range, Values};
use super::search::{Bracket, brackets, narrow};
use hydra_policy::{Verdict, VerdictKind};

/// The most flips that are reported of a change to single values, such as another time zone.
const MOST_CHOICES: usize = 3;

/// A single change that flips the verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Flip {
    /// What kind of change it is.
    pub kind: ChangeKind,
    /// What changes.
    pub what: String,
    /// The present value; none for what is absent.
    pub from: Option<String>,
    /// Which values flip the verdict.
    pub relation: Relation,
    /// The value nearest to the present one that flips the verdict.
    pub to: String,
    /// The nearest value beyond `to`, of those tried, that does not flip it.
    pub until: Option<String>,
    /// The verdict at `to`.
    pub verdict: VerdictKind,
    /// The policy's explanation at `to`.
    pub explanation: String,
    /// What else moves, so that the evidence stays consistent.
    pub moves: Vec<Moved>,
}

/// How the values that flip a verdict lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relation {
    /// This value and greater ones.
    AtLeast,
    /// This value and smaller ones.
    AtMost,
    /// This value.
    Exactly,
    /// Every value that was tried, such as this one.
    Any,
}

/// A flip before the bisection.
pub(super) struct Found<'a> {
    change: &'a Change,
    place: Place<'a>,
    explanation: String,
}

enum Place<'a> {
    Between(&'a Range, Bracket),
    Choice(&'a Choice, VerdictKind),
}

impl Change {
    /// What the policy is asked first about this change.
    pub(super) fn questions(&self) -> Vec<Question<'_>> {
        match &self.values {
            Values::Choices(choices) => choices.iter().map(Question::Choice).collect(),
            Values::Range(range) => {
                let probes = range.scale.probes(range.base, range.low, range.high, &range.landmarks);
                probes.into_iter().map(|value| Question::Number(range, value)).collect()
            }
        }
    }

    /// The flips among the answers to these questions. `present` is the verdict on the evidence as it is.
    pub(super) fn found<'a>(
        &'a self,
        present: VerdictKind,
        questions: &[Question<'a>],
        answers: &[Answer],
    ) -> Vec<Found<'a>> {
        let verdict = |answer: &'_ Answer| answer.as_ref()?.as_ref().ok().map(Verdict::kind);
        let explanation = |index: usize| {
            let answer = answers.get(index).and_then(|answer| answer.as_ref()?.as_ref().ok());
            answer.map(|verdict| verdict.explanation().to_owned()).unwrap_or_default()
        };
        let values: Vec<f64> = questions
            .iter()
            .filter_map(
                |question| if let Question::Number(_, value) = question { Some(*value) } else { None },
            )
            .collect();
        match &self.values {
            Values::Range(range) => {
                let tried: Vec<_> = values.iter().copied().zip(answers.iter().map(verdict)).collect();
                let found = brackets(present, range.base, &tried).into_iter().map(|bracket| {
                    let index = values.iter().position(|value| value.total_cmp(&bracket.far).is_eq());
                    let explanation = index.map(explanation).unwrap_or_default();
                    Found { change: self, place: Place::Between(range, bracket), explanation }
                });
                found.collect()
            }
            Values::Choices(choices) => {
                let answered = choices.iter().zip(answers).enumerate();
                let found = answered.filter_map(|(index, (choice, answer))| {
                    let kind = verdict(answer).filter(|kind| *kind != present)?;
                    let place = Place::Choice(choice, kind);
                    Some(Found { change: self, place, explanation: explanation(index) })
                });
                found.take(MOST_CHOICES).collect()
            }
        }
    }
}

impl Found<'_> {
    /// The flip, and whether it is known exactly: by a bisection if `exactly`, which may end early for lack of time.
    pub(super) fn sharpen(&self, asker: &Asker<'_>, exactly: bool) -> (Flip, bool) {
        let Change { kind, what, from, .. } = self.change;
        let mut explanation = self.explanation.clone();
        let mut exact = true;
        let (question, relation, to, until, verdict) = match &self.place {
            Place::Choice(choice, verdict) => {
                (Question::Choice(choice), Relation::Exactly, choice.to.clone(), None, *verdict)
            }
            Place::Between(range, bracket) => {
                let to = narrow(range.scale, range.base, *bracket, |value| {
                    let answer = exactly.then(|| asker.ask(Question::Number(range, value))).flatten();
                    let Some(answer) = answer else {
                        exact = false;
                        return None;
                    };
                    let flipped = answer.ok().filter(|verdict| verdict.kind() == bracket.verdict);
                    if let Some(verdict) = &flipped {
                        verdict.explanation().clone_into(&mut explanation);
                    }
                    Some(flipped.is_some())
                });
                let relation = match bracket.near {
                    Some(near) if near < to => Relation::AtLeast,
                    Some(_) => Relation::AtMost,
                    None => Relation::Any,
                };
                let until = bracket.until.map(|value| range.scale.show(value));
                (Question::Number(range, to), relation, range.scale.show(to), until, bracket.verdict)
            }
        };
        let moves = asker.moves(question);
        let (kind, what, from) = (*kind, what.clone(), from.clone());
        (Flip { kind, what, from, relation, to, until, verdict, explanation, moves }, exact)
    }
}
