//! Memory does not grow with the size of listings and transfers.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::backends::fresh_name;
use crate::support::binary::Project;
use crate::support::server::{NEWEST, Server};
use crate::support::{root, version};

/// The peak memory of a process so far, in MiB.
fn peak_memory(process: &Child) -> u64 {
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", process.id())).expect("the process is alive");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a peak");
    let kib: u64 = line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number");
    kib / 1024
}

/// The peak memory while `list` still has versions to print, in MiB, and the total number of printed versions.
fn list(project: &Project) -> (u64, usize) {
    let mut child = project
        .command(["--output", "jsonl", "list"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
    let mut seen = 0;
    // The pipe holds 64 KiB, so the process still has lines to write at this point.
    let while_busy: Vec<_> = lines.by_ref().take(18_000).collect();
    seen += while_busy.len();
    let peak = if seen == 18_000 { peak_memory(&child) } else { 0 };
    seen += lines.count();
    assert!(child.wait().expect("an end").success());
    (peak, seen)
}

#[test]
fn twenty_thousand_versions_are_listed_in_constant_memory() {
    let project = Project::new(None, &fresh_name("many"));
    project.file("train.csv", crate::cli::training_csv());
    project.json(crate::cli::LOG);
    let database = rusqlite::Connection::open(project.path().join("mlflow.db")).expect("the database");
    let copied = database
        .execute_batch(
            "CREATE TEMP TABLE one AS SELECT * FROM model_versions WHERE version = 1;
             CREATE TEMP TABLE numbers AS WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
                 SELECT i FROM n;",
        )
        .and_then(|()| {
            let mut columns = database.prepare("SELECT name FROM pragma_table_info('model_versions')")?;
            let names: Vec<String> = columns.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
            let values: Vec<&str> = names.iter().map(|name| if name == "version" { "i" } else { name }).collect();
            let (names, values) = (names.join(", "), values.join(", "));
            database.execute(&format!("INSERT INTO model_versions ({names}) SELECT {values} FROM one, numbers"), [])
        })
        .expect("copies of the version");
    assert_eq!(copied, 19_999);
    drop(database);
    let (peak, seen) = list(&project);
    assert_eq!(seen, 20_000);
    assert!(peak < 64, "listing 20,000 versions took {peak} MiB");
}

/// A valid model of about 200 MiB, which repeats the fixture's trees.
fn write_large_model(path: &Path) -> u64 {
    let fixture = root().join("tests/fixtures/models/binary_int/booster/model.lgb");
    let text = std::fs::read_to_string(fixture).expect("the fixture");
    let start = text.find("Tree=0\n").expect("a first tree");
    let next = text.find("Tree=1\n").expect("a second tree");
    let tree = &text[start + "Tree=0\n".len()..next];
    let header: Vec<&str> = text[..start].lines().filter(|line| !line.starts_with("tree_sizes=")).collect();
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).expect("a file"));
    writeln!(file, "{}", header.join("\n")).expect("written");
    for index in 0..200 * 1024 * 1024 / tree.len() {
        write!(file, "Tree={index}\n{tree}").expect("written");
    }
    write!(file, "end of trees\n\npandas_categorical:null\n").expect("written");
    file.flush().expect("written");
    path.metadata().expect("metadata").len()
}

/// Runs a command to its end and returns the highest measured memory, in MiB.
fn watch(command: &mut Command) -> u64 {
    watch_child(&mut command.spawn().expect("the command runs"))
}

/// Waits for the end of a process and returns the highest measured memory, in MiB.
pub fn watch_child(child: &mut Child) -> u64 {
    let mut peak = 0;
    loop {
        if let Some(status) = child.try_wait().expect("a status") {
            assert!(status.success(), "{status}");
            assert!(peak > 0, "the process ended before its memory was measured, or /proc has no value");
            return peak;
        }
        if std::fs::metadata(format!("/proc/{}/status", child.id())).is_ok() {
            peak = peak.max(std::panic::catch_unwind(|| peak_memory(child)).unwrap_or(0));
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_large_model_goes_up_and_down_in_constant_memory() {
    if let Ok(task) = std::env::var(DOWNLOAD) {
        return download(&task);
    }
    let server = Server::shared(NEWEST);
    let project = Project::new(Some(&server.url), &fresh_name("large"));
    let size = write_large_model(&project.path().join("model.lgb"));
    let up =
        watch(project.command(["log-candidate", "model.lgb", "--metric", "auc=0.9"]).stdout(Stdio::null()));
    assert!(up < 96, "logging {size} bytes took {up} MiB");

    let this = std::env::current_exe().expect("this test's binary");
    let mut download = Command::new(this);
    download.args(["--exact", "scale::a_large_model_goes_up_and_down_in_constant_memory"]);
    download.env(DOWNLOAD, format!("{} {} {size}", server.url, model_of(&project)));
    let down = watch(download.stdout(Stdio::null()));
    assert!(down < 96, "reading {size} bytes took {down} MiB");
}

fn model_of(project: &Project) -> String {
    let config = std::fs::read_to_string(project.path().join("hydra.toml")).expect("hydra.toml");
    config.split('"').nth(1).expect("the model's name").to_owned()
}

/// The variable that makes the test above a child process that downloads: "URL MODEL SIZE".
const DOWNLOAD: &str = "HYDRA_TEST_DOWNLOAD";

/// Reads the model of version 1 as a stream, in a process whose memory is measured.
#[tokio::main(flavor = "current_thread")]
async fn download(task: &str) {
    use hydra_base::names::ModelName;
    use hydra_mlflow::connect::Backend;
    use hydra_mlflow::environment::Environment;
    use hydra_mlflow::uri::TrackingUri;

    let [url, model, size] = task.split(' ').collect::<Vec<_>>()[..] else {
        panic!("expected URL, model and size in `{task}`")
    };
    let uri = TrackingUri::new(url).expect("a URI");
    let backend = Backend::connect(&uri, None, &Environment::default()).expect("a backend");
    let name = ModelName::new(model).expect("a name");
    let source = backend.registry.download_uri(&name, version(1)).await.expect("the version");
    let artifacts = backend.artifact_store(&source.parse().expect("a URI")).await.expect("its artifacts");
    let mut reader = artifacts.open("model.lgb").await.expect("the model");
    let read = tokio::io::copy(&mut reader, &mut tokio::io::sink()).await.expect("every byte");
    assert_eq!(read.to_string(), size);
}
