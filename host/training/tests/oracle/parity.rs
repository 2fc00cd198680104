//! LightGBM's own predictions are equal to the recorded ones of Python's LightGBM: labels and raw scores exactly,
//! probabilities to one unit in the last place. The crate `hydra-lightgbm` compares its scores with the same records.

use hydra_base::ErrorKind;
use hydra_lightgbm::Engine;
use hydra_lightgbm::testing::{directories, pickles};
use hydra_training::Booster;

#[test]
fn every_model_directory_predicts_what_python_predicts() {
    for recorded in directories() {
        let (name, model, data) = (&recorded.name, &recorded.model, recorded.data());
        let oracle = Booster::of(model).unwrap();
        recorded.check(&oracle);
        let contributions = oracle.contributions(&data.to_row_major());
        if model.num_outputs() == 1 {
            let width = model.feature_names().len() + 1;
            let raw = model.raw_scores(&data).unwrap();
            let ours = model.contributions(&data).unwrap();
            let rows =
                contributions.as_ref().unwrap().chunks_exact(width).zip(ours.chunks_exact(width)).zip(raw);
            for ((row, ours), raw) in rows {
                assert!((row.iter().sum::<f64>() - raw).abs() < 1e-9, "{name}: contributions");
                let largest = row.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
                let apart = row.iter().zip(ours).map(|(theirs, ours)| (theirs - ours).abs());
                assert!(
                    apart.fold(0.0, f64::max) <= 1e-10 * largest,
                    "{name}: contributions next to LightGBM's"
                );
            }
        } else {
            assert_eq!(contributions.unwrap_err().kind(), ErrorKind::UnsupportedModel, "{name}");
        }
    }
}

#[test]
fn every_pickle_of_lightgbm_3_and_4_predicts_what_python_predicts() {
    for recorded in pickles() {
        recorded.check(&Booster::of(&recorded.model).unwrap());
    }
}

#[test]
fn models_are_shared_by_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Booster>();
    let recorded = directories().swap_remove(0);
    let oracle = Booster::of(&recorded.model).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let engines: [&dyn Engine; 2] = [&recorded.model, &oracle];
                    for engine in engines {
                        recorded.check(engine);
                    }
                }
            });
        }
    });
}
