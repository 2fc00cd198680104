//! Reads or rejects an `MLmodel` file; an accepted data path stays below its directory.

#![no_main]

use std::path::{Component, Path};

use hydra_mlflow::flavor::{MlModel, MlModelLimits};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(model) = MlModel::parse(bytes, &MlModelLimits::default()) {
        let path = Path::new(&model.lightgbm.data);
        assert!(path.components().all(|part| matches!(part, Component::Normal(_))));
        assert!(path.components().next().is_some());
    }
});
