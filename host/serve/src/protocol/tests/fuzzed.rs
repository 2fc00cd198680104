//! Bodies of every wrong kind: nothing panics, what is accepted is a matrix of the model's width, and a refusal is the caller's.

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::{LIMITS, regression, schema};
use crate::protocol::rows::{Refusal, Rows, Schema};
use crate::protocol::{Forms, TableFormat};

/// Requests that are accepted, from which others are made by small changes.
const SEEDS: [&str; 9] = [
    r#"{"dataframe_split":{"columns":["f4","f3","x","f2","f1","f0"],"index":[0,1],"data":[[1,2.5,"a",-3e2,null,NaN],[0,0,{},true,"NaN",Infinity]]}}"#,
    r#"{"dataframe_split":{"data":[[1,2,3,4,5]],"columns":["f0","f1","f2","f3","f4"]},"params":{"raw_score":true,"num_iteration":3}}"#,
    r#"{"dataframe_records":[{"f0":1,"f1":2,"f2":3,"f3":4,"f4":5},{"f4":0.1,"x":["\u00e9\ud83e\udd80"],"f0":7}]}"#,
    r#"{"instances":[[1,2,3,4,5],[6,7,8,9,10]]}"#,
    r#"{"inputs":{"f0":[1,2],"f1":[3,4],"f2":[5,6],"f3":[7,8],"f4":[9,10]}}"#,
    r#"{"id":"7","inputs":[{"name":"x","shape":[2,5],"datatype":"FP64","data":[[1,2,3,4,5],[6,7,8,9,10]]}],"outputs":[{"name":"predict"}]}"#,
    r#"{"inputs":[{"name":"f0","shape":[1],"datatype":"INT8","data":[1]},{"name":"f1","shape":[1,1],"datatype":"FP32","data":[1]},{"name":"f2","shape":[1],"datatype":"BOOL","data":[true]},{"name":"f3","shape":[1],"datatype":"FP64","data":[null]},{"name":"f4","shape":[1],"datatype":"UINT64","parameters":{"binary_data_size":8}}]}12345678"#,
    "f0,f1,f2,f3,f4,x\n1,2,3,4,5,a\n,NA,true,-1e5,0,\"b,c\"\n",
    r#"{"dataframe_records":[{"num":1,"city":"Bonn","tier":20,"zeros":0},{"num":null,"city":null,"tier":30,"zeros":1}]}"#,
];

/// Pieces of requests.
const PIECES: [&str; 44] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\\u",
    "\\ud800",
    "0",
    "-",
    "1e",
    "1e999",
    "1E-400",
    "NaN",
    "Infinity",
    "-Infinity",
    "null",
    "true",
    "false",
    "\"f0\"",
    "\"f1\"",
    "\"instances\"",
    "\"inputs\"",
    "\"data\"",
    "\"columns\"",
    "\"dataframe_split\"",
    "\"dataframe_records\"",
    "\"shape\"",
    "\"datatype\"",
    "\"FP64\"",
    "\"BYTES\"",
    "\"name\"",
    "\"parameters\"",
    "\"binary_data_size\"",
    "\"params\"",
    "9007199254740993",
    "[1,2,3,4,5]",
    "\n",
    "\u{feff}",
    "\u{0}",
    "é",
    " ",
];

/// A change of a request.
#[derive(Debug, Clone)]
enum Change {
    Remove(prop::sample::Index, usize),
    Insert(prop::sample::Index, &'static str),
    Replace(prop::sample::Index, u8),
    Repeat(prop::sample::Index, usize),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        (any::<prop::sample::Index>(), 1..20_usize).prop_map(|(at, length)| Change::Remove(at, length)),
        (any::<prop::sample::Index>(), prop::sample::select(&PIECES[..]))
            .prop_map(|(at, piece)| Change::Insert(at, piece)),
        (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Replace(at, byte)),
        (any::<prop::sample::Index>(), 1..40_usize).prop_map(|(at, length)| Change::Repeat(at, length)),
    ];
    prop::collection::vec(change, 0..5)
}

fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let changed = (prop::sample::select(&SEEDS[..]), changes()).prop_map(|(seed, changes)| {
        let mut body = seed.as_bytes().to_vec();
        for change in changes {
            if body.is_empty() {
                break;
            }
            match change {
                Change::Remove(at, length) => {
                    let at = at.index(body.len());
                    body.drain(at..body.len().min(at + length));
                }
                Change::Insert(at, piece) => {
                    let at = at.index(body.len());
                    body.splice(at..at, piece.bytes());
                }
                Change::Replace(at, byte) => {
                    let at = at.index(body.len());
                    body[at] = byte;
                }
                Change::Repeat(at, length) => {
                    let at = at.index(body.len());
                    let part = body[at..body.len().min(at + length)].to_vec();
                    body.splice(at..at, part);
                }
            }
        }
        body
    });
    let built = prop::collection::vec(prop::sample::select(&PIECES[..]), 0..40)
        .prop_map(|pieces| pieces.concat().into_bytes());
    prop_oneof![6 => changed, 2 => built, 1 => prop::collection::vec(any::<u8>(), 0..60)]
}

#[test]
fn no_body_makes_a_reader_panic() {
    let schemas = [regression(), schema("models/binary_cat/booster"), schema("serving/visits")];
    let mut accepted = 0;
    let mut runner = TestRunner::new_with_rng(
        Config::with_cases(20_000),
        TestRng::deterministic_rng(RngAlgorithm::ChaCha),
    );
    runner
        .run(&(bodies(), any::<prop::sample::Index>()), |(body, at)| {
            for schema in &schemas {
                for read in readings(schema, &body, at.index(body.len() + 1)) {
                    match read {
                        Ok(rows) => {
                            let matrix = rows.matrix();
                            prop_assert_eq!((matrix.rows(), matrix.columns()), (rows.len(), schema.width()));
                            prop_assert!(rows.len() > 0);
                        }
                        Err(refusal) => {
                            prop_assert!((400..500).contains(&refusal.cause().status()), "{:?}", refusal);
                        }
                    }
                }
            }
            Ok(())
        })
        .unwrap();
    for schema in &schemas {
        for seed in SEEDS {
            let length = seed.rfind('}').map_or(0, |end| end + 1);
            accepted += readings(schema, seed.as_bytes(), length).into_iter().flatten().count();
        }
    }
    assert!(accepted > SEEDS.len(), "{accepted}");
}

/// The body, as all readers see it.
fn readings(schema: &Schema, body: &[u8], json_length: usize) -> [Result<Rows, Refusal>; 6] {
    let bytes = Bytes::copy_from_slice(body);
    [
        Rows::from_json(schema, &LIMITS, Forms::MLflow, body),
        Rows::from_json(schema, &LIMITS, Forms::KServe, body),
        Rows::from_infer(schema, &LIMITS, None, body),
        Rows::from_infer(schema, &LIMITS, Some(json_length), body),
        Rows::from_table(schema, &LIMITS, TableFormat::Csv, &bytes),
        Rows::from_table(schema, &LIMITS, TableFormat::Parquet, &bytes),
    ]
}
