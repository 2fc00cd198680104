use std::path::Path;

use clap::Parser as _;

use super::{EvaluateArgs, EvaluationReport, dataset_input, run};
use crate::args::OutputFormat;
use crate::{Cli, Printer};
use hydra_base::testing::model_name;
use hydra_base::{Error, ErrorKind};
use hydra_evaluation::{Evaluated, Evaluation, Subject};
use hydra_mlflow::environment::Environment;

fn model(path: &str) -> Subject {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/models");
    Subject::open(&fixtures.join(path)).unwrap()
}

/// Rows of two regions, in which the labels follow the first feature.
fn rows() -> String {
    let row = |index: u32| {
        let feature = f64::from(index * 37 % 101) / 25.0 - 2.0;
        let label = u8::from(feature + f64::from(index % 5) / 2.0 > 1.0);
        let region = if index.is_multiple_of(3) { "north" } else { "a\u{1b}[2Jb" };
        format!("{feature},{},0,1,-1,{label},{region}\n", f64::from(index % 7) / 3.0)
    };
    "f0,f1,f2,f3,f4,label,region\n".to_owned() + &(0..300).map(row).collect::<String>()
}

/// Evaluates with the arguments of a command line after `ROWS --label label`.
fn evaluated(subjects: Vec<Subject>, arguments: &str) -> anyhow::Result<Evaluation> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("may.csv");
    std::fs::write(&path, rows()).unwrap();
    let path = path.to_str().unwrap();
    let line = ["hydra-registry", "evaluate", path, "--label", "label"].into_iter();
    let cli = Cli::try_parse_from(line.chain(arguments.split_whitespace()))?;
    let crate::args::Command::Evaluate(args) = cli.command else { panic!("another command") };
    Ok(measured(subjects, &args)?.evaluation)
}

fn measured(subjects: Vec<Subject>, args: &EvaluateArgs) -> hydra_base::Result<Evaluated> {
    let EvaluateArgs { rows, measure, .. } = args;
    let printer = Printer::new(OutputFormat::Text, true);
    let files = measure.files(rows, &Environment::default())?;
    run(subjects, 0, files, &measure.request(rows)?, &measure.categories, &printer)
}

fn two() -> Vec<Subject> {
    vec![model("binary_int/booster/model.lgb"), model("binary_earlystop/booster/model.lgb")]
}

#[test]
fn versions_are_columns_and_what_is_better_is_marked() {
    let evaluation = evaluated(two(), "--segment region --metrics auc,log_loss,ece").unwrap();
    let text =
        EvaluationReport::new(Some(&model_name("churn")), evaluation).unwrap().text(&crate::View::default());
    assert!(text.starts_with("evaluation on may: 300 rows\n"), "{text}");
    // One table for all rows and one for each region, and nothing that a terminal obeys.
    assert_eq!(text.matches("\nauc ").count(), 3, "{text}");
    assert!(text.contains("region=north (100)") && !text.contains('\u{1b}'), "{text}");
    // A long path keeps its end.
    assert!(text.contains("  …models/binary_int/booster/model.lgb  "), "{text}");
    assert_eq!(text.matches("agreement of").count(), 3, "{text}");
    assert!(text.contains(" better") || text.contains(" worse"), "{text}");
}

#[test]
fn the_report_has_the_document_and_its_digest() {
    let evaluation = evaluated(two(), "--resamples 0 --name june").unwrap();
    let report = EvaluationReport::new(None, evaluation.clone()).unwrap();
    assert_eq!(report.sha256, hydra_base::Sha256::of(&evaluation.to_json().unwrap()));
    assert_eq!(report.evaluation.dataset.name.as_str(), "june");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["schema"], "hydra-registry/evaluation/1");
    assert_eq!(json["evaluation"]["measurements"][0]["metric"], "auc");
    assert_eq!(json["recorded"], serde_json::Value::Null);
}

/// MLflow learns the names and types of the columns, and where the rows are.
#[test]
fn the_dataset_is_described_as_mlflow_describes_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("may.csv");
    std::fs::write(&path, rows()).unwrap();
    let line = ["hydra-registry", "evaluate", path.to_str().unwrap(), "--label", "label", "--resamples", "0"];
    let crate::args::Command::Evaluate(args) = Cli::try_parse_from(line).unwrap().command else {
        panic!("another command")
    };
    let evaluated = measured(two(), &args).unwrap();
    let input = dataset_input(&args.rows, &evaluated);
    assert_eq!((input.name.as_str(), input.source_type.as_str()), ("may", "local"));
    assert_eq!(input.digest, hydra_base::Sha256::of(rows().as_bytes()).to_string()[..36]);
    assert_eq!(input.source, format!(r#"{{"uri":"{}"}}"#, path.display()));
    let schema: serde_json::Value = serde_json::from_str(&input.schema.unwrap()).unwrap();
    let columns = schema["mlflow_colspec"].as_array().unwrap();
    assert_eq!(columns.len(), 6);
    assert_eq!(columns[5], serde_json::json!({"name": "label", "type": "double", "required": true}));
    assert_eq!(columns[0], serde_json::json!({"name": "f0", "type": "double", "required": false}));
    assert_eq!(input.profile.unwrap(), r#"{"num_elements":1800,"num_rows":300}"#);
    assert_eq!(dataset_input(&["-"], &evaluated).source_type, "code");
}

#[test]
fn what_cannot_be_measured_is_refused() {
    for (arguments, kind) in [
        ("--weight missing", ErrorKind::MissingColumns),
        ("--weight region", ErrorKind::InvalidWeights),
        ("--metrics mae", ErrorKind::MetricMismatch),
        ("--categories f0", ErrorKind::InvalidArgument),
        ("--in-format parquet", ErrorKind::InvalidData),
    ] {
        let error = evaluated(two(), arguments).expect_err("an error");
        assert_eq!(error.downcast_ref::<Error>().map(Error::kind), Some(kind), "{arguments}: {error:?}");
    }
    for arguments in
        ["--metrics accuracy,auck", "--threshold x", "--resamples -1", "--version 0", "--name a/b"]
    {
        assert!(evaluated(two(), arguments).is_err(), "{arguments}");
    }
}

#[test]
fn stdin_needs_a_name() {
    let line = ["hydra-registry", "evaluate", "-", "--label", "y"];
    let crate::args::Command::Evaluate(args) = Cli::try_parse_from(line).unwrap().command else {
        panic!("another command")
    };
    let EvaluateArgs { rows, measure, .. } = *args;
    assert_eq!(measure.request(&rows).expect_err("no name").kind(), ErrorKind::InvalidArgument);
}
