//! Equality with the recorded predictions of Python's LightGBM: labels and raw scores exactly, probabilities to one unit in the last place.

use crate::loaded::Model;
use crate::testing::{directories, pickles};

#[test]
fn every_model_directory_predicts_what_python_predicts() {
    for recorded in directories() {
        recorded.check(&recorded.model);
    }
}

#[test]
fn every_pickle_of_lightgbm_3_and_4_predicts_what_python_predicts() {
    for recorded in pickles() {
        recorded.check(&recorded.model);
    }
}

#[test]
fn models_are_shared_by_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Model>();
    let recorded = directories().swap_remove(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    recorded.check(&recorded.model);
                }
            });
        }
    });
}
