//! What was found in the files of versions, as policies and reports see it.

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
    },
    /// The labels of the classes, their order or their number.
    Classes {
        /// Those of the champion; empty if its file has none.
        from: Vec<String>,
        /// Those of the new champion; empty if its file has none.
        to: Vec<String>,
    },
    /// The names of the input columns, their order or their number.
    Columns {
        /// The columns that only the new champion has.
        added: Vec<String>,
        /// The columns that only the champion has.
        removed: Vec<String>,
    },
}

impl ModelChange {
    /// What changes for the users of the predictions if `to` replaces `from`.
    #[must_use]
    pub fn between(from: &ModelFacts, to: &ModelFacts) -> Vec<Self> {
        let only = |these: &[String], those: &[String]| -> Vec<String> {
            let those: std::collections::BTreeSet<&String> = those.iter().collect();
            these.iter().filter(|name| !those.contains(name)).cloned().collect()
        };
        let detailed = |change| match change {
            Change::Output => Self::Output { from: from.output, to: to.output },
            Change::Classes => Self::Classes { from: from.classes.clone(), to: to.classes.clone() },
            Change::Columns => Self::Columns {
                added: only(&to.features, &from.features),
                removed: only(&from.features, &to.features),
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
            Self::Output { from, to } => write!(f, "`predict` answers {to} instead of {from}"),
            Self::Classes { from, to } => {
                write!(f, "the classes change from {} to {}", listed(from), listed(to))
            }
            Self::Columns { added, removed } if added.is_empty() && removed.is_empty() => {
                f.write_str("the order of the input columns changes")
            }
            Self::Columns { added, removed } => {
                write!(f, "the input columns change: added {}, removed {}", listed(added), listed(removed))
            }
        }
    }
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
