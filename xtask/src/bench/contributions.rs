//! Feature contributions, next to LightGBM's `pred_contrib`.

use anyhow::{Context as _, Result};

use crate::shell::say;

use super::Effort;
use super::document::{Document, Goal};
use super::samples::{Samples, times};
use super::scoring::Engine::{self, LightGbmPython, LightGbmRust, Native};
use super::scoring::directory;
use super::worker::Worker;

/// The models for which `make_models.py` writes contributions.
const MODELS: [&str; 2] = ["small", "medium"];

/// Measures contributions of the same rows with every engine that has them, on one thread, alternating.
pub fn run(effort: Effort, document: &mut Document) -> Result<Vec<Goal>> {
    document.paragraph(
        "### Contributions\n\nThe contributions of the features to the raw scores (exact SHAP values, LightGBM's `pred_contrib`) of 200 \
         rows in one call, on one thread, \u{b5}s per row; the first call also prepares the trees and is not counted.",
    );
    let (mut rows, mut goals) = (Vec::new(), Vec::new());
    for model in MODELS {
        say(format!("contributions: {model}"));
        let mut contenders = Vec::new();
        for engine in [Native, LightGbmRust, LightGbmPython] {
            let name = format!("contributions {engine:?} {model}");
            let mut worker = Worker::start(&name, &mut engine.command(&directory(model)))?;
            worker.number("load")?;
            worker.number("contributions")?;
            contenders.push((engine, worker, Samples::default()));
        }
        let (_, ours, _) = contenders.first_mut().context("there are no engines")?;
        let difference = ours.number("check-contributions")?;
        for _ in 0..if effort == Effort::Full { 7 } else { 2 } {
            for (_, worker, samples) in &mut contenders {
                samples.push(worker.number("contributions")?);
            }
        }
        let taken = |engine: Engine| {
            let found = contenders.iter().find(|(other, ..)| *other == engine);
            found.map_or(f64::NAN, |(.., samples)| samples.median())
        };
        let ours = taken(Native);
        for (engine, _, samples) in &contenders {
            let name = engine.description()?.0;
            rows.push(vec![model.to_owned(), name, samples.shown(1e-6), times(samples.median(), ours)]);
        }
        let faster = taken(LightGbmRust).min(taken(LightGbmPython));
        let of = |what: &str| format!("contributions, {what}, {model}");
        goals.push(Goal::at_least(of("compared with the faster LightGBM"), 3.0, faster / ours, " ×"));
        let unit = " × 1e-10 of the row's largest";
        goals.push(Goal::at_most(of("difference from LightGBM's"), 1.0, difference * 1e10, unit));
    }
    document.table(&["model", "engine", "contributions", "ours ×"], &rows);
    Ok(goals)
}
