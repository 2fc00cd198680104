//! What the model computes for the rows of a request.

use hydra_lightgbm::{Model, OutputKind};

use crate::protocol::{Cause, Output, Params, Refusal, Rows, Schema};

/// The most trees times rows that are scored without leaving the thread that reads requests: about a millisecond.
const INLINE_WORK: usize = 250_000;

/// What the model computed, with the numbers that a shadow and the drift are compared with.
#[derive(Debug)]
pub(crate) struct Scored {
    /// The answer.
    pub(crate) output: Output,
    /// The objective's outputs, if the answer has labels instead of them.
    behind_labels: Option<Vec<f64>>,
    /// Whether these are the predictions of the whole model.
    is_plain: bool,
}

impl Scored {
    /// The outputs of the objective, row-major; none for what only this request asked for.
    pub(crate) fn outputs(&self) -> Option<&[f64]> {
        match (&self.output, &self.behind_labels) {
            _ if !self.is_plain => None,
            (_, Some(outputs)) => Some(outputs),
            (Output::Values { values, .. }, None) => Some(values),
            _ => None,
        }
    }

    /// [`outputs`](Self::outputs), without a copy.
    pub(crate) fn into_outputs(self) -> Option<Vec<f64>> {
        match (self.output, self.behind_labels) {
            _ if !self.is_plain => None,
            (_, Some(outputs)) => Some(outputs),
            (Output::Values { values, .. }, None) => Some(values),
            _ => None,
        }
    }
}

/// Whether scoring `rows` is done before the thread that reads requests is missed. A model that must be compiled first is not.
pub(crate) fn is_small(model: &Model, rows: &Rows) -> bool {
    let work = rows.len().saturating_mul(model.num_trees().max(1));
    rows.params().num_iteration.is_none() && work <= INLINE_WORK
}

/// The most bytes that the answer for `rows` takes; [`Cause::AnswerSize`] if they are more than `most`. The leaves of a request of a few
/// bytes can be gigabytes.
pub(crate) fn answer_size(schema: &Schema, rows: &Rows, most: usize) -> Result<usize, Refusal> {
    let per_row = schema.longest_row(rows.params(), rows.wanted());
    let size = rows.len().saturating_mul(per_row);
    if size > most {
        let rows = most / per_row.max(1);
        return Err(Refusal::because(
            Cause::AnswerSize,
            format_args!("the limit is {most} bytes, which are {rows} rows of what is asked for"),
        ));
    }
    Ok(size)
}

/// Scores rows.
pub(crate) fn score(schema: &Schema, rows: &Rows) -> Result<Scored, Refusal> {
    let (model, is_plain) = (schema.model(), *rows.params() == Params::default());
    if !is_plain || model.output_kind() != OutputKind::Label {
        return Ok(Scored { output: schema.predict(rows)?, behind_labels: None, is_plain });
    }
    let refused = |error| Refusal::of(Cause::Internal, &error);
    let outputs = model.outputs(&rows.matrix()).map_err(refused)?;
    let output = Output::Labels(model.labels_of(&outputs).map_err(refused)?);
    Ok(Scored { output, behind_labels: Some(outputs), is_plain })
}
