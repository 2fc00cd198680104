//! Hand-made skops files; `loaded::tests` reads real ones.

use std::io::{Cursor, Write as _};

use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::*;

fn read(bytes: &[u8]) -> Result<ExtractedModel<'static>> {
    read_skops(bytes, &ExtractLimits::default())
}

fn kind(bytes: &[u8]) -> ErrorKind {
    read(bytes).unwrap_err().kind()
}

fn archive(method: CompressionMethod, members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        zip.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn stored(schema: &Value) -> Vec<u8> {
    archive(CompressionMethod::Stored, &[("schema.json", schema.to_string().as_bytes())])
}

fn json_node(value: &Value) -> Value {
    json!({"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": value.to_string()})
}

fn object(module: &str, class: &str, attributes: &Value) -> Value {
    json!({"__class__": class, "__module__": module, "__loader__": "ObjectNode", "content":
        {"__class__": "dict", "__module__": "builtins", "__loader__": "DictNode", "content": attributes}})
}

fn booster() -> Value {
    object(
        "lightgbm.basic",
        "Booster",
        &json!({"_handle": json_node(&json!("tree\n")), "best_iteration": json_node(&json!(4)), "params": {"content": [1]}}),
    )
}

fn classifier(classes: &Value) -> Value {
    object(
        "lightgbm.sklearn",
        "LGBMClassifier",
        &json!({"_Booster": booster(), "_classes": classes, "_le": json_node(&json!(null))}),
    )
}

fn json_labels(labels: &[Value]) -> Value {
    json!({"type": "json", "content": labels.iter().map(json_node).collect::<Vec<_>>()})
}

#[test]
fn a_booster_is_its_text() {
    let model = read(&stored(&booster())).unwrap();
    assert_eq!(model.booster_text, "tree\n");
    assert_eq!(model.estimator, Estimator::Booster);
    assert_eq!(model.best_iteration, Some(4));
}

#[test]
fn labels_are_json_or_arrays() {
    let model = read(&stored(&classifier(&json_labels(&[json!("no"), json!("yes")])))).unwrap();
    assert_eq!(model.classes, Some(ClassLabels::Strings(vec!["no".into(), "yes".into()])));
    assert_eq!(model.estimator, Estimator::Classifier);

    let schema = classifier(&json!({"type": "numpy", "file": "7.npy"})).to_string();
    let header = "{'descr': '|b1', 'fortran_order': False, 'shape': (2,), }\n";
    let length = (header.len() as u16).to_le_bytes();
    let npy = [b"\x93NUMPY\x01\x00".as_slice(), &length, header.as_bytes(), &[0, 1]].concat();
    let members: [(&str, &[u8]); 2] = [("7.npy", &npy), ("schema.json", schema.as_bytes())];
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let model = read(&archive(method, &members)).unwrap();
        assert_eq!(model.classes, Some(ClassLabels::Bools(vec![false, true])));
    }
}

#[test]
fn other_classes_are_refused_by_name() {
    let error = read(&stored(&object("os", "system", &json!({})))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnsupportedModel);
    assert_eq!(error.to_string(), "the skops file is not a LightGBM model (class: os.system)");
    let mixed = stored(&classifier(&json_labels(&[json!("no"), json!(1)])));
    assert_eq!(kind(&mixed), ErrorKind::UnsupportedModel);
    let nested = stored(&classifier(&json_labels(&[json!([1]), json!([2])])));
    assert_eq!(kind(&nested), ErrorKind::UnsupportedModel);
}

#[test]
fn damage_is_an_error() {
    let unfitted = object("lightgbm.sklearn", "LGBMRegressor", &json!({"_Booster": json_node(&json!(null))}));
    let no_text = object("lightgbm.basic", "Booster", &json!({"_handle": json_node(&json!(3))}));
    let no_labels = object("lightgbm.sklearn", "LGBMClassifier", &json!({"_Booster": booster()}));
    let lost_array = classifier(&json!({"type": "numpy", "file": "../schema.json"}));
    for schema in [unfitted, no_text, no_labels, lost_array, json!({}), json!(3), json!([booster()])] {
        assert_eq!(kind(&stored(&schema)), ErrorKind::InvalidModel, "{schema}");
    }
    let whole = stored(&booster());
    for end in 0..whole.len() {
        assert_eq!(kind(&whole[..end]), ErrorKind::InvalidModel, "cut at {end}");
    }
    let no_schema = archive(CompressionMethod::Stored, &[("other.json", b"{}")]);
    assert_eq!(kind(&no_schema), ErrorKind::InvalidModel);
    let mut wrong_sum = whole.clone();
    let place = wrong_sum.windows(4).position(|window| window == b"tree").unwrap();
    wrong_sum[place] = b'T';
    assert_eq!(kind(&wrong_sum), ErrorKind::InvalidModel);
}

#[test]
fn bombs_are_refused() {
    let schema = format!("{{\"x\": \"{}\"}}", " ".repeat(20 << 20));
    let packed = archive(CompressionMethod::Deflated, &[("schema.json", schema.as_bytes())]);
    assert!(packed.len() < 100_000);
    assert_eq!(kind(&packed), ErrorKind::InvalidModel);

    let many: Vec<(String, &[u8])> =
        (0..5_000).map(|index| (format!("{index}.npy"), b"".as_slice())).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
    assert_eq!(kind(&archive(CompressionMethod::Stored, &many)), ErrorKind::InvalidModel);

    let deep = format!("{{\"content\": {}", "[".repeat(1 << 20));
    let deep = archive(CompressionMethod::Stored, &[("schema.json", deep.as_bytes())]);
    assert_eq!(kind(&deep), ErrorKind::InvalidModel);

    let labels = vec![json!(1); 100_001];
    assert_eq!(kind(&stored(&classifier(&json_labels(&labels)))), ErrorKind::InvalidModel);
}

/// A NumPy number of 64 bits without dimensions.
fn npy_scalar(number: i64) -> Vec<u8> {
    let header = format!("{:<117}\n", "{'descr': '<i8', 'fortran_order': False, 'shape': (), }");
    [b"\x93NUMPY\x01\x00\x76\x00", header.as_bytes(), &number.to_le_bytes()].concat()
}

#[test]
fn the_best_iteration_may_be_numpys() {
    let with_best = |best: Value| {
        let attributes = json!({"_handle": json_node(&json!("tree\n")), "best_iteration": best});
        let schema = object("lightgbm.basic", "Booster", &attributes).to_string();
        let members = [("schema.json", schema.as_bytes()), ("7.npy", &npy_scalar(5))];
        read(&archive(CompressionMethod::Stored, &members)).map(|model| model.best_iteration)
    };
    let numpy = json!({"__class__": "int64", "__module__": "numpy", "__loader__": "NdArrayNode", "type": "numpy", "file": "7.npy"});
    assert_eq!(with_best(numpy).unwrap(), Some(5));
    assert_eq!(with_best(json_node(&json!(-1))).unwrap(), None);
    assert_eq!(with_best(json_node(&json!(null))).unwrap(), None);
    for unreadable in [json_node(&json!(5.0)), json!({"__loader__": "ObjectNode", "content": {"a": 1}})] {
        assert_eq!(with_best(unreadable).unwrap_err().kind(), ErrorKind::InvalidModel);
    }
}

#[test]
fn early_stopped_predictions_are_refused() {
    let regressor = |flag: Value| {
        let attributes = json!({"_Booster": booster(), "pred_early_stop": json_node(&flag)});
        read(&stored(&object("lightgbm.sklearn", "LGBMRegressor", &attributes)))
    };
    for flag in [json!(true), json!(1), json!("true")] {
        assert_eq!(regressor(flag).unwrap_err().kind(), ErrorKind::UnsupportedModel);
    }
    assert!(regressor(json!(false)).is_ok());
}
