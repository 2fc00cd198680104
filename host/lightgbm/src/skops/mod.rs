//! Reads skops files as data: a zip archive with a JSON tree and NumPy arrays.
//!
//! skops names a Python class at every node of its tree. This reader uses only the nodes on the path to the model's
//! text and the class labels; it compares the names and imports nothing.

mod archive;
mod schema;

use std::borrow::Cow;

use serde_json::Value;

use crate::error::damaged;
use crate::extracted::{Estimator, ExtractLimits, ExtractedModel, refuse_early_stop};
use crate::labels::ClassLabels;
use crate::numpy::{read_npy, read_npy_scalar};
use hydra_base::text::{QUOTED_CHARS, excerpt};
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
    drop(schema);
    let estimator = Estimator::from_class(&root.module, &root.class).ok_or_else(|| {
        Error::new(ErrorKind::UnsupportedModel, "the skops file is not a LightGBM model").with_context(
            "class",
            format!("{}.{}", excerpt(&root.module, QUOTED_CHARS), excerpt(&root.class, QUOTED_CHARS)),
        )
    })?;
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
                .with_context("limit", limits.classes))
        }
        Array::Json { labels } => schema::labels_of(&labels),
    }
}

#[cfg(test)]
mod tests;
