//! Metrics of a binary classifier on rows that were not used for training.

use std::collections::BTreeMap;

use crate::baseline::BaselineModel;
use hydra_base::{Error, ErrorKind, Result};
use hydra_lightgbm::matrix::Matrix;
use hydra_lightgbm::scorer::Scorer;

/// Computes `accuracy`, `auc` and `log_loss` of a model on labelled rows (labels 0 or 1), with scikit-learn's
/// definitions: ties count half in the AUC, and the logarithm uses probabilities between 1e-15 and 1 - 1e-15. `auc` is
/// left out if there is only one class.
///
/// [`ErrorKind::InvalidData`] if there are no rows, or if the number of labels is not that of the rows.
pub fn evaluate<Row: AsRef<[f64]>>(
    model: &BaselineModel,
    x: &[Row],
    y: &[f64],
) -> Result<BTreeMap<String, f64>> {
    if x.is_empty() || x.len() != y.len() {
        return Err(Error::new(
            ErrorKind::InvalidData,
            "the number of labels is not the number of rows, or is 0",
        )
        .with_context("rows", x.len())
        .with_context("labels", y.len()));
    }
    let values: Vec<f64> = x.iter().flat_map(|row| row.as_ref().iter().copied()).collect();
    let rows = Matrix::from_rows(&values, model.text_model().num_features())?;
    let scorer = Scorer::compile(model.text_model());
    let mut probabilities = vec![0.0; x.len()];
    scorer.raw(&rows, 1, &mut probabilities)?;
    scorer.convert(&mut probabilities);

    let mut metrics = BTreeMap::from([
        ("accuracy".to_owned(), accuracy(&probabilities, y)),
        ("log_loss".to_owned(), log_loss(&probabilities, y)),
    ]);
    if let Some(auc) = auc(&probabilities, y) {
        metrics.insert("auc".to_owned(), auc);
    }
    Ok(metrics)
}

fn accuracy(probabilities: &[f64], labels: &[f64]) -> f64 {
    let right = probabilities.iter().zip(labels).filter(|(p, label)| (**p > 0.5) == (**label > 0.5));
    right.count() as f64 / labels.len() as f64
}

fn log_loss(probabilities: &[f64], labels: &[f64]) -> f64 {
    let losses = probabilities.iter().zip(labels).map(|(p, label)| {
        let p = p.clamp(1e-15, 1.0 - 1e-15);
        if *label > 0.5 { -p.ln() } else { -(1.0 - p).ln() }
    });
    losses.sum::<f64>() / labels.len() as f64
}

/// The share of correctly ordered pairs of a positive and a negative, from the ranks.
fn auc(scores: &[f64], labels: &[f64]) -> Option<f64> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    let positives = labels.iter().filter(|label| **label > 0.5).count() as f64;
    let negatives = labels.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 {
        return None;
    }
    let mut rank_sum = 0.0;
    let mut below = 0;
    for tied in order.chunk_by(|a, b| scores[*a] == scores[*b]) {
        let rank = below as f64 + f64::midpoint(tied.len() as f64, 1.0);
        rank_sum += rank * tied.iter().filter(|index| labels[**index] > 0.5).count() as f64;
        below += tied.len();
    }
    Some((rank_sum - positives * (positives + 1.0) / 2.0) / (positives * negatives))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auc_counts_ties_half() {
        assert_eq!(auc(&[0.1, 0.4, 0.35, 0.8], &[0.0, 0.0, 1.0, 1.0]), Some(0.75));
        assert_eq!(auc(&[0.5, 0.5, 0.5], &[0.0, 1.0, 1.0]), Some(0.5));
        assert_eq!(auc(&[0.5, 0.6], &[1.0, 1.0]), None);
    }

    #[test]
    fn log_loss_and_accuracy_are_the_textbook_ones() {
        let loss = log_loss(&[0.9, 0.2], &[1.0, 0.0]);
        assert!((loss - (-(0.9f64).ln() - (0.8f64).ln()) / 2.0).abs() < 1e-15, "{loss}");
        assert_eq!(accuracy(&[0.9, 0.2, 0.6, 0.4], &[1.0, 0.0, 0.0, 1.0]), 0.5);
    }

    #[test]
    fn a_model_that_separates_scores_well() {
        let rows: Vec<[f64; 1]> = (0..200).map(|i| [f64::from(i)]).collect();
        let labels: Vec<f64> = (0..200).map(|i| f64::from(u8::from(i >= 100))).collect();
        let model = BaselineModel::train(&rows, &labels, &["x"]).expect("a model");
        let metrics = evaluate(&model, &rows, &labels).expect("metrics");
        assert!(metrics["auc"] > 0.99 && metrics["accuracy"] > 0.95, "{metrics:?}");
        assert_eq!(
            evaluate(&model, &rows[..1], &labels).expect_err("no match").kind(),
            ErrorKind::InvalidData
        );
    }
}
