//! Reads skops files as data: a zip archive with a JSON tree and NumPy arrays.
//!
//! skops names a Python class at every node of its tree. This reader uses only the nodes on the path to the model's
//! text and the class labels; it compares the names and imports nothing.

mod archive;
mod schema;

use std::borrow::Cow;

use serde_json::Value;

use crate::error::{damaged, raised_by};
use crate::extracted::{Estimator, ExtractLimits, ExtractedModel, refuse_early_stop};
use crate::labels::ClassLabels;
use crate::numpy::{read_npy, read_npy_scalar};
use hydra_base::text::{QUOTED_CHARS, excerpt, listed};
use hydra_base::{Error, ErrorKind, Result};

use archive::Archive;
use schema::{Array, Attributes, Root, Setting};

/// Reads a model from a skops file.
///
/// [`ErrorKind::UnsupportedModel`] if the file contains something other than a LightGBM estimator or booster, or if a
/// member is neither stored nor deflated; [`ErrorKind::InvalidModel`] for damage and for exceeded limits.
pub fn read_skops(bytes: &[u8], limits: &ExtractLimits) -> Result<ExtractedModel<'static>> {
    let mut archive = Archive::open(bytes, limits)?;
    let schema = archive.member("schema.json")?;
    let root: Root = serde_json::from_slice(&schema)
        .map_err(|error| damaged("the schema of the skops file is damaged").with_source(error))?;
    let Some(estimator) = Estimator::from_class(&root.module, &root.class) else {
        return Err(refused(&root, &schema));
    };
    drop(schema);
    let attributes = root.attributes.ok_or_else(|| damaged("the skops file has no attributes"))?;
    let Attributes { booster, handle, best_iteration, pred_early_stop, classes, encoder } = attributes;
    let (handle, best_iteration) = if estimator == Estimator::Booster {
        (handle, best_iteration)
    } else {
        let booster = booster.ok_or_else(|| damaged("the estimator in the skops file is not fitted"))?;
        let flag = pred_early_stop.map(|flag| whole(flag, &mut archive).unwrap_or(Some(1)));
        refuse_early_stop(flag.flatten().is_some_and(|flag| flag != 0))?;
        (booster.handle, booster.best_iteration)
    };
    let best_iteration = best_iteration.map(|rounds| whole(rounds, &mut archive)).transpose()?.flatten();
    let text = handle.ok_or_else(|| damaged("the booster in the skops file has no model text"))?;
    let classes = match estimator {
        Estimator::Classifier => {
            let labels = classes.or(encoder).ok_or_else(|| damaged("the classifier has no class labels"))?;
            Some(class_labels(labels, &mut archive, limits)?)
        }
        _ => None,
    };
    Ok(ExtractedModel {
        booster_text: Cow::Owned(text),
        classes,
        estimator,
        best_iteration: best_iteration
            .and_then(|rounds| u32::try_from(rounds).ok())
            .filter(|rounds| *rounds > 0),
    })
}

/// The refusal of an object that is not a model of LightGBM, with the classes of what it holds.
fn refused(root: &Root, schema: &[u8]) -> Error {
    let class = qualified(&root.module, &root.class);
    let mut held = Vec::new();
    // A larger one has a model's text within it.
    if schema.len() <= MOST_SCANNED
        && let Ok(tree) = serde_json::from_slice::<Value>(schema)
    {
        note_classes(&tree, &mut held);
    }
    held.retain(|name| *name != class);
    let error = Error::new(ErrorKind::UnsupportedModel, "the skops file is not a LightGBM model");
    let error = error.with_context("class", class);
    let error = if held.is_empty() { error } else { error.with_context("holds", listed(&held)) };
    error.with_hint(
        "log the estimator of LightGBM alone with `mlflow.lightgbm.log_model`, and transform rows before they are scored",
    )
}

/// The most bytes of a tree whose classes are listed.
const MOST_SCANNED: usize = 64 << 20;

/// How many classes are listed.
const MOST_CLASSES: usize = 32;

fn qualified(module: &str, class: &str) -> String {
    format!("{}.{}", excerpt(module, QUOTED_CHARS), excerpt(class, QUOTED_CHARS))
}

/// The classes of scikit-learn and LightGBM in a tree, each once, in their order.
fn note_classes(node: &Value, found: &mut Vec<String>) {
    match node {
        Value::Array(items) => items.iter().for_each(|item| note_classes(item, found)),
        Value::Object(members) => {
            let text = |key: &str| members.get(key).and_then(Value::as_str);
            if let (Some(module), Some(class)) = (text("__module__"), text("__class__"))
                && (module.starts_with("sklearn.") || module.starts_with("lightgbm."))
                && found.len() < MOST_CLASSES
            {
                let name = qualified(module, class);
                if !found.contains(&name) {
                    found.push(name);
                }
            }
            members.values().for_each(|member| note_classes(member, found));
        }
        _ => {}
    }
}

/// An integer, possibly NumPy's; `None` for Python's `None`.
fn whole(setting: Setting, archive: &mut Archive<'_>) -> Result<Option<i64>> {
    let unreadable = || damaged("a setting of the model in the skops file is not an integer");
    match setting {
        Setting::Plain(Value::Null) => Ok(None),
        Setting::Plain(Value::Bool(flag)) => Ok(Some(i64::from(flag))),
        Setting::Plain(value) => value.as_i64().map(Some).ok_or_else(unreadable),
        Setting::Numpy { file } => match read_npy_scalar(&archive.member(&file)?)? {
            ClassLabels::Ints(numbers) => Ok(numbers.first().copied()),
            ClassLabels::Bools(flags) => Ok(flags.first().map(|flag| i64::from(*flag))),
            _ => Err(unreadable()),
        },
        Setting::Other => Err(unreadable()),
    }
}

fn class_labels(array: Array, archive: &mut Archive<'_>, limits: &ExtractLimits) -> Result<ClassLabels> {
    match array {
        Array::Numpy { file } => read_npy(&archive.member(&file)?, limits.classes),
        Array::Json { labels } if labels.len() > limits.classes => {
            Err(damaged("there are too many class labels")
                .with_context("classes", labels.len())
                .with_context("limit", limits.classes)
                .with_hint(raised_by("classes")))
        }
        Array::Json { labels } => schema::labels_of(&labels),
    }
}

#[cfg(test)]
mod tests;
