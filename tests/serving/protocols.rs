//! Every route, and MLflow's own client.

use serde_json::json;

use super::process::{JSON, Serving, split};
use super::{ROWS, expected, project};
use crate::support::backends::fresh_name;
use crate::support::binary::Project;
use crate::support::model;
use crate::support::python;
use crate::support::server::NEWEST;

#[test]
fn every_route_answers() {
    let project = project(&["regression"]);
    let serving = Serving::start(&project, &["--grpc", "127.0.0.1:0"]);
    let name = serving.model()["name"].as_str().expect("a name").to_owned();
    assert_eq!(serving.get("/").json()["status"], "alive");
    for path in ["/ping", "/health"] {
        let answer = serving.get(path);
        assert_eq!((answer.status, answer.text().as_str()), (200, "\n"), "{path}");
    }
    assert_eq!(serving.get("/version").text(), env!("CARGO_PKG_VERSION"));
    assert_eq!(serving.get("/v2").json()["extensions"], json!(["binary_tensor_data"]));
    assert_eq!(serving.get("/v2/health/live").json(), json!({"live": true}));
    assert_eq!(serving.get("/v2/health/ready").json(), json!({"ready": true}));
    for path in ["/v1/models", "/v2/models"] {
        assert_eq!(serving.get(path).json(), json!({"models": [name]}), "{path}");
    }
    assert_eq!(serving.get(&format!("/v1/models/{name}")).json(), json!({"name": name, "ready": true}));
    let metadata = serving.get(&format!("/v2/models/{name}/versions/1")).json();
    assert_eq!((&metadata["name"], &metadata["versions"]), (&json!(name), &json!(["1"])));
    assert_eq!(metadata["inputs"][4]["name"], "f4");
    for (path, status) in [
        (format!("/v2/models/{name}/ready"), 200),
        (format!("/v2/models/{name}/versions/1/ready"), 200),
        (format!("/v2/models/{name}/versions/2/ready"), 404),
        ("/v2/models/other/ready".to_owned(), 404),
        ("/v2/other".to_owned(), 404),
        ("/other".to_owned(), 404),
        ("/invocations".to_owned(), 405),
    ] {
        assert_eq!(serving.get(&path).status, status, "{path}");
    }

    let predictions = json!(expected("regression"));
    let post = |path: &str, body: &serde_json::Value| {
        let answer = serving.connect().ask("POST", path, &[JSON], body.to_string().as_bytes());
        assert_eq!((answer.status, answer.version()), (200, "1"), "{path}: {}", answer.text());
        answer.json()
    };
    assert_eq!(post("/invocations", &split(&ROWS))["predictions"], predictions);
    let instances = json!({"instances": ROWS});
    assert_eq!(post(&format!("/v1/models/{name}:predict"), &instances)["predictions"], predictions);
    let tensor = json!({"id": "7", "inputs": [
        {"name": "x", "shape": [4, 5], "datatype": "FP64", "data": ROWS.as_flattened()}
    ]});
    for path in [format!("/v2/models/{name}/infer"), format!("/v2/models/{name}/versions/1/infer")] {
        let answer = post(&path, &tensor);
        assert_eq!(answer["outputs"][0]["data"], predictions, "{path}");
        assert_eq!((&answer["id"], &answer["model_version"]), (&json!("7"), &json!("1")), "{path}");
    }
    for protocol in ["mlflow", "v1", "v2"] {
        let label = format!(r#"protocol="{protocol}""#);
        assert!(serving.metric("hydra_serve_requests_total", &[&label]) >= 1.0, "{protocol}");
        assert!(serving.metric("hydra_serve_latency_seconds_count", &[&label]) >= 1.0, "{protocol}");
    }
    assert!(serving.metric("hydra_serve_resident_memory_bytes", &[]) > 1e6);
}

#[test]
fn several_models_are_served_under_their_names() {
    let first = project(&["regression"]);
    let second = format!("{}-too", fresh_name("serving"));
    let log = ["--model", &second, "log-candidate", &model("binary_int"), "--metric", "auc=1"];
    first.json(log);
    first.json(["--model", &second, "promote"]);
    let name = first.json(["champion"])["model"].as_str().expect("a name").to_owned();
    let serving = Serving::start(&first, &[&name, &second]);
    let ask = |path: &str| {
        let answer = serving.connect().ask("POST", path, &[JSON], split(&ROWS).to_string().as_bytes());
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()["predictions"].clone()
    };
    assert_eq!(ask("/invocations"), json!(expected("regression")));
    let instances = json!({"instances": ROWS}).to_string();
    for (name, case) in [(&name, "regression"), (&second, "binary_int")] {
        let path = format!("/v1/models/{name}:predict");
        let answer = serving.connect().ask("POST", &path, &[JSON], instances.as_bytes());
        assert_eq!(answer.json()["predictions"], json!(expected(case)), "{path}");
    }
}

#[test]
fn mlflows_own_client_gets_its_predictions() {
    let project = Project::new(None, &fresh_name("client"));
    let serving = Serving::start(&project, &["--model-file", &model("regression")]);
    let (port, rows) = (serving.http.port().to_string(), json!(ROWS).to_string());
    let answers = python::ask(NEWEST, "score.py", &[&port, &rows]);
    assert_eq!(answers["frame"], json!(expected("regression")));
    assert_eq!(answers["array"], json!(expected("regression")));
    assert_eq!(answers["missing"].as_array().expect("a list").len(), 4);
    assert!(
        answers["refused"].as_str().expect("a message").contains("the columns are not those of the model")
    );
}

#[test]
fn sagemaker_starts_it_with_one_word() {
    let project = Project::new(None, &fresh_name("sagemaker"));
    let file = model("regression");
    let variables = [("HYDRA_SERVE_MODEL_FILE", file.as_str()), ("HYDRA_SERVE_LISTEN", "127.0.0.1:0")];
    let mut command = project.command(["serve"]);
    let command = command.envs(variables).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().expect("the server starts");
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().expect("its log")));
    let line = lines.next().expect("a line").expect("text");
    let event: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(event["message"], "listening", "{line}");
    let address = event["http"].as_str().expect("an address").parse().expect("an address");
    let mut connection = super::client::Connection::open(address);
    while connection.ask("GET", "/ping", &[], b"").status != 200 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let answer = connection.ask("POST", "/invocations", &[JSON], split(&ROWS).to_string().as_bytes());
    assert_eq!(answer.json()["predictions"], json!(expected("regression")));
    child.kill().expect("its end");
    child.wait().expect("its end");
}

/// Triton's clients send raw tensors by default, over HTTP and gRPC.
#[test]
#[ignore = "installs Triton's clients; `cargo xtask test --all` runs it"]
fn the_clients_of_triton_are_answered() {
    let project = project(&["regression"]);
    let serving = Serving::start(&project, &["--grpc", "127.0.0.1:0"]);
    let name = serving.model()["name"].as_str().expect("a name").to_owned();
    let (http, grpc) = (serving.http.to_string(), serving.grpc.expect("an address of gRPC").to_string());
    let rows = json!(ROWS).to_string();
    let said = python::ask("serving", "triton_clients.py", &[&http, &grpc, &name, &rows]);
    assert_eq!(said["version"], "1");
    let ways = said.as_object().expect("an object");
    assert_eq!(ways.len(), 8, "{said}");
    for (way, predictions) in ways.iter().filter(|(way, _)| *way != "version") {
        assert_eq!(*predictions, json!(expected("regression")), "{way}");
    }
}

/// KServe's own clients: both of its protocols over HTTP, and gRPC.
#[test]
#[ignore = "installs KServe's client; `cargo xtask test --all` runs it"]
fn the_clients_of_kserve_are_answered() {
    let project = project(&["regression"]);
    let serving = Serving::start(&project, &["--grpc", "127.0.0.1:0"]);
    let name = serving.model()["name"].as_str().expect("a name").to_owned();
    let (http, grpc) = (serving.http.to_string(), serving.grpc.expect("an address of gRPC").to_string());
    let said = python::ask("kserve", "kserve_client.py", &[&http, &grpc, &name, &json!(ROWS).to_string()]);
    let ways = said.as_object().expect("an object");
    assert_eq!(ways.len(), 5, "{said}");
    for (way, predictions) in ways {
        assert_eq!(*predictions, json!(expected("regression")), "{way}");
    }
}

/// SageMaker's rules for containers, as a script.
#[test]
fn the_rules_of_sagemaker_hold() {
    let (binary, rows) = (env!("CARGO_BIN_EXE_hydra-registry"), json!(ROWS).to_string());
    let found = python::ask(NEWEST, "sagemaker.py", &[binary, &model("regression"), &rows]);
    let expected = json!(expected("regression"));
    assert_eq!((&found["json"], &found["csv"]), (&expected, &expected), "{found}");
    assert_eq!(found["large"], expected[0], "{found}");
}

#[test]
fn options_say_what_requests_cannot() {
    let project = Project::new(None, &fresh_name("options"));
    let plain = model("binary_cat");
    let row = json!({"dataframe_records": [{"num": 1, "city": "Bonn", "tier": 20, "zeros": 0}]});
    let serving = Serving::start(&project, &["--model-file", &plain]);
    let refused = serving.invoke(&row);
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert!(serving.metric("hydra_serve_errors_total", &[r#"cause="categories""#]) > 0.0);
    let told = Serving::start(&project, &["--model-file", &plain, "--categories", "city,tier"]);
    assert_eq!(told.invoke(&row).status, 200);
    let wrong = ["--model-file", &plain, "--categories", "nowhere"];
    let output = super::process::command(&project, &wrong, &[]).output().expect("it ends");
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    // A model that knows its categories needs none.
    let file = model("regression");
    let serving = Serving::start(&project, &["--model-file", &file, "--categories", "city", "--nan", "bare"]);
    assert_eq!(serving.invoke(&split(&ROWS)).json()["predictions"], json!(expected("regression")));
}
