//! How much the trees of a model use each of its columns.

use super::Model;

/// How much the trees of a model use a column, as LightGBM's `feature_importance` counts it.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Importance {
    /// The number of splits by the column that gain something.
    pub splits: u64,
    /// The sum of their gains.
    pub gain: f64,
}

impl Model {
    /// The importance of each column, in the order of [`feature_names`](Self::feature_names): over the iterations that take part
    /// in predictions.
    #[must_use]
    pub fn importances(&self) -> Vec<Importance> {
        let mut all = vec![Importance { splits: 0, gain: 0.0 }; self.feature_names().len()];
        let trees = self.used_iterations() * self.text_model().trees_per_iteration();
        for tree in self.text_model().trees().take(trees) {
            for (feature, gain) in tree.split_feature().iter().zip(tree.split_gain()) {
                // NaN means no gain.
                let is_gain = *gain > 0.0;
                if let Some(of) = all.get_mut(*feature as usize).filter(|_| is_gain) {
                    of.splits += 1;
                    of.gain += f64::from(*gain);
                }
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::Path;

    use super::*;

    /// LightGBM writes the splits of each column below the trees.
    #[test]
    fn splits_are_those_that_lightgbm_counted() {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/models");
        let mut compared = 0;
        for case in fs::read_dir(models).expect("the fixtures") {
            let path = case.expect("a case").path().join("booster/model.lgb");
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let Some((_, tail)) = text.split_once("\nfeature_importances:\n") else { continue };
            let line = |line: &str| {
                let (name, splits) = line.rsplit_once('=')?;
                Some((name.to_owned(), splits.parse().ok()?))
            };
            let counted: BTreeMap<String, u64> = tail.lines().map_while(line).collect();
            let model = Model::open(&path).expect("a model");
            if model.used_iterations() < model.text_model().num_iterations() {
                continue;
            }
            let found = model.feature_names().iter().cloned().zip(model.importances());
            let found: BTreeMap<String, u64> =
                found.map(|(name, of)| (name, of.splits)).filter(|(_, splits)| *splits > 0).collect();
            assert_eq!(found, counted, "{}", path.display());
            assert!(model.importances().iter().all(|of| (of.splits == 0) == (of.gain == 0.0)));
            compared += 1;
        }
        assert!(compared >= 9, "{compared} models");
    }
}
