//! What was found in the files of versions, as policies and reports see it.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use hydra_base::text::listed;
use hydra_models::facts::{self, Facts};
use hydra_models::preflight::Opened;
use hydra_policy::{Change, ModelFacts, ModelFormat, ModelState, OutputKind, SignatureColumn};

/// What changes for the users of the predictions when another version becomes champion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "lowercase")]
#[non_exhaustive]
pub enum ModelChange {
    /// The meaning of what `predict` answers.
    Output {
        /// What the champion answers.
        from: OutputKind,
        /// What the new champion answers.
        to: OutputKind,
        /// The number of columns of raw scores, if it changes and neither model has classes.
        #[serde(skip_serializing_if = "Option::is_none")]
        outputs: Option<OutputsChange>,
    },
    /// The labels of the classes, their order or their number.
    Classes {
        /// Those of the champion; empty if its file has none.
        from: Vec<String>,
        /// Those of the new champion; empty if its file has none.
        to: Vec<String>,
        /// The number of columns of raw scores, if it changes.
        #[serde(skip_serializing_if = "Option::is_none")]
        outputs: Option<OutputsChange>,
    },
    /// The names of the input columns, their order, their number, or which of them are categories.
    Columns {
        /// The columns that only the new champion has.
        added: Vec<String>,
        /// The columns that only the champion has.
        removed: Vec<String>,
        /// The columns of both that are categories for the new champion alone.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        now_categories: Vec<String>,
        /// The columns of both that are categories for the champion alone.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        now_numbers: Vec<String>,
    },
}

/// A change of the number of columns of raw scores: 1, or one for each class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[expect(clippy::exhaustive_structs, reason = "a change has two sides")]
pub struct OutputsChange {
    /// That of the champion.
    pub from: u32,
    /// That of the new champion.
    pub to: u32,
}

impl ModelChange {
    /// What changes for the users of the predictions if `to` replaces `from`.
    #[must_use]
    pub fn between(from: &ModelFacts, to: &ModelFacts) -> Vec<Self> {
        let only = |these: &[String], those: &[String]| -> Vec<String> {
            let those: BTreeSet<&String> = those.iter().collect();
            these.iter().filter(|name| !those.contains(name)).cloned().collect()
        };
        let [ours, theirs] = [from, to].map(|facts| facts.features.iter().collect::<BTreeSet<&String>>());
        let in_both = |name: &&String| ours.contains(name) && theirs.contains(name);
        let categories_of = |these: &ModelFacts, those: &ModelFacts| -> Vec<String> {
            these.categories.difference(&those.categories).filter(in_both).cloned().collect()
        };
        let are_classes = from.output.is_of_classes() || to.output.is_of_classes();
        let outputs = OutputsChange { from: from.outputs, to: to.outputs };
        let outputs = Some(outputs).filter(|outputs| outputs.from != outputs.to);
        let detailed = |change| match change {
            Change::Output => {
                Self::Output { from: from.output, to: to.output, outputs: outputs.filter(|_| !are_classes) }
            }
            Change::Classes => Self::Classes {
                from: from.classes.clone(),
                to: to.classes.clone(),
                outputs: outputs.filter(|_| are_classes),
            },
            Change::Columns => Self::Columns {
                added: only(&to.features, &from.features),
                removed: only(&from.features, &to.features),
                now_categories: categories_of(to, from),
                now_numbers: categories_of(from, to),
            },
        };
        to.changes_from(from).into_iter().map(detailed).collect()
    }

    /// What changes, without the details.
    #[must_use]
    pub fn kind(&self) -> Change {
        match self {
            Self::Output { .. } => Change::Output,
            Self::Classes { .. } => Change::Classes,
            Self::Columns { .. } => Change::Columns,
        }
    }
}

impl fmt::Display for ModelChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Output { from, to, outputs } => {
                if from != to {
                    write!(f, "`predict` answers {to} instead of {from}")?;
                }
                outputs_change(f, *outputs, from != to)
            }
            Self::Classes { from, to, outputs } => {
                if from != to {
                    write!(f, "the classes change from {} to {}", listed(from), listed(to))?;
                }
                outputs_change(f, *outputs, from != to)
            }
            Self::Columns { added, removed, now_categories, now_numbers } => {
                let mut changes = Vec::new();
                if !added.is_empty() || !removed.is_empty() {
                    changes.push(format!("added {}, removed {}", listed(added), listed(removed)));
                }
                for (names, what) in [(now_categories, "categories"), (now_numbers, "numbers")] {
                    if !names.is_empty() {
                        changes.push(format!("{what} from now on: {}", listed(names)));
                    }
                }
                if changes.is_empty() {
                    return f.write_str("the order of the input columns changes");
                }
                write!(f, "the input columns change: {}", changes.join("; "))
            }
        }
    }
}

/// `and` the number of outputs changes, if it does.
fn outputs_change(f: &mut fmt::Formatter<'_>, outputs: Option<OutputsChange>, and: bool) -> fmt::Result {
    let Some(OutputsChange { from, to }) = outputs else { return Ok(()) };
    let and = if and { ", and " } else { "" };
    write!(f, "{and}the number of outputs changes from {from} to {to}")
}

/// The state of a version's files as a policy sees it.
pub(crate) fn state(opened: Option<&Opened>) -> ModelState {
    match opened {
        Some(Opened::Loadable(facts)) => ModelState::from(of(facts)),
        Some(Opened::Unloadable(why)) => ModelState::Unloadable { why: why.to_string() },
        None => ModelState::Unopened,
    }
}

/// What was found in the files of a model.
pub(crate) fn of(facts: &Facts) -> ModelFacts {
    let format = match facts.format {
        facts::ModelFormat::Text => ModelFormat::Text,
        facts::ModelFormat::Pickle => ModelFormat::Pickle,
        facts::ModelFormat::Skops => ModelFormat::Skops,
    };
    let output = match facts.output {
        facts::OutputKind::Probability => OutputKind::Probability,
        facts::OutputKind::Label => OutputKind::Label,
        facts::OutputKind::Value => OutputKind::Value,
        facts::OutputKind::Scores => OutputKind::Scores,
    };
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let mut described =
        ModelFacts::new(format, facts.sha256, facts.size, output).with_features(facts.features.clone());
    described.flavor.clone_from(&facts.flavor);
    described.objective.clone_from(&facts.objective);
    described.outputs = count(facts.outputs);
    described.classes = ModelFacts::cut_names(facts.classes.iter().cloned());
    described.categories = ModelFacts::cut_names(facts.categories.iter().cloned());
    described.iterations = count(facts.iterations);
    described.signature_inputs = facts.signature_inputs.as_ref().map(|columns| {
        let columns = columns.iter().take(ModelFacts::NAMES).map(|column| {
            SignatureColumn::new(
                column.name.clone().unwrap_or_default(),
                column.kind.clone(),
                column.required,
            )
        });
        columns.collect()
    });
    described
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydra_base::Sha256;

    fn model(outputs: u32, features: &[&str], categories: &[&str]) -> ModelFacts {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut facts = ModelFacts::new(ModelFormat::Text, Sha256::NONE, 1, OutputKind::Probability)
            .with_features(names(features));
        facts.outputs = outputs;
        facts.categories = names(categories).into_iter().collect();
        facts
    }

    #[test]
    fn changes_say_what_changes() {
        let champion = || model(1, &["age", "city"], &["city"]);
        for (new, said, json) in [
            (champion(), vec![], serde_json::json!([])),
            (
                model(3, &["age", "city"], &["city"]),
                vec!["the number of outputs changes from 1 to 3"],
                serde_json::json!([{"change": "classes", "from": [], "to": [], "outputs": {"from": 1, "to": 3}}]),
            ),
            (
                model(1, &["age", "city"], &["age"]),
                vec!["the input columns change: categories from now on: age; numbers from now on: city"],
                serde_json::json!([{"change": "columns", "added": [], "removed": [],
                    "now_categories": ["age"], "now_numbers": ["city"]}]),
            ),
            (
                model(1, &["city", "age"], &["city"]),
                vec!["the order of the input columns changes"],
                serde_json::json!([{"change": "columns", "added": [], "removed": []}]),
            ),
            (
                model(1, &["age", "tier"], &["tier"]),
                vec!["the input columns change: added tier, removed city"],
                serde_json::json!([{"change": "columns", "added": ["tier"], "removed": ["city"]}]),
            ),
        ] {
            let changes = ModelChange::between(&champion(), &new);
            assert_eq!(changes.iter().map(ToString::to_string).collect::<Vec<_>>(), said);
            assert_eq!(serde_json::to_value(&changes).expect("JSON"), json);
        }
        let [mut value, mut values] = [model(1, &[], &[]), model(3, &[], &[])];
        (value.output, values.output) = (OutputKind::Value, OutputKind::Value);
        let changes = ModelChange::between(&value, &values);
        assert_eq!(
            serde_json::to_value(&changes).expect("JSON"),
            serde_json::json!([{"change": "output", "from": "value", "to": "value", "outputs": {"from": 1, "to": 3}}])
        );
        assert_eq!(changes[0].to_string(), "the number of outputs changes from 1 to 3");
        let mut labelled = model(2, &[], &[]);
        labelled.classes = vec!["no".to_owned(), "yes".to_owned()];
        let changes = ModelChange::between(&model(1, &[], &[]), &labelled);
        let said = "the classes change from none to no, yes, and the number of outputs changes from 1 to 2";
        assert_eq!(changes[0].to_string(), said);
    }
}
