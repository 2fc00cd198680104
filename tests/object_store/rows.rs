//! Rows and predictions in an object store and on the web.

use std::fmt::Write as _;
use std::io::Write as _;

use hydra_mlflow::artifacts::{ArtifactStore as _, ObjectArtifacts};

use super::{S3, bucket_uri, read, variables};
use crate::support::backends::fresh_name;
use crate::support::binary::{Outcome, Project};
use crate::support::proxy::{Fault, Proxy, listen, read_request};
use crate::support::root;

/// A project whose champion has the features `f0` to `f4`.
fn champion() -> Project {
    let project = Project::new(None, &fresh_name("rows"));
    let model = root().join("tests/fixtures/models/regression/booster/model.lgb");
    project.json(["log-candidate", model.to_str().expect("a path"), "--metric", "auc=1"]);
    project.json(["promote"]);
    project
}

fn run(project: &Project, endpoint: &str, args: &[&str]) -> Outcome {
    project.command(args).envs(variables(endpoint)).output().expect("it runs").into()
}

fn json_rows(count: usize) -> String {
    let mut lines = String::new();
    for row in 0..count {
        let first = row as f64 / 16.0;
        writeln!(
            lines,
            r#"{{"id":{row},"f0":{first},"f1":0.25,"f2":3,"f3":-1,"f4":{},"note":"{row} {row}"}}"#,
            row % 7
        )
        .expect("text");
    }
    lines
}

fn store(uri: &str) -> ObjectArtifacts {
    ObjectArtifacts::new(uri, &variables(&S3.endpoint).into_iter().collect()).expect("a root")
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_read_and_predictions_are_written() {
    let project = champion();
    let bucket = bucket_uri("rows");
    let store = store(&bucket);
    project.file("rows.jsonl", json_rows(3000));
    let local = project.run(["-q", "predict", "rows.jsonl", "--keep", "id", "--out", "expected.csv"]);
    assert_eq!(local.code, 0, "{}", local.err);
    let expected = std::fs::read(project.path().join("expected.csv")).expect("the predictions");
    for file in ["rows.parquet", "rows.arrow"] {
        let columns = "id,f0,f1,f2,f3,f4,note";
        assert_eq!(project.run(["-q", "predict", "rows.jsonl", "--keep", columns, "--out", file]).code, 0);
    }
    for file in ["rows.jsonl", "rows.parquet", "rows.arrow"] {
        store.put_file(&format!("in/{file}"), &project.path().join(file), &|_| ()).await.expect("an upload");
    }
    store
        .put_file("parts/part-0.jsonl", &project.path().join("rows.jsonl"), &|_| ())
        .await
        .expect("an upload");
    store.put_bytes("parts/_SUCCESS", Vec::new()).await.expect("an upload");
    for input in [
        "in/rows.jsonl",
        "in/rows.parquet",
        "in/rows.arrow",
        "parts",
        "parts/",
        "parts/part-*",
        "i*/*.parquet",
    ] {
        let (input, out) = (format!("{bucket}/{input}"), format!("{bucket}/out/scores.csv"));
        let args = ["-q", "predict", &input, "--keep", "id", "--out", &out];
        let outcome = run(&project, &S3.endpoint, &args);
        assert_eq!((outcome.code, outcome.err.as_str()), (0, ""), "{input}");
        assert!(read(&store, "out/scores.csv").await == expected, "{input}");
        store.put_bytes("out/scores.csv", Vec::new()).await.expect("emptied");
    }
    let out = format!("{bucket}/out/scores.parquet");
    let written = run(
        &project,
        &S3.endpoint,
        &["-q", "predict", &format!("{bucket}/in/rows.parquet"), "--keep", "id", "--out", &out],
    );
    assert_eq!(written.code, 0, "{}", written.err);
    std::fs::write(project.path().join("back.parquet"), read(&store, "out/scores.parquet").await)
        .expect("a file");
    let back = project.run(["-q", "predict", "rows.jsonl", "back.parquet", "--keep", "prediction"]);
    assert_eq!(back.code, 2, "the predictions are rows without features: {}", back.err);

    let missing = run(&project, &S3.endpoint, &["predict", &format!("{bucket}/nothing/rows.csv")]);
    assert_eq!(missing.code, 4, "{}", missing.err);
    assert!(missing.err.contains(&format!("{bucket}/nothing/rows.csv")), "{}", missing.err);
    let same = run(
        &project,
        &S3.endpoint,
        &["predict", &format!("{bucket}/in/*.jsonl"), "--out", &format!("{bucket}/in/rows.jsonl")],
    );
    assert!(same.code == 2 && same.err.contains("the output is the input"), "{}", same.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_in_the_names_of_directories_are_columns() {
    let project = champion();
    let bucket = bucket_uri("partitions");
    let store = store(&bucket);
    for (region, rows) in [("north", json_rows(2)), ("south", json_rows(3))] {
        store
            .put_bytes(&format!("d/region={region}/part-0.jsonl"), rows.into_bytes())
            .await
            .expect("an upload");
    }
    for input in ["d", "d/region=*", "d/*/*.jsonl"] {
        let input = format!("{bucket}/{input}");
        let args = ["-q", "predict", &input, "--keep", "region,id", "--out-format", "csv"];
        let outcome = run(&project, &S3.endpoint, &args);
        assert_eq!(outcome.code, 0, "{input}: {}", outcome.err);
        let rows: Vec<String> = outcome
            .out
            .lines()
            .map(|line| line.rsplit_once(',').expect("a prediction").0.to_owned())
            .collect();
        assert_eq!(rows, ["region,id", "north,0", "north,1", "south,0", "south,1", "south,2"], "{input}");
    }
    store.put_bytes("d/plain/part-0.jsonl", json_rows(1).into_bytes()).await.expect("an upload");
    let refused = run(&project, &S3.endpoint, &["predict", &format!("{bucket}/d")]);
    assert!(refused.code == 2 && refused.err.contains("contains a directory: `plain`"), "{}", refused.err);
}

/// Of a Parquet file, only the columns that a model needs are asked for.
#[tokio::test(flavor = "multi_thread")]
async fn parquet_is_read_by_its_columns() {
    let project = champion();
    let bucket = bucket_uri("wide");
    project.file("rows.jsonl", {
        let mut lines = String::new();
        for row in 0..20_000_u64 {
            // Digits that do not compress: most of the file.
            let noise: Vec<u64> =
                (0..8).map(|at| (row * 8 + at).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 1).collect();
            let first = row as f64 / 16.0;
            writeln!(
                lines,
                r#"{{"f0":{first},"f1":0.25,"f2":3,"f3":-1,"f4":{},"noise":"{noise:?}"}}"#,
                row % 7
            )
            .expect("text");
        }
        lines
    });
    let made = project.run([
        "-q",
        "predict",
        "rows.jsonl",
        "--keep",
        "f0,f1,f2,f3,f4,noise",
        "--out",
        "rows.parquet",
    ]);
    assert_eq!(made.code, 0, "{}", made.err);
    let path = project.path().join("rows.parquet");
    store(&bucket).put_file("rows.parquet", &path, &|_| ()).await.expect("an upload");
    let size = std::fs::metadata(&path).expect("the file").len() as usize;
    let proxy = Proxy::start(&S3.endpoint);
    let uri = format!("{bucket}/rows.parquet");
    let outcome = run(&project, &proxy.url, &["-q", "predict", &uri, "--out-format", "csv"]);
    assert_eq!((outcome.code, outcome.out.lines().count()), (0, 20_001), "{}", outcome.err);
    let (requests, bytes) = proxy.take_cost();
    assert!(size > 2_000_000 && bytes < size / 3, "{bytes} of {size} bytes");
    assert!(requests < 20, "{requests} requests");
}

/// An upload of several parts is removed where it fails, and the output stays what it was.
#[tokio::test(flavor = "multi_thread")]
async fn an_output_appears_when_it_is_complete() {
    let project = champion();
    let bucket = bucket_uri("atomic");
    let store = store(&bucket);
    store.put_bytes("scores.csv", b"former".to_vec()).await.expect("a file");
    let mut rows = String::from("id,f0,f1,f2,f3,f4\n");
    for row in 0..200_000 {
        writeln!(rows, "{row:0>100},{},0.25,3,-1,{}", f64::from(row) / 16.0, row % 7).expect("text");
    }
    project.file("rows.csv", &rows);
    project.file("damaged.csv", rows.clone() + "x,x,x,x,x,x\n");
    let out = format!("{bucket}/scores.csv");
    let proxy = Proxy::start(&S3.endpoint);

    let refused = run(&project, &proxy.url, &["-q", "predict", "damaged.csv", "--keep", "id", "--out", &out]);
    assert_eq!(refused.code, 2, "{}", refused.err);
    let requests = proxy.take();
    assert!(requests.iter().any(|line| line.starts_with("PUT ")), "parts were sent: {requests:?}");
    assert!(requests.iter().any(|line| line.starts_with("DELETE ")), "and removed: {requests:?}");
    assert_eq!(read(&store, "scores.csv").await, b"former");

    // The last request completes the upload.
    let sent = requests.len();
    proxy.spoil(sent.saturating_sub(1), Fault::Answered(403));
    let failed = run(&project, &proxy.url, &["-q", "predict", "rows.csv", "--keep", "id", "--out", &out]);
    let requests = proxy.take();
    assert_ne!(failed.code, 0, "the fault hit no request: {requests:?}");
    assert_eq!(read(&store, "scores.csv").await, b"former");

    proxy.spoil(usize::MAX, Fault::Dropped);
    let done = run(&project, &proxy.url, &["-q", "predict", "rows.csv", "--keep", "id", "--out", &out]);
    assert_eq!(done.code, 0, "{}", done.err);
    let written = read(&store, "scores.csv").await;
    assert_eq!(String::from_utf8_lossy(&written).lines().count(), 200_001);
}

/// A web server: it serves ranges, and pages in the place of files.
#[test]
fn rows_are_read_from_the_web() {
    let project = champion();
    let rows = json_rows(500);
    let served = rows.clone();
    let url = listen(move |mut client| {
        let Some(request) = read_request(client)? else { return Ok(()) };
        let request = String::from_utf8_lossy(&request).into_owned();
        let line = request.lines().next().unwrap_or_default();
        let body = match line.split(' ').nth(1).unwrap_or_default() {
            path if path.starts_with("/a%20b/rows.jsonl?sig=") => served.as_str(),
            "/login.csv" => "<!DOCTYPE html><title>Sign in</title>",
            _ => {
                return write!(
                    client,
                    "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                );
            }
        };
        let modified = "Last-Modified: Mon, 30 Nov 2026 00:00:00 GMT\r\nConnection: close\r\n";
        if line.starts_with("HEAD") {
            return write!(client, "HTTP/1.1 200 OK\r\n{modified}Content-Length: {}\r\n\r\n", body.len());
        }
        let range = request
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
        let Some((from, to)) = range.as_deref().and_then(|range| range.split_once('-')) else {
            return write!(
                client,
                "HTTP/1.1 200 OK\r\n{modified}Content-Length: {}\r\n\r\n{body}",
                body.len()
            );
        };
        let (from, to): (usize, usize) = (from.parse().unwrap_or(0), to.parse().unwrap_or(0));
        let to = to.min(body.len() - 1);
        let part = &body[from..=to];
        let total = body.len();
        write!(
            client,
            "HTTP/1.1 206 Partial Content\r\n{modified}Content-Range: bytes {from}-{to}/{total}\r\nContent-Length: {}\r\n\r\n{part}",
            part.len()
        )
    });
    project.file("rows.jsonl", &rows);
    let expected = project.run(["-q", "predict", "rows.jsonl", "--keep", "id"]);
    let read = project.run(["-q", "predict", &format!("{url}/a%20b/rows.jsonl?sig=secret"), "--keep", "id"]);
    assert_eq!((read.code, read.out), (0, expected.out), "{}", read.err);
    let page = project.run(["predict", &format!("{url}/login.csv")]);
    assert!(page.code == 2 && page.err.contains("the input is a web page"), "{}", page.err);
    let missing = project.run(["predict", &format!("{url}/nothing.csv?sig=secret")]);
    assert!(missing.code == 4 && !missing.err.contains("secret"), "{}", missing.err);
}
