//! The metadata of predictions (model, version, meaning of the values), and the rows of a batch.

use std::fs::{self, File};
use std::num::NonZero;
use std::path::{Path, PathBuf};

use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::SchemaRef;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;
use hydra_lightgbm::loaded::ModelLimits;
use hydra_lightgbm::text::{Limits, TextModel};

fn model(file: &str) -> Model {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/models/binary_int").join(file);
    Model::from_bytes(&fs::read(path).unwrap(), &ModelLimits::default()).unwrap()
}

fn schema(path: &PathBuf) -> SchemaRef {
    let file = File::open(path).unwrap();
    match path.extension().unwrap().to_str().unwrap() {
        "parquet" => ParquetRecordBatchReaderBuilder::try_new(file).unwrap().schema().clone(),
        "arrow" => FileReader::try_new(file, None).unwrap().schema(),
        _ => StreamReader::try_new(file, None).unwrap().schema(),
    }
}

#[test]
fn columns_of_predictions_name_version_and_meaning() {
    let folder = tempfile::tempdir().unwrap();
    let version = (ModelName::new("churn").unwrap(), Version::new(7).unwrap());
    for (file, format) in [
        ("out.parquet", FileFormat::Parquet),
        ("out.arrow", FileFormat::Arrow),
        ("out.arrows", FileFormat::Arrow),
    ] {
        for (trees, output, meaning) in [
            ("booster/model.lgb", OutputType::Predict, "probability"),
            ("skops/model.skops", OutputType::Predict, "label"),
            ("skops/model.skops", OutputType::Probabilities, "probability"),
            ("skops/model.skops", OutputType::Output, "probability"),
            ("booster/model.lgb", OutputType::Labels, "label"),
            ("skops/model.skops", OutputType::Raw, "scores"),
            ("skops/model.skops", OutputType::Leaves, "leaf"),
        ] {
            let path = folder.path().join(file);
            let rows = Source::from_reader("rows", "id,f0,f1,f2,f3,f4\na,1,2,3,4,5\n".as_bytes());
            let scoring = Scoring::new(model(trees)).keep(["id"]).output(output);
            let scoring = scoring.version(version.0.clone(), version.1).with_version();
            scoring.run(rows, FileFormat::Csv, Output::to_file(&path, format).unwrap()).unwrap();
            let schema = schema(&path);
            let [id, number, predictions @ ..] = schema.fields().as_ref() else { panic!("{schema}") };
            assert!(id.metadata().is_empty() && number.metadata().is_empty(), "{schema}");
            assert_eq!((number.name().as_str(), number.data_type()), ("model_version", &DataType::UInt64));
            assert!(!predictions.is_empty());
            for field in predictions {
                assert_eq!(*field.metadata(), metadata(meaning, Some(version.clone())), "{file} {output:?}");
            }
        }
    }
    let expected = [("hydra.model", "churn"), ("hydra.output", "label"), ("hydra.version", "7")];
    let mut pairs: Vec<_> = metadata("label", Some(version)).into_iter().collect();
    pairs.sort();
    assert_eq!(pairs, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
}

#[test]
fn a_model_of_no_version_says_what_it_answers() {
    let rows = || Source::from_reader("rows", "f0,f1,f2,f3,f4\n1,2,3,4,5\n".as_bytes());
    let run = Scoring::new(model("skops/model.skops")).with_version().open(rows(), FileFormat::Csv).unwrap();
    let batch = run.map(Result::unwrap).next().unwrap();
    assert_eq!(batch.schema_ref().fields().len(), 1, "there is no version to write");
    assert_eq!(*batch.schema_ref().field(0).metadata(), metadata("label", None));
}

/// A model without trees.
fn treeless(features: usize, outputs: usize, name: &str) -> Model {
    let names: Vec<String> = (0..features).map(|index| format!("{name}{index}")).collect();
    let text = format!(
        "tree\nversion=v4\nnum_class={outputs}\nnum_tree_per_iteration={outputs}\nlabel_index=0\nmax_feature_idx={}\n\
         feature_names={}\nfeature_infos={}\n\nend of trees\n",
        features - 1,
        names.join(" "),
        vec!["none"; features].join(" "),
    );
    Model::from_text_model(TextModel::parse(text.as_bytes(), &Limits::default()).unwrap()).unwrap()
}

#[test]
fn batches_of_wide_predictions_have_fewer_rows() {
    let top = |count| OutputType::TopContributions(NonZero::new(count).unwrap());
    let narrow = treeless(20, 1, "f");
    for output in [OutputType::Raw, OutputType::Contributions, top(3)] {
        assert_eq!(default_batch_rows(&narrow, output), BATCH_ROWS);
    }
    let wide = treeless(2_000, 300, "f");
    assert_eq!(default_batch_rows(&wide, OutputType::Raw), 2_097);
    assert_eq!(default_batch_rows(&wide, OutputType::Contributions), 6);
    assert_eq!(default_batch_rows(&wide, top(3)), 6);
    // Names are text of each row.
    let named = treeless(20, 1, &"long".repeat(20_000));
    assert_eq!(default_batch_rows(&named, OutputType::Contributions), BATCH_ROWS);
    assert_eq!(default_batch_rows(&named, top(3)), 139);
}
