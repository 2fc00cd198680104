//! Evaluations of model files on files of rows.

mod input;
mod refused;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;

use super::{Columns, ReadColumn, Request, Subject, Work, evaluate};
use crate::Evaluation;
use hydra_base::Result;
use hydra_base::testing::dataset;
use hydra_tables::{FileFormat, RowFiles, Source};

const ROWS: usize = 400;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures")
}

/// A model file among the fixtures.
fn subject(path: &str) -> Subject {
    let path =
        fixtures().join(if path.contains('/') { format!("models/{path}") } else { format!("scores/{path}") });
    Subject::open(&path).unwrap()
}

/// The same trees, as LightGBM's text and as a scikit-learn style classifier.
fn two() -> Vec<Subject> {
    vec![subject("binary_int/booster/model.lgb"), subject("binary_int/skops/model.skops")]
}

/// Five features, and columns of labels, weights, groups and segments.
struct Table {
    names: Vec<String>,
    numbers: Vec<Vec<f64>>,
    regions: Vec<Option<&'static str>>,
}

impl Table {
    fn new() -> Self {
        let mut random = crate::tests::Random(9);
        let mut numbers: Vec<Vec<f64>> =
            (0..5).map(|_| (0..ROWS).map(|_| random.normal()).collect()).collect();
        let signal = |row: usize| numbers[0][row] + numbers[1][row];
        let labels = (0..ROWS).map(|row| f64::from(u8::from(signal(row) + random.normal() > 0.0))).collect();
        let weights = (0..ROWS).map(|_| (random.uniform() * 8.0).round() / 4.0).collect();
        let groups = (0..ROWS).map(|row| (row / 5) as f64).collect();
        numbers.extend([labels, weights, groups]);
        let regions = [Some("north"), Some("south"), None, Some("a, \"b\"")];
        let names = ["f0", "f1", "f2", "f3", "f4", "label", "weight", "group"];
        Self {
            names: names.map(str::to_owned).to_vec(),
            numbers,
            regions: (0..ROWS).map(|row| regions[row % 7 % 4]).collect(),
        }
    }

    /// The names and the cells of each row.
    fn rows(&self) -> impl Iterator<Item = (Vec<f64>, Option<&'static str>)> {
        (0..ROWS).map(|row| (self.numbers.iter().map(|column| column[row]).collect(), self.regions[row]))
    }

    fn csv(&self) -> Vec<u8> {
        let mut text = format!("{},region\n", self.names.join(","));
        for (numbers, region) in self.rows() {
            let cells: Vec<String> = numbers.iter().map(ToString::to_string).collect();
            text += &format!("{},\"{}\"\n", cells.join(","), region.unwrap_or_default().replace('"', "\"\""));
        }
        text.into_bytes()
    }

    fn jsonl(&self) -> Vec<u8> {
        let row = |(numbers, region): (Vec<f64>, Option<&str>)| {
            let cells = self.names.iter().cloned().zip(numbers.into_iter().map(serde_json::Value::from));
            let region = ("region".to_owned(), serde_json::Value::from(region));
            let object: serde_json::Map<_, _> = cells.chain([region]).collect();
            serde_json::Value::Object(object).to_string() + "\n"
        };
        self.rows().map(row).collect::<String>().into_bytes()
    }

    fn parquet(&self) -> Vec<u8> {
        let mut columns: Vec<(&str, ArrayRef)> = Vec::new();
        for (name, numbers) in self.names.iter().zip(&self.numbers) {
            columns.push((name, Arc::new(Float64Array::from(numbers.clone()))));
        }
        columns.push(("region", Arc::new(StringArray::from(self.regions.clone()))));
        let with_nulls = columns.into_iter().map(|(name, array)| (name, array, true));
        let batch = RecordBatch::try_from_iter_with_nullable(with_nulls).unwrap();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        bytes
    }
}

/// A request with everything that an evaluation of [`Table`] can have.
fn request() -> Request {
    let columns = Columns {
        weight: Some("weight".to_owned()),
        segments: vec!["region".to_owned()],
        ..Columns::new("label")
    };
    Request { resamples: 128, segment_rows: 80, ..Request::new(dataset("holdout"), columns) }
}

/// Evaluates with the first subject as the baseline.
fn evaluated(
    subjects: Vec<Subject>,
    bytes: impl AsRef<[u8]>,
    format: FileFormat,
    request: &Request,
) -> Result<Evaluation> {
    let files = RowFiles::of(source(bytes), format);
    evaluate(subjects, 0, files, request, &|_| ()).map(|evaluated| evaluated.evaluation)
}

fn source(bytes: impl AsRef<[u8]>) -> Source {
    Source::from_reader("rows", std::io::Cursor::new(bytes.as_ref().to_vec()))
}

/// Evaluates and forgets when, and on which bytes: resamples depend on these, so there are no intervals.
fn timeless(subjects: Vec<Subject>, bytes: Vec<u8>, format: FileFormat) -> Evaluation {
    let request = Request { resamples: 0, ..request() };
    let mut evaluation = evaluated(subjects, bytes, format, &request).unwrap();
    (evaluation.began_at, evaluation.measured_at) = (0, 0);
    evaluation.dataset.digest = hydra_base::Sha256::NONE;
    evaluation
}

#[test]
fn every_format_gives_the_same_evaluation() {
    let table = Table::new();
    let from_csv = timeless(two(), table.csv(), FileFormat::Csv);
    assert_eq!(timeless(two(), table.jsonl(), FileFormat::Jsonl), from_csv);
    assert_eq!(timeless(two(), table.parquet(), FileFormat::Parquet), from_csv);
}

#[test]
fn a_booster_and_its_classifier_agree_to_the_bit() {
    let table = Table::new();
    let evaluation = evaluated(two(), table.csv(), FileFormat::Csv, &request()).unwrap();
    assert_eq!(evaluation.classes, ["0", "1"]);
    assert!(evaluation.versions[1].version.to_string().ends_with("/skops/model.skops"));
    for agreement in &evaluation.agreements {
        assert_eq!(
            (agreement.equal, agreement.label_changes, agreement.psi, agreement.ks),
            (1.0, 0.0, 0.0, 0.0)
        );
    }
    for comparison in &evaluation.comparisons {
        let interval = comparison.interval.as_ref().map(|interval| (interval.low, interval.high));
        assert!(interval == Some((0.0, 0.0)) || comparison.metric == "ece", "{comparison:?}");
    }
    let segments: Vec<_> = evaluation.segments.iter().map(|one| (one.value.as_deref(), one.rows)).collect();
    assert_eq!(segments, [(Some(""), 114), (Some("north"), 115), (Some("south"), 114), (None, 57)]);
    let measured_in: Vec<_> = evaluation.agreements.iter().map(|one| one.segment).collect();
    assert_eq!(measured_in, [None, Some(0), Some(1), Some(2), Some(3)]);
    assert!(evaluation.began_at <= evaluation.measured_at);
}

/// The scores are those of the model, and what is measured is what [`crate::measure`] gives.
#[test]
fn what_is_measured_is_what_the_models_score() {
    let table = Table::new();
    let evaluation = evaluated(two(), table.csv(), FileFormat::Csv, &request()).unwrap();
    let model = &two()[0].model;
    let rows: Vec<f64> = table.rows().flat_map(|(numbers, _)| numbers[..5].to_vec()).collect();
    let outputs = model.outputs(&hydra_lightgbm::Matrix::from_rows(&rows, 5).unwrap()).unwrap();
    let (labels, weights) = (&table.numbers[5], &table.numbers[6]);
    let weighted = |of: &dyn Fn(usize) -> f64| (0..ROWS).map(|row| weights[row] * of(row)).sum::<f64>();
    let brier = weighted(&|row| (labels[row] - outputs[row]).powi(2)) / weighted(&|_| 1.0);
    let found =
        evaluation.measurements.iter().find(|one| one.metric == "brier" && one.segment.is_none()).unwrap();
    assert!((found.value - brier).abs() < 1e-14, "{} {brier}", found.value);
    let scores = &evaluation.versions[0].scores[0];
    assert_eq!(scores.edges[0], outputs.iter().copied().fold(f64::INFINITY, f64::min));
    assert_eq!(scores.counts.iter().sum::<u64>(), ROWS as u64);
    assert_eq!(evaluation.versions[0].calibration.iter().map(|bin| bin.rows).sum::<u64>(), ROWS as u64);
}

#[test]
fn rankings_and_regressions_are_measured_by_their_objectives() {
    let header: Vec<String> = (0..8).map(|index| format!("Column_{index}")).collect();
    let metrics = |file: &str, request: &Request| {
        let subject = subject(file);
        let features = subject.model.feature_names().len();
        let table = Table::new();
        let mut text = header[..features.min(8)].join(",");
        text += &(8..features).map(|index| format!(",Column_{index}")).collect::<String>();
        text += ",label,weight,group,region\n";
        for (numbers, _) in table.rows() {
            let cells = (0..features).map(|index| numbers[index % 5].to_string());
            let label = numbers[5] + 1.0;
            text += &format!("{},{label},1,{},x\n", cells.collect::<Vec<String>>().join(","), numbers[7]);
        }
        let evaluation = evaluated(vec![subject], text, FileFormat::Csv, request).unwrap();
        let all = evaluation.measurements.into_iter().filter(|one| one.segment.is_none());
        all.map(|one| one.metric).collect::<Vec<String>>().join(" ")
    };
    let usual = Request { resamples: 100, ..Request::new(dataset("rows"), Columns::new("label")) };
    assert_eq!(metrics("poisson.txt", &usual), "poisson_deviance rmse mae");
    assert_eq!(metrics("gamma.txt", &usual), "gamma_deviance rmse mae");
    assert_eq!(metrics("mape.txt", &usual), "mape rmse mae");
    assert_eq!(metrics("huber.txt", &usual), "rmse mae r2");
    assert_eq!(metrics("multiclass.txt", &usual), "multi_logloss multi_error auc_ovr");
    let quantile = Request { metrics: Some(vec!["pinball@0.9".parse().unwrap()]), ..usual.clone() };
    assert_eq!(metrics("quantile.txt", &quantile), "pinball@0.9");
    let columns = Columns { group: Some("group".to_owned()), ..Columns::new("label") };
    assert_eq!(metrics("lambdarank.txt", &Request { columns, ..usual }), "ndcg@1 ndcg@5 ndcg@10 map@10");
}

#[test]
fn progress_is_that_of_the_input_and_then_of_the_resamples() {
    let seen = Mutex::new(Vec::new());
    let bytes = Table::new().csv();
    let files = RowFiles::of(source(&bytes), FileFormat::Csv);
    evaluate(two(), 0, files, &request(), &|work| seen.lock().unwrap().push(work)).unwrap();
    let seen = seen.into_inner().unwrap();
    let length = bytes.len() as u64;
    assert_eq!(seen[0], Work::Scoring { position: length, length: Some(length), in_bytes: true });
    assert!(matches!(seen.last(), Some(Work::Measuring { total: 24, .. })), "{seen:?}");
}

/// A directory of files of several formats is measured like one file of all rows.
#[test]
fn a_directory_is_one_dataset() {
    let table = Table::new();
    let folder = tempfile::tempdir().unwrap();
    let csv = String::from_utf8(table.csv()).unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    let part = |rows: &[&str]| format!("{}\n{}\n", lines[0], rows.join("\n"));
    std::fs::write(folder.path().join("part-0.csv"), part(&lines[1..150])).unwrap();
    let jsonl = String::from_utf8(table.jsonl()).unwrap();
    let rows: Vec<&str> = jsonl.lines().collect();
    std::fs::write(folder.path().join("part-1.jsonl"), rows[149..].join("\n")).unwrap();
    std::fs::write(folder.path().join("_SUCCESS"), "").unwrap();
    let request = Request { resamples: 0, ..request() };
    let seen = Mutex::new(Vec::new());
    let evaluated = |request: &Request| {
        let files = RowFiles::open(folder.path(), None).unwrap();
        evaluate(two(), 0, files, request, &|work| seen.lock().unwrap().push(work))
    };
    let evaluation = evaluated(&request).unwrap().evaluation;
    let of_one_file = timeless(two(), table.csv(), FileFormat::Csv);
    assert_eq!(evaluation.measurements, of_one_file.measurements);
    assert_eq!(evaluation.segments, of_one_file.segments);
    assert!(seen.lock().unwrap().contains(&Work::Scoring { position: 1, length: Some(2), in_bytes: false }));
    // Rows are counted in each file.
    std::fs::write(
        folder.path().join("part-2.csv"),
        part(&[&lines[1].replace(",0,", ",9,").replace(",1,", ",9,")]),
    )
    .unwrap();
    let error = evaluated(&request).unwrap_err();
    assert!(error.to_string().contains("row: 1"), "{error}");
    assert!(error.to_string().contains("part-2.csv"), "{error}");
}

#[test]
fn the_columns_that_are_read_have_mlflows_types() {
    let table = Table::new();
    let columns = |bytes: Vec<u8>, format| {
        let files = RowFiles::of(source(bytes), format);
        let read = evaluate(two(), 0, files, &request(), &|_| ()).unwrap().columns;
        read.iter().map(|ReadColumn { name, kind }| format!("{name}:{kind}")).collect::<Vec<_>>().join(" ")
    };
    let expected =
        "f0:double f1:double f2:double f3:double f4:double label:double weight:double region:string";
    assert_eq!(columns(table.csv(), FileFormat::Csv), expected);
    assert_eq!(columns(table.parquet(), FileFormat::Parquet), expected);
    assert_eq!(columns(table.jsonl(), FileFormat::Jsonl), expected);
}

#[test]
fn the_digest_is_that_of_the_file() {
    let bytes = Table::new().parquet();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.parquet");
    std::fs::write(&path, &bytes).unwrap();
    let evaluation =
        evaluate(two(), 1, RowFiles::open(&path, None).unwrap(), &request(), &|_| ()).unwrap().evaluation;
    assert_eq!(evaluation.dataset.digest, hydra_base::Sha256::of(&bytes));
    assert_eq!(evaluation.baseline, evaluation.versions[1].version);
    let streamed = evaluated(two(), &bytes, FileFormat::Parquet, &request()).unwrap();
    assert_eq!(streamed.measurements, evaluation.measurements);
}
