//! Params of a configuration, and values set in it.

use super::*;
use serde_json::json;

#[test]
fn nested_keys_are_dotted_strings_bare_and_the_rest_json() {
    let config = json!({
        "seed": 7, "lr": 0.1, "name": "a \"b\"", "on": true, "none": null, "list": [1, "x"],
        "data": {"rows": 569, "columns": {"n": 30}}, "empty": {}
    });
    let mut params = flatten(&config).expect("params");
    params.sort();
    let expected = [
        ("data.columns.n", "30"),
        ("data.rows", "569"),
        ("empty", "{}"),
        ("list", "[1,\"x\"]"),
        ("lr", "0.1"),
        ("name", "a \"b\""),
        ("none", "null"),
        ("on", "true"),
        ("seed", "7"),
    ];
    assert_eq!(params, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
}

#[test]
fn a_value_is_set_where_its_key_says() {
    let set_in = |mut config: Value, path: &str| {
        set(config.as_object_mut().expect("an object"), path, json!(9)).map(|()| config)
    };
    for (before, path, after) in [
        (json!({}), "a", json!({"a": 9})),
        (json!({}), "a.b.c", json!({"a": {"b": {"c": 9}}})),
        (json!({"data": {"rows": 1, "label": "y"}}), "data.rows", json!({"data": {"rows": 9, "label": "y"}})),
        (json!({"data": {"rows": 1}}), "data", json!({"data": 9})),
        (json!({"a.b": 1}), "a.b", json!({"a.b": 9})),
        (json!({"a": {"b.c": 1}}), "a.b.c", json!({"a": {"b.c": 9}})),
    ] {
        let config = set_in(before, path).expect(path);
        assert_eq!(config, after, "{path}");
        flatten(&config).expect("no two values of one key");
    }
    for (before, path, parent) in
        [(json!({"a": 1}), "a.b", "`a`"), (json!({"a": {"b": [1]}}), "a.b.c.d", "`a.b`")]
    {
        let error = set_in(before, path).expect_err(path);
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.message().contains(&format!("{parent} is not an object")), "{error}");
    }
}

#[test]
fn colliding_and_illegal_keys_are_refused() {
    let error = flatten(&json!({"a.b": 1, "a": {"b": 2}})).expect_err("a collision");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let error = flatten(&json!({"k".repeat(251): 1})).expect_err("a long key");
    assert_eq!(error.kind(), ErrorKind::InvalidName);
    assert_eq!(flatten(&json!([1])).expect_err("no object").kind(), ErrorKind::InvalidArgument);
}
