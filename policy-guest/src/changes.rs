//! What a version changes against the champion, for the users of its predictions.

use std::fmt::Display;

use crate::contract::{Context, ModelFacts, ModelState, ModelVersion, OutputKind, PolicyError};

/// The setting with the changes that are not allowed.
pub const SETTING: &str = "refuse-changes";

/// The longest part of a name that an explanation quotes, in characters: the longest explanation fits the budget.
const QUOTED: usize = 24;

/// Why the settings do not allow that `target` replaces the champion. Without a champion, or if one of the two models could
/// not be opened, there is nothing to compare.
pub fn objection(target: &ModelVersion, context: &Context) -> Result<Option<String>, PolicyError> {
    let refused = context.settings.iter().find(|entry| entry.key == SETTING);
    let refused = refused.map_or("", |entry| entry.value.as_str()).split(',').filter(|name| !name.is_empty());
    let champion = context.champion.as_ref();
    let models = champion.and_then(|champion| Some((facts(target)?, facts(champion)?)));
    let (mut found, mut names) = (Vec::new(), Vec::new());
    for name in refused {
        let change: fn(&ModelFacts, &ModelFacts) -> Option<String> = match name {
            "output" => output,
            "classes" => classes,
            "columns" => columns,
            _ => {
                return Err(PolicyError::InvalidSettings(format!(
                    "`{SETTING}` names `{name}`, which is not one of output, classes, columns"
                )));
            }
        };
        if let Some(difference) = models.and_then(|(target, champion)| change(target, champion)) {
            found.push(difference);
            names.push(name);
        }
    }
    let champion = champion.filter(|_| !found.is_empty());
    Ok(champion.map(|champion| {
        format!(
            "version {} differs from the champion, version {}, in what {SETTING} protects: {}; to allow that, take {} out of {SETTING}",
            target.version,
            champion.version,
            found.join("; "),
            names.join(" and ")
        )
    }))
}

fn facts(version: &ModelVersion) -> Option<&ModelFacts> {
    match &version.model {
        ModelState::Loadable(facts) => Some(facts),
        ModelState::Unloadable(_) | ModelState::Unopened => None,
    }
}

fn output(target: &ModelFacts, champion: &ModelFacts) -> Option<String> {
    if target.output != champion.output {
        let answers = [target, champion].map(|facts| answer(facts.output));
        return Some(format!("predict answers {} instead of {}", answers[0], answers[1]));
    }
    outputs(target, champion).filter(|_| !are_classes(target, champion))
}

fn classes(target: &ModelFacts, champion: &ModelFacts) -> Option<String> {
    let labels = first_difference("class", &target.classes, &champion.classes);
    labels.or_else(|| outputs(target, champion).filter(|_| are_classes(target, champion)))
}

fn outputs(target: &ModelFacts, champion: &ModelFacts) -> Option<String> {
    (target.outputs != champion.outputs)
        .then(|| format!("{} outputs instead of {}", target.outputs, champion.outputs))
}

/// Whether the outputs of one of the models are those of classes.
fn are_classes(target: &ModelFacts, champion: &ModelFacts) -> bool {
    [target, champion].iter().any(|facts| matches!(facts.output, OutputKind::Probability | OutputKind::Label))
}

fn columns(target: &ModelFacts, champion: &ModelFacts) -> Option<String> {
    if target.features_sha256 != champion.features_sha256 {
        let difference = first_difference("input column", &target.features, &champion.features);
        return Some(difference.unwrap_or_else(|| "the input columns are others".to_owned()));
    }
    let new = |these: &ModelFacts, those: &ModelFacts| {
        these.categories.iter().find(|name| !those.categories.contains(name)).map(|name| quoted(name))
    };
    if let Some(name) = new(target, champion) {
        return Some(format!("input column {name} is a category instead of a number"));
    }
    new(champion, target).map(|name| format!("input column {name} is a number instead of a category"))
}

/// The first position at which two lists of names differ.
fn first_difference(what: &str, ours: &[String], theirs: &[String]) -> Option<String> {
    let length = ours.len().max(theirs.len());
    let position = (0..length).find(|position| ours.get(*position) != theirs.get(*position))?;
    let at = |names: &[String]| names.get(position).map_or_else(|| "absent".to_owned(), |name| quoted(name));
    Some(format!("{what} {} is {} instead of {}", position + 1, at(ours), at(theirs)))
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.chars().take(QUOTED).collect::<String>())
}

fn answer(output: OutputKind) -> impl Display {
    match output {
        OutputKind::Probability => "probabilities",
        OutputKind::Label => "labels",
        OutputKind::Value => "values",
        OutputKind::Scores => "scores",
    }
}
