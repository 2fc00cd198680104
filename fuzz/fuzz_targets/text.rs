//! Any bytes as a model text: reading never panics, what is accepted is written and read back the same, and it scores:
//! blocks of rows like single rows, with leaf numbers that exist, and with contributions if it has row counts.

#![no_main]

use hydra_lightgbm::Model;
use hydra_lightgbm::matrix::Matrix;
use hydra_lightgbm::scorer::Scorer;
use hydra_lightgbm::text::{Limits, TextModel};
use libfuzzer_sys::fuzz_target;

const VALUES: [f64; 11] =
    [f64::NAN, 0.0, -0.0, 1e-36, -1.0, 0.5, 3.0, 1e9, f64::INFINITY, f64::NEG_INFINITY, 2147483648.0];

fuzz_target!(|bytes: &[u8]| {
    let Ok(model) = TextModel::parse(bytes, &Limits::default()) else { return };
    let text = model.emit();
    let again = TextModel::parse(text.as_bytes(), &Limits::default()).expect("the written text is valid");
    assert_eq!(again.emit(), text);

    let (features, outputs) = (model.num_features(), model.num_class());
    if features * outputs > 4096 || model.num_trees() > 4096 {
        return;
    }
    let scorer = Scorer::compile(&model);
    let rows: Vec<f64> = VALUES.iter().cycle().take(features * 31).copied().collect();
    let data = Matrix::from_rows(&rows, features).expect("whole rows");
    let mut together = vec![0.0; data.rows() * outputs];
    scorer.raw(&data, 1, &mut together).expect("the sizes fit");
    let mut alone = vec![0.0; outputs];
    for (row, scores) in rows.chunks_exact(features).zip(together.chunks_exact(outputs)) {
        scorer.raw_row(row, &mut alone).expect("the sizes fit");
        assert!(alone.iter().zip(scores).all(|(a, b)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()));
    }
    let mut leaves = vec![0; data.rows() * scorer.num_trees()];
    scorer.leaves(&data, 1, &mut leaves).expect("the sizes fit");
    for (index, leaf) in leaves.iter().enumerate() {
        assert!((*leaf as usize) < model.tree(index % scorer.num_trees()).num_leaves());
    }
    scorer.convert(&mut together);
    // Deeper trees are only slow.
    if model.max_depth() <= 64 {
        let model = Model::from_text_model(model).expect("a booster has no labels");
        if let Ok(contributions) = model.contributions(&data) {
            assert_eq!(contributions.len(), data.rows() * outputs * (features + 1));
        }
    }
});
