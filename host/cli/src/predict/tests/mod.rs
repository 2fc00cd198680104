//! Predictions from file to file, compared with Python's.

mod columns;
mod damage;
mod formats;
mod origin;
mod parity;
mod spellings;

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use serde_json::Value;
use tempfile::TempDir;

use super::{Origin, PredictArgs, run};
use crate::args::OutputFormat;
use crate::{Extras, Printer};
use hydra_base::testing::{model_name, version};
use hydra_base::{Error, ErrorKind};
use hydra_lightgbm::loaded::{Model, ModelLimits};
use hydra_mlflow::environment::Environment;
#[cfg(feature = "training")]
use hydra_training::booster::Booster;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    args: PredictArgs,
}

/// LightGBM itself, in a build with it.
fn extras() -> Extras {
    let extras = Extras::default();
    #[cfg(feature = "training")]
    let extras = Extras { engine: Some(|model| Ok(Box::new(Booster::of(model)?))), ..extras };
    extras
}

/// A directory for a test's files.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Predicts from one file of the folder to another; `options` are separated by spaces.
    fn predict(&self, model: Model, input: &str, out: &str, options: &str) -> anyhow::Result<u64> {
        let (input, out) = (self.path(input), self.path(out));
        let mut words = vec!["predict", input.to_str().unwrap(), "--out", out.to_str().unwrap()];
        words.extend(options.split_whitespace());
        let args = Command::try_parse_from(words)?.args;
        let origin = match &args.model.model_file {
            Some(path) => Origin::File(path.clone()),
            None => Origin::Registered(model_name("churn"), version(7)),
        };
        let (environment, mut printer) = (Environment::default(), Printer::new(OutputFormat::Text, true));
        run(model, &origin, &args, args.files(&environment)?, &environment, &extras(), &mut printer)
    }

    /// Predicts from CSV text to CSV text.
    fn predict_csv(&self, model: Model, input: impl AsRef<[u8]>, options: &str) -> anyhow::Result<String> {
        self.write("in.csv", input);
        self.predict(model, "in.csv", "out.csv", options)?;
        Ok(fs::read_to_string(self.path("out.csv")).unwrap())
    }

    /// The error of predicting from a file, which leaves nothing behind.
    fn refused(&self, model: Model, input: &str, options: &str) -> Error {
        let before = self.listing();
        let error = self.predict(model, input, "out.csv", options).unwrap_err();
        assert_eq!(self.listing(), before, "a failed prediction leaves no files");
        error.downcast().unwrap()
    }

    fn listing(&self) -> Vec<PathBuf> {
        let mut names: Vec<PathBuf> =
            fs::read_dir(self.0.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        names
    }
}

/// A case of the fixtures: its files and Python's predictions.
struct Case {
    folder: PathBuf,
    expected: Value,
}

impl Case {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/models").join(name);
        let expected = fs::read_to_string(folder.join("expected.json")).unwrap();
        Self { folder, expected: serde_json::from_str(&expected).unwrap() }
    }

    fn model(&self, format: &str) -> Model {
        let files = fs::read_dir(self.folder.join(format)).unwrap().map(|entry| entry.unwrap().path());
        let file =
            files.into_iter().find(|path| path.file_stem().is_some_and(|stem| stem == "model")).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        Model::from_artifact(name, "", &fs::read(&file).unwrap(), &ModelLimits::default()).unwrap()
    }

    /// Additional options for CSV and JSON, which have no types.
    fn options(&self) -> &'static str {
        if self.folder.ends_with("binary_cat") { " --categories city,tier" } else { "" }
    }

    fn input(&self) -> String {
        fs::read_to_string(self.folder.join("input.csv")).unwrap()
    }
}

/// The regression fixture's native booster: features `f0` to `f4`, one output.
fn regression() -> Model {
    Case::new("regression").model("booster")
}

fn context(error: &Error, key: &str) -> String {
    let value = error.context().iter().find(|(name, _)| *name == key);
    value.unwrap_or_else(|| panic!("no `{key}` in {error:?}")).1.clone()
}

fn assert_invalid(error: &Error, message: &str) {
    assert_eq!(error.kind(), ErrorKind::InvalidData, "{error:?}");
    assert!(error.message().contains(message), "{error:?}");
}
