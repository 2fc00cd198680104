//! Any bytes as the body of a scoring request, in every protocol: reading never panics, what is accepted is a matrix of the model's
//! width, and what is refused is the caller's fault.

#![no_main]

use std::sync::LazyLock;

use bytes::Bytes;
use hydra_lightgbm::Model;
use libfuzzer_sys::fuzz_target;

// The module alone, because the crate around it needs the policy engine.
#[expect(dead_code, unused_imports, reason = "what else the server uses")]
#[path = "../../host/serve/src/protocol/rows/mod.rs"]
mod rows;

use rows::{Declared, Forms, Limits, Rows, Schema, TableFormat};

const LIMITS: Limits = Limits { body: 1 << 20, rows: 10_000, columns: 1_000 };

/// Models of numbers, with a column of integers, and with categories.
static SCHEMAS: LazyLock<[Schema; 3]> = LazyLock::new(|| {
    let schema = |path: &str| {
        let path = format!("{}/../tests/fixtures/{path}/model.lgb", env!("CARGO_MANIFEST_DIR"));
        let model = Model::open(path).expect("a fixture");
        Schema::of(&model, [Declared { name: "visits", kind: "long" }])
    };
    [schema("models/regression/booster"), schema("serving/visits"), schema("models/binary_cat/booster")]
});

fuzz_target!(|input: &[u8]| {
    let Some((choice, body)) = input.split_first() else { return };
    let choice = usize::from(*choice);
    let schema = &SCHEMAS[choice % 3];
    let read = match choice / 3 % 6 {
        0 => Rows::from_json(schema, &LIMITS, Forms::MLflow, body),
        1 => Rows::from_json(schema, &LIMITS, Forms::KServe, body),
        2 => Rows::from_infer(schema, &LIMITS, None, body),
        3 => Rows::from_infer(schema, &LIMITS, Some(choice), body),
        4 => Rows::from_table(schema, &LIMITS, TableFormat::Csv, &Bytes::copy_from_slice(body)),
        _ => Rows::from_table(schema, &LIMITS, TableFormat::Parquet, &Bytes::copy_from_slice(body)),
    };
    match read {
        Ok(rows) => assert_eq!(
            (rows.matrix().rows(), rows.matrix().columns()),
            (rows.len(), schema.model().feature_names().len())
        ),
        Err(refusal) => assert!((400..500).contains(&refusal.cause().status()), "{refusal:?}"),
    }
});
