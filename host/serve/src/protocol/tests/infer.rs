//! Requests of the Open Inference Protocol, and answers.

use hydra_lightgbm::labels::ClassLabels;
use serde_json::{Value, json};

use super::{LIMITS, bits, cause, of_values, regression, schema};
use crate::options::NonFinite;
use crate::protocol::rows::{Cause, Datatype, Limits, Rows, Schema, Wanted};
use crate::protocol::{Forms, Output};

fn read(schema: &Schema, request: &Value) -> Result<Rows, crate::protocol::Refusal> {
    Rows::from_infer(schema, &LIMITS, None, request.to_string().as_bytes())
}

fn matrix(data: &Value) -> Value {
    json!({"inputs": [{"name": "x", "shape": [2, 5], "datatype": "FP64", "data": data}]})
}

/// A request whose tensors follow the JSON.
fn binary(request: &Value, raw: &[&[u8]]) -> (Vec<u8>, usize) {
    let json = request.to_string().into_bytes();
    let length = json.len();
    ([json, raw.concat()].concat(), length)
}

#[test]
fn both_layouts_are_the_same_matrix() {
    let schema = regression();
    let expected = of_values(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0]);
    let flat = matrix(&json!([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]));
    let nested = matrix(&json!([[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]]));
    let column = |name: &str, shape: Value, kind: &str, data: Value| json!({"name": name, "shape": shape, "datatype": kind, "data": data});
    let columns = json!({"parameters": {"content_type": "pd"}, "inputs": [
        column("f4", json!([2, 1]), "FP32", json!([[5], [10]])),
        column("id", json!([2]), "BYTES", json!(["a", "b"])),
        column("f1", json!([2]), "INT64", json!([2, 7])),
        column("f0", json!([2]), "UINT8", json!([1, 6])),
        column("f2", json!([2, 1]), "INT16", json!([3, 8])),
        column("f3", json!([2]), "FP64", json!([4, 9.0])),
    ]});
    for (request, ignored) in [(&flat, 0), (&nested, 0), (&columns, 1)] {
        let rows = read(&schema, request).unwrap();
        assert_eq!(bits(&rows), expected, "{request}");
        assert_eq!((rows.len(), rows.ignored()), (2, ignored));
        assert_eq!(rows.wanted(), &Wanted::default());
    }
}

#[test]
fn members_come_in_any_order() {
    let schema = regression();
    let body = r#"{"outputs":[],"x":{},"inputs":[{"data":[1,2,3,4,5],"parameters":{"y":"z"},"datatype":"FP64","shape":[1,5],"name":"x","shape":[1,5]}],"id":"é\u0041"}"#;
    let rows = Rows::from_infer(&schema, &LIMITS, None, body.as_bytes()).unwrap();
    assert_eq!(bits(&rows), of_values(&[1.0, 2.0, 3.0, 4.0, 5.0]));
    assert_eq!(rows.wanted().id.as_deref(), Some("éA"));
    // The last of equal keys wins.
    let body = r#"{"inputs":7,"inputs":[{"name":"x","shape":[1,5],"data":[1,2,3,4,5],"datatype":"INT8","datatype":"FP64","data":[9,2,3,4,0.5]}]}"#;
    let rows = Rows::from_infer(&schema, &LIMITS, None, body.as_bytes()).unwrap();
    assert_eq!(bits(&rows), of_values(&[9.0, 2.0, 3.0, 4.0, 0.5]));
}

#[test]
fn tensors_may_follow_the_json() {
    let schema = regression();
    let values = [0.1, f64::NAN, -0.0, f64::INFINITY, 5e-324];
    let raw: Vec<u8> = values.iter().flat_map(|value| f64::to_le_bytes(*value)).collect();
    let request = json!({"parameters": {"binary_data_output": true}, "inputs": [
        {"name": "x", "shape": [1, 5], "datatype": "FP64", "parameters": {"binary_data_size": 40}},
    ]});
    let (body, length) = binary(&request, &[&raw]);
    let rows = Rows::from_infer(&schema, &LIMITS, Some(length), &body).unwrap();
    assert_eq!(bits(&rows), of_values(&values));
    assert!(rows.wanted().binary);

    // One column of each kind, in JSON and after it.
    let input = |name: &str, kind: &str, size: usize| json!({"name": name, "shape": [2], "datatype": kind, "parameters": {"binary_data_size": size}});
    let request = json!({"outputs": [{"name": "predict", "parameters": {"binary_data": false}}], "inputs": [
        input("f4", "INT8", 2),
        {"name": "f1", "shape": [2], "datatype": "FP64", "data": [0.5, null]},
        input("f0", "FP16", 4),
        input("f3", "BOOL", 2),
        input("id", "BYTES", 9),
        input("f2", "FP32", 8),
    ], "parameters": {"binary_data_output": true}});
    let (body, length) = binary(
        &request,
        &[
            &[1, 0xff],
            &[0, 0x3c, 0, 0xc0],
            &[1, 0],
            b"\x01\0\0\0a\0\0\0\0",
            &[0, 0, 0, 0x40, 0, 0, 0x80, 0x3f],
        ],
    );
    let rows = Rows::from_infer(&schema, &LIMITS, Some(length), &body).unwrap();
    let expected = [1.0, 0.5, 2.0, 1.0, 1.0, -2.0, f64::NAN, 1.0, 0.0, -1.0];
    assert_eq!((bits(&rows), rows.ignored()), (of_values(&expected), 1));
    assert!(!rows.wanted().binary);

    for (body, length) in [
        (&body[..], Some(body.len() + 1)),
        (&body[..body.len() - 1], Some(length)),
        (&[&body[..], b"x"].concat(), Some(length)),
        (&body[..], None),
        (&body[..], Some(0)),
        (&body[..], Some(length - 1)),
    ] {
        let refused = cause(Rows::from_infer(&schema, &LIMITS, length, body));
        assert!(matches!(refused, Some(Cause::Form | Cause::Shape | Cause::Json)), "{refused:?}");
    }
}

#[test]
fn what_is_not_a_table_is_refused() {
    let schema = regression();
    let tensor = |shape: Value, kind: &str, data: Value| json!({"inputs": [{"name": "x", "shape": shape, "datatype": kind, "data": data}]});
    let five = || json!([1, 2, 3, 4, 5]);
    let pair =
        |name: &str, shape: Value| json!({"name": name, "shape": shape, "datatype": "FP64", "data": [1, 2]});
    for (request, expected) in [
        (json!([]), Cause::Form),
        (json!({}), Cause::Form),
        (json!({"inputs": []}), Cause::Form),
        (json!({"inputs": {}}), Cause::Form),
        (json!({"inputs": [1]}), Cause::Form),
        (json!({"inputs": [{}]}), Cause::Form),
        (json!({"inputs": [{"name": 7, "shape": [1, 5], "datatype": "FP64", "data": five()}]}), Cause::Form),
        (json!({"inputs": [{"name": "x", "shape": [1, 5], "datatype": "FP64"}]}), Cause::Form),
        (tensor(json!([1, 5]), "FP128", five()), Cause::Datatype),
        (tensor(json!([5]), "FP64", five()), Cause::Columns),
        (tensor(json!([1, 1, 5]), "FP64", five()), Cause::Shape),
        (tensor(json!([]), "FP64", five()), Cause::Shape),
        (tensor(json!([-1, 5]), "FP64", five()), Cause::Shape),
        (tensor(json!(["1", 5]), "FP64", five()), Cause::Form),
        (tensor(json!([2, 5]), "FP64", five()), Cause::Shape),
        (tensor(json!([0, 5]), "FP64", json!([])), Cause::NoRows),
        (tensor(json!([9007199254740992_u64, 9007199254740992_u64]), "FP64", five()), Cause::Shape),
        (tensor(json!([1, 4]), "FP64", json!([1, 2, 3, 4])), Cause::Columns),
        (tensor(json!([1, 5]), "BYTES", json!(["1", "2", "3", "4", "5"])), Cause::Value),
        (tensor(json!([1, 5]), "INT32", json!([1, 2, 3, 4, 5.5])), Cause::Value),
        (json!({"inputs": [pair("f0", json!([2])), pair("f1", json!([2]))]}), Cause::Columns),
        (json!({"inputs": [pair("f0", json!([2])), pair("f1", json!([1, 2]))]}), Cause::Shape),
        (json!({"id": 7, "inputs": []}), Cause::Form),
        (json!({"outputs": [{}], "inputs": []}), Cause::Output),
        (
            json!({"parameters": {"raw_score": 1}, "inputs": tensor(json!([1, 5]), "FP64", five())["inputs"]}),
            Cause::Params,
        ),
        (
            json!({"outputs": [{"name": "output-0"}], "inputs": tensor(json!([1, 5]), "FP64", five())["inputs"]}),
            Cause::Output,
        ),
    ] {
        assert_eq!(cause(read(&schema, &request)), Some(expected), "{request}");
    }
    let wide = json!({"inputs": vec![pair("f0", json!([2])); 3]});
    let few = Limits { columns: 2, ..LIMITS };
    assert_eq!(
        cause(Rows::from_infer(&schema, &few, None, wide.to_string().as_bytes())),
        Some(Cause::ColumnCount)
    );
    let few = Limits { rows: 1, ..LIMITS };
    let two = matrix(&json!([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]));
    assert_eq!(
        cause(Rows::from_infer(&schema, &few, None, two.to_string().as_bytes())),
        Some(Cause::RowCount)
    );
}

#[test]
fn columns_of_text_are_categories() {
    let schema = schema("models/binary_cat/booster");
    let column = |name: &str, kind: &str, data: Value| json!({"name": name, "shape": [2], "datatype": kind, "data": data});
    let request = |city: Value, tier: Value| json!({"inputs": [column("zeros", "INT8", json!([0, 1])), city, tier, column("num", "FP64", json!([0.5, null]))]});
    let city = || column("city", "BYTES", json!(["Bonn", null]));
    let rows = read(&schema, &request(city(), column("tier", "INT32", json!([20, 99])))).unwrap();
    let values = rows.matrix().to_row_major();
    let csv = bytes::Bytes::from_static(b"num,city,tier,zeros\n0.5,Bonn,20,0\n,,99,1\n");
    let expected = Rows::from_table(&schema, &LIMITS, crate::protocol::TableFormat::Csv, &csv).unwrap();
    assert_eq!(bits(&rows), bits(&expected), "{values:?}");
    for request in [
        request(column("city", "FP64", json!([0, 1])), column("tier", "INT32", json!([20, 30]))),
        request(city(), column("tier", "BYTES", json!(["20", "30"]))),
    ] {
        assert_eq!(cause(read(&schema, &request)), Some(Cause::Value), "{request}");
    }
}

#[test]
fn answers_have_the_type_and_shape_of_the_output() {
    let values = |values: &[f64], width| Output::Values { values: values.to_vec(), width };
    let wanted = Wanted { id: Some("a\"7".to_owned()), binary: false };
    for (output, datatype, shape, flat, nested) in [
        (values(&[0.1, 1e300], 1), Datatype::Fp64, [2, 1], json!([0.1, 1e300]), None),
        (
            values(&[0.5, -0.0, 1e-7, 4.0], 2),
            Datatype::Fp64,
            [2, 2],
            json!([0.5, -0.0, 1e-7, 4.0]),
            Some(json!([[0.5, -0.0], [1e-7, 4.0]])),
        ),
        (
            Output::Leaves { leaves: vec![1, 2, 3], width: 3 },
            Datatype::Int32,
            [1, 3],
            json!([1, 2, 3]),
            Some(json!([[1, 2, 3]])),
        ),
        (Output::Labels(ClassLabels::Ints(vec![-7, 8])), Datatype::Int64, [2, 1], json!([-7, 8]), None),
        (Output::Labels(ClassLabels::Bools(vec![true])), Datatype::Bool, [1, 1], json!([true]), None),
        (Output::Labels(ClassLabels::Floats(vec![0.5])), Datatype::Fp64, [1, 1], json!([0.5]), None),
        (
            Output::Labels(ClassLabels::Strings(vec!["é\"".to_owned()])),
            Datatype::Bytes,
            [1, 1],
            json!(["é\""]),
            None,
        ),
    ] {
        assert_eq!((output.datatype(), output.shape()), (datatype, shape));
        let body = output.infer("m", "7", &wanted);
        let tensor = json!({"name": "predict", "shape": shape, "datatype": datatype.as_str(), "data": flat});
        let expected = json!({"model_name": "m", "model_version": "7", "id": "a\"7", "outputs": [tensor]});
        assert_eq!(serde_json::from_slice::<Value>(&body.bytes).unwrap(), expected);
        assert_eq!(body.json_length, None);

        let body = output.infer("m", "7", &Wanted { id: None, binary: true });
        let (text, raw) = body.bytes.split_at(body.json_length.unwrap());
        let answer: Value = serde_json::from_slice(text).unwrap();
        assert_eq!(answer["outputs"][0]["parameters"]["binary_data_size"], json!(raw.len()));
        assert!(answer["outputs"][0].get("data").is_none() && answer.get("id").is_none());
        assert!(datatype.decode(raw, shape[0] * shape[1]).is_ok());

        let body = output.predictions(NonFinite::Null);
        assert_eq!(
            serde_json::from_slice::<Value>(&body.bytes).unwrap(),
            json!({"predictions": nested.unwrap_or(flat)})
        );
    }
}

#[test]
fn what_json_has_no_number_for_is_null_or_bare() {
    let values = vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.0];
    let output = Output::Values { values, width: 1 };
    let text = |non_finite| String::from_utf8(output.predictions(non_finite).bytes.to_vec()).unwrap();
    assert_eq!(text(NonFinite::Null), r#"{"predictions":[null,null,null,1.0]}"#);
    assert_eq!(text(NonFinite::Bare), r#"{"predictions":[NaN,Infinity,-Infinity,1.0]}"#);
    for usual in [NonFinite::Null, NonFinite::Bare] {
        assert_eq!(usual.of_query(Some("a=b&nan=bare")), Ok(NonFinite::Bare));
        assert_eq!(usual.of_query(Some("nan=null")), Ok(NonFinite::Null));
        assert_eq!(usual.of_query(Some("nan=x")).unwrap_err().cause(), Cause::Params);
        assert_eq!((usual.of_query(None), usual.of_query(Some("a=b"))), (Ok(usual), Ok(usual)));
    }
}

#[test]
fn no_answer_is_longer_than_was_expected() {
    /// What an answer has besides its values.
    const FRAME: usize = 400;
    for case in ["regression", "binary_int", "binary_bool", "binary_str", "multi_int", "multi_str"] {
        for format in ["booster", "pickle"] {
            let schema = schema(&format!("models/{case}/{format}"));
            for (leaf, raw, count) in [
                (false, false, None),
                (false, true, None),
                (true, false, None),
                (true, false, Some(2)),
                (false, true, Some(1_000_000)),
            ] {
                let params = json!({"pred_leaf": leaf, "raw_score": raw, "num_iteration": count});
                let row: Vec<f64> = (0..schema.width()).map(|column| column as f64 / 3.0).collect();
                let request = json!({"instances": vec![row; 700], "params": params});
                let body = request.to_string();
                let rows = Rows::from_json(&schema, &LIMITS, Forms::MLflow, body.as_bytes()).unwrap();
                let output = schema.predict(&rows).unwrap();
                let (text, raw) = (Wanted::default(), Wanted { id: None, binary: true });
                let most = |wanted: &Wanted| rows.len() * schema.longest_row(rows.params(), wanted) + FRAME;
                for length in [
                    output.predictions(NonFinite::Bare).bytes.len(),
                    output.infer("m", "7", &text).bytes.len(),
                ] {
                    assert!(length <= most(&text), "{case} {format} {params}: {length}");
                }
                let length = output.infer("m", "7", &raw).bytes.len();
                assert!(length <= most(&raw), "{case} {format} {params}: {length}");
                assert!(most(&text) < 16 * length + FRAME, "{case} {format} {params}: {}", most(&text));
            }
        }
    }
}

#[test]
fn metadata_describes_columns_or_a_matrix() {
    let described = schema("serving/visits").metadata("churn", "7");
    assert_eq!(
        described,
        json!({"name": "churn", "versions": ["7"], "platform": "lightgbm_text",
            "inputs": [
                {"name": "age", "datatype": "FP64", "shape": [-1, 1]},
                {"name": "visits", "datatype": "INT64", "shape": [-1, 1]},
            ],
            "outputs": [{"name": "predict", "datatype": "FP64", "shape": [-1, 1]}]})
    );
    for (path, datatype, width) in [
        ("models/multi_int/booster", "FP64", 3),
        ("models/multi_str/skops", "BYTES", 1),
        ("models/binary_bool/pickle", "BOOL", 1),
        ("models/binary_int/skops", "INT64", 1),
    ] {
        let schema = schema(path);
        let outputs = schema.metadata("m", "1")["outputs"].take();
        assert_eq!(
            outputs,
            json!([{"name": "predict", "datatype": datatype, "shape": [-1, width]}]),
            "{path}"
        );
        // As answered.
        let rows = read(&schema, &matrix(&json!([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]))).unwrap();
        let output = schema.predict(&rows).unwrap();
        assert_eq!((output.datatype().as_str(), output.shape()), (datatype, [2, width]), "{path}");
    }
    let inputs = schema("models/binary_cat/booster").inputs();
    let types: Vec<_> = inputs.iter().map(|input| (input.name.as_str(), input.datatype.as_str())).collect();
    assert_eq!(types, [("num", "FP64"), ("city", "BYTES"), ("tier", "FP64"), ("zeros", "FP64")]);
}
