//! The protocols, on the models of the fixtures.

mod forms;
mod fuzzed;
mod infer;
mod mlflow;

use std::path::{Path, PathBuf};

use hydra_lightgbm::Model;

use super::Cause;
use super::rows::{Declared, Limits, Refusal, Rows, Schema};

/// Enough for all requests of the tests.
pub(super) const LIMITS: Limits = Limits { body: 1 << 20, rows: 1_000, columns: 100 };

pub(super) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures")
}

/// The schema of a model: a path below the fixtures, which is a file or a directory with one.
pub(super) fn schema(path: &str) -> Schema {
    let path = fixtures().join(path);
    let files = ["model.lgb", "model.pkl", "model.skops"].map(|name| path.join(name));
    let file = files.into_iter().find(|file| file.exists()).unwrap_or(path);
    let mut model = Model::open(&file).unwrap();
    if model.feature_names() == ["num", "city", "tier", "zeros"] {
        // The model file alone does not say which columns its lists of categories belong to.
        model = model.with_categories(&["city", "tier"]).unwrap();
    }
    let has_integers = model.feature_names() == ["age", "visits"];
    let declared = [Declared { name: "age", kind: "double" }, Declared { name: "visits", kind: "long" }];
    Schema::of(&model, declared.into_iter().filter(|_| has_integers))
}

/// The booster of the features `f0` to `f4`.
pub(super) fn regression() -> Schema {
    schema("models/regression/booster")
}

/// The bits of the values, row by row; NaN is one value.
pub(super) fn bits(rows: &Rows) -> Vec<u64> {
    of_values(&rows.matrix().to_row_major())
}

pub(super) fn of_values(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() }).collect()
}

/// The cause of a refusal.
pub(super) fn cause(result: Result<Rows, Refusal>) -> Option<Cause> {
    result.err().map(|refusal| refusal.cause())
}

#[test]
fn the_docs_have_every_cause() {
    let path = fixtures().join("../../docs/serving-protocols.md");
    let docs = std::fs::read_to_string(path).unwrap();
    for cause in Cause::ALL {
        let mut code = String::new();
        for letter in format!("{:?}", cause.code()).chars() {
            if letter.is_ascii_uppercase() && !code.is_empty() {
                code.push('_');
            }
            code.push(letter.to_ascii_uppercase());
        }
        let row = format!("| `{}` | {} | {code} | {} |", cause.label(), cause.status(), cause.says());
        assert!(docs.lines().any(|line| line == row), "docs/serving-protocols.md lacks: {row}");
    }
}
