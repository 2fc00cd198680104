use std::time::{Duration, SystemTime};

use super::*;
use hydra_base::ErrorKind;

fn parse(text: &str) -> hydra_base::Result<MlModel> {
    MlModel::parse(text.as_bytes(), &MlModelLimits::default())
}

fn kind(text: &str) -> ErrorKind {
    parse(text).unwrap_err().kind()
}

fn directory(identity: Identity) -> ModelDirectory {
    // 2026-11-23T13:20:21.691562Z.
    let created = SystemTime::UNIX_EPOCH + Duration::from_micros(1_795_440_021_691_562);
    ModelDirectory::new(identity, 4850, created)
        .run_id("7fc04ac4e8e94f0c9ea4f4ac6a4a0e12")
        .signature(Some(Signature::of_booster(&["height", "größe \"😀\""], 1)))
}

fn logged_model() -> Identity {
    Identity::LoggedModel {
        model_id: "m-8485000000000000000000000000abcd".to_owned(),
        artifact_uri: "mlflow-artifacts:/1/models/m-8485000000000000000000000000abcd/artifacts".to_owned(),
    }
}

fn run_artifact() -> Identity {
    Identity::RunArtifact {
        artifact_path: "model".to_owned(),
        model_uuid: "00000000000000000000000000001e10".to_owned(),
    }
}

#[test]
fn the_shortest_mlmodel_is_a_booster() {
    let model = parse("flavors: {lightgbm: {data: model.lgb}}").unwrap();
    assert_eq!(model.lightgbm.data, "model.lgb");
    assert_eq!(model.lightgbm.model_class, BOOSTER_CLASS);
    assert_eq!(model.lightgbm.serialization_format, None);
    assert_eq!(model.signature, None);
}

#[test]
fn json_syntax_is_read_too() {
    let text = "{\n\t\"flavors\": {\"lightgbm\": {\"data\": \"sub/model.pkl\", \"model_class\": null}},\n\t\"x\": [1]}";
    assert_eq!(parse(text).unwrap().lightgbm.data, "sub/model.pkl");
}

#[test]
fn what_python_wrote_is_read() {
    let text = r#"
artifact_path: model
flavors:
  lightgbm:
    code: null
    data: model.skops
    lgb_version: 4.7.0
    model_class: lightgbm.sklearn.LGBMClassifier
    serialization_format: skops
    skops_trusted_types:
    - lightgbm.basic.Booster
  python_function:
    data: model.skops
    env: {conda: conda.yaml, virtualenv: python_env.yaml}
    loader_module: mlflow.lightgbm
mlflow_version: 3.17.2
model_id: null
model_uuid: 12345678901234567890123456789012
run_id: 1e10
signature:
  inputs: '[{"type": "double", "name": "f0", "required": true}, {"type": "long",
    "name": "f1", "optional": true}]'
  outputs: '[{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}]'
  params: null
utc_time_created: '2026-11-23 13:52:42.925855'
"#;
    let model = parse(text).unwrap();
    assert_eq!(model.lightgbm.serialization_format.as_deref(), Some("skops"));
    assert_eq!(model.lightgbm.lgb_version.as_deref(), Some("4.7.0"));
    assert_eq!(model.model_uuid.as_deref(), Some("12345678901234567890123456789012"));
    assert_eq!(model.run_id.as_deref(), Some("1e10"));
    assert_eq!(model.model_id, None);
    let inputs = model.signature.unwrap().inputs;
    assert_eq!(inputs[0].name.as_deref(), Some("f0"));
    assert!(inputs[0].required && !inputs[1].required);
    assert_eq!(inputs[1].kind, "long");
}

#[test]
fn other_flavors_are_named() {
    let error = parse("flavors: {xgboost: {data: model.xgb}, python_function: {}}").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnsupportedModel);
    assert_eq!(error.to_string(), "the model has no lightgbm flavor (flavors: python_function, xgboost)");
}

#[test]
fn the_flavor_of_scikit_learn_stands_in_for_that_of_lightgbm() {
    let sklearn =
        "sklearn: {pickled_model: m.pkl, serialization_format: cloudpickle, sklearn_version: 1.9.1}";
    let read = parse(&format!("flavors: {{{sklearn}, python_function: {{}}}}")).unwrap().lightgbm;
    assert_eq!((read.data.as_str(), read.model_class.as_str()), ("m.pkl", SKLEARN_CLASS));
    assert_eq!(read.serialization_format.as_deref(), Some("cloudpickle"));
    let both = parse(&format!("flavors: {{{sklearn}, lightgbm: {{data: model.lgb}}}}")).unwrap().lightgbm;
    assert_eq!((both.data.as_str(), both.model_class.as_str()), ("model.lgb", BOOSTER_CLASS));
    assert_eq!(kind("flavors: {sklearn: {}}"), ErrorKind::InvalidModel);
    assert_eq!(kind("flavors: {sklearn: {pickled_model: ../m.pkl}}"), ErrorKind::Untrusted);
}

#[test]
fn data_paths_cannot_leave_the_directory() {
    for path in [
        "../model.pkl",
        "/etc/passwd",
        "a/../../b",
        "a\\b",
        "C:x",
        "s3://b/k",
        "",
        "a//b",
        "./a",
        "a/",
        "a\u{1b}b",
    ] {
        let text = serde_json::json!({"flavors": {"lightgbm": {"data": path}}}).to_string();
        assert_eq!(kind(&text), ErrorKind::Untrusted, "{path:?}");
    }
}

#[test]
fn damage_is_an_error() {
    for text in [
        "",
        "flavors",
        "flavors: []",
        "flavors: {lightgbm: 3}",
        "flavors: {lightgbm: {}}",
        "flavors: {lightgbm: {data: [a]}}",
        "{\"flavors\": {\"lightgbm\": {\"data\": \"m\"}}",
        "flavors: {lightgbm: {data: m}}\nflavors: {lightgbm: {data: n}}",
        "flavors: {lightgbm: {data: m}}\nsignature: {inputs: '[{'}",
        "flavors: {lightgbm: {data: m}}\n---\nflavors: {lightgbm: {data: n}}",
        "flavors: &a {lightgbm: *a}",
    ] {
        assert_eq!(kind(text), ErrorKind::InvalidModel, "{text:?}");
    }
    let not_utf8 = MlModel::parse(b"flavors: \xff", &MlModelLimits::default());
    assert_eq!(not_utf8.unwrap_err().kind(), ErrorKind::InvalidModel);
}

#[test]
fn bombs_are_refused_quickly() {
    let mut aliases = vec!["a0: &a0 [x,x,x,x,x,x,x,x,x,x]".to_owned()];
    for level in 1..12 {
        let below = format!("*a{},", level - 1).repeat(10);
        aliases.push(format!("a{level}: &a{level} [{below}]"));
    }
    let aliases = aliases.join("\n");
    let deep_flow = format!("x: {}", "[".repeat(100_000));
    let deep_block = (0..2_000).map(|level| " ".repeat(level) + "a:\n").collect::<String>();
    let deep_json = format!("{{\"x\": {}", "[".repeat(100_000));
    let wide = "- x\n".repeat(200_000);
    let started = std::time::Instant::now();
    for text in [&aliases, &deep_flow, &deep_json, &wide, &"x".repeat(2 << 20)] {
        assert_eq!(kind(text), ErrorKind::InvalidModel, "{}", &text[..40]);
    }
    assert_eq!(kind(&deep_block), ErrorKind::InvalidModel);
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}

#[test]
fn what_is_written_is_read_back() {
    for identity in [logged_model(), run_artifact()] {
        let directory = directory(identity.clone());
        let files = directory.files();
        let names: Vec<&str> = files.iter().map(|file| file.name).collect();
        assert_eq!(names, ["requirements.txt", "python_env.yaml", "conda.yaml", "MLmodel"]);
        let model = parse(&files[3].text).unwrap();
        assert_eq!(model.lightgbm.data, BOOSTER_FILE);
        assert_eq!(model.lightgbm.model_class, BOOSTER_CLASS);
        assert_eq!(model.run_id, directory.run_id);
        assert_eq!(model.signature, directory.signature);
        assert_eq!(model.utc_time_created.as_deref(), Some("2026-11-23 13:20:21.691562"));
        match identity {
            Identity::LoggedModel { model_id, .. } => assert_eq!(model.model_id, Some(model_id)),
            Identity::RunArtifact { model_uuid, .. } => assert_eq!(model.model_uuid, Some(model_uuid)),
        }
    }
}

#[test]
fn the_written_files_look_like_this() {
    insta::assert_snapshot!(directory(run_artifact()).mlmodel(), @r#"
    artifact_path: "model"
    flavors:
      lightgbm:
        code: null
        data: "model.lgb"
        lgb_version: "4.7.0"
        model_class: "lightgbm.basic.Booster"
      python_function:
        data: "model.lgb"
        env:
          conda: "conda.yaml"
          virtualenv: "python_env.yaml"
        loader_module: "mlflow.lightgbm"
        python_version: "3.11.7"
    mlflow_version: "3.17.2"
    model_uuid: "00000000000000000000000000001e10"
    model_size_bytes: 4850
    run_id: "7fc04ac4e8e94f0c9ea4f4ac6a4a0e12"
    signature:
      inputs: "[{\"name\":\"height\",\"required\":true,\"type\":\"double\"},{\"name\":\"gr\U000000f6\U000000dfe \\\"\U0001f600\\\"\",\"required\":true,\"type\":\"double\"}]"
      outputs: "[{\"tensor-spec\":{\"dtype\":\"float64\",\"shape\":[-1]},\"type\":\"tensor\"}]"
      params: null
    utc_time_created: "2026-11-23 13:20:21.691562"
    "#);
    insta::assert_snapshot!(directory(run_artifact()).files()[2].text, @r#"
    channels:
    - "conda-forge"
    dependencies:
    - "python=3.11.7"
    - "pip"
    - pip:
      - "mlflow==3.17.2"
      - "lightgbm==4.7.0"
    name: "mlflow-env"
    "#);
}

#[test]
fn every_fixture_of_python_is_read() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/models");
    let mut read = 0;
    for case in std::fs::read_dir(&root).unwrap() {
        let case = case.unwrap().path();
        let formats = if case.is_dir() { std::fs::read_dir(&case).unwrap().collect() } else { Vec::new() };
        for format in formats {
            let directory = format.unwrap().path();
            let Ok(bytes) = std::fs::read(directory.join(MLMODEL_FILE)) else { continue };
            let model = MlModel::parse(&bytes, &MlModelLimits::default()).unwrap();
            assert!(directory.join(&model.lightgbm.data).is_file());
            assert!(model.lightgbm.model_class.starts_with("lightgbm."));
            read += 1;
        }
    }
    assert!(read >= 42, "{read}");
}
