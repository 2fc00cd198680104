//! Loads a model from the bytes of an artifact.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::{Model, ModelFormat, ModelLimits, model_file};
use crate::error::raised_by;
use crate::extracted::ExtractedModel;
use crate::foreign;
use crate::pickle::read_pickle;
use crate::skops::read_skops;
use crate::text::TextModel;
use hydra_base::text::{QUOTED_CHARS, excerpt};
use hydra_base::{Error, ErrorKind, Result};

/// Reads a model file of at most `limit` bytes. A larger one is refused by its size, before any of it is read.
fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let unreadable =
        |source| Error::new(ErrorKind::Storage, "cannot read the model file").with_source(source);
    let too_large = |bytes: u64| {
        Error::new(ErrorKind::InvalidModel, "the model file is larger than the limit")
            .with_context("bytes", bytes)
            .with_context("limit", limit)
            .with_hint(raised_by("bytes"))
    };
    let file = File::open(path).map_err(unreadable)?;
    let announced = file.metadata().map_err(unreadable)?.len();
    if announced > limit {
        return Err(too_large(announced));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(announced).unwrap_or(0));
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    let read = bytes.len() as u64;
    if read > limit { Err(too_large(read)) } else { Ok(bytes) }
}

impl Model {
    /// Reads a model file: LightGBM's text, a skops file or a pickle, depending on its name and first bytes. No code in
    /// it runs.
    ///
    /// [`ErrorKind::Storage`] if the file cannot be read. Otherwise fails like [`Model::from_bytes`] with the default
    /// limits; the errors name the file.
    ///
    /// ```
    /// use hydra_lightgbm::{Matrix, Model};
    ///
    /// # fn main() -> hydra_lightgbm::Result<()> {
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/models/binary_int/pickle/model.pkl");
    /// let model = Model::open(path)?;
    /// let rows = [0.5, -1.0, f64::NAN, 2.0, 0.0];
    /// let probability = model.outputs(&Matrix::from_rows(&rows, 5)?)?;
    /// assert!(probability[0] > 0.0 && probability[0] < 1.0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with_bytes(path).map(|(model, _)| model)
    }

    /// Like [`Model::open`], and the bytes of the file.
    pub fn open_with_bytes(path: impl AsRef<Path>) -> Result<(Self, Vec<u8>)> {
        let path = path.as_ref();
        let named = |error: Error| error.with_context("file", path.display());
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let limits = ModelLimits::default();
        let bytes =
            model_file(path).and_then(|path| read_file(&path, limits.file_bytes(name))).map_err(named)?;
        let model = Self::read(name, &bytes, &limits).map_err(named)?;
        Ok((model, bytes))
    }

    /// Reads the bytes of a model file: LightGBM's text, a skops file or a pickle, depending on the first bytes. No
    /// code in it runs.
    ///
    /// [`ErrorKind::InvalidModel`] for damage and for exceeded limits; [`ErrorKind::UnsupportedModel`] for other
    /// formats, for unknown features, and for pickles of protocols 0 and 1. Those cannot be recognized by their first
    /// bytes; [`Model::from_artifact`] recognizes them by the file's name.
    pub fn from_bytes(bytes: &[u8], limits: &ModelLimits) -> Result<Self> {
        Self::read("", bytes, limits)
    }

    /// Reads the data file of MLflow's `lightgbm` flavor: LightGBM's text, a skops file or a pickle, depending on its
    /// name and first bytes. No code in it runs.
    ///
    /// `model_class` is the Python class in `MLmodel`. It appears in errors only, because the file itself contains the
    /// class. Fails like [`Model::from_bytes`].
    pub fn from_artifact(
        data_file_name: &str,
        model_class: &str,
        bytes: &[u8],
        limits: &ModelLimits,
    ) -> Result<Self> {
        Self::read(data_file_name, bytes, limits).map_err(|error| {
            error
                .with_context("file", excerpt(data_file_name, QUOTED_CHARS))
                .with_context("class", excerpt(model_class, QUOTED_CHARS))
        })
    }

    fn read(file_name: &str, bytes: &[u8], limits: &ModelLimits) -> Result<Self> {
        match format_of(file_name, bytes)? {
            ModelFormat::Text => Self::from_text_model(TextModel::parse(bytes, &limits.text)?),
            ModelFormat::Skops => {
                Self::from_extracted(ModelFormat::Skops, read_skops(bytes, &limits.extract)?, limits)
            }
            ModelFormat::Pickle => {
                Self::from_extracted(ModelFormat::Pickle, read_pickle(bytes, &limits.extract)?, limits)
            }
        }
    }

    fn from_extracted(
        format: ModelFormat,
        extracted: ExtractedModel<'_>,
        limits: &ModelLimits,
    ) -> Result<Self> {
        let text = TextModel::parse(extracted.booster_text.as_bytes(), &limits.text)?;
        Self::assemble(text, format, extracted.estimator, extracted.classes, extracted.best_iteration)
    }
}

/// Whether a file of that name has LightGBM's text.
pub(super) fn is_text_by_name(name: &str) -> bool {
    format_by_name(name) == Some(ModelFormat::Text)
}

/// The format of MLflow's file names.
fn format_by_name(name: &str) -> Option<ModelFormat> {
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str())?;
    match extension.to_ascii_lowercase().as_str() {
        "lgb" | "txt" => Some(ModelFormat::Text),
        "skops" => Some(ModelFormat::Skops),
        "pkl" | "pickle" | "cloudpickle" => Some(ModelFormat::Pickle),
        _ => None,
    }
}

/// For MLflow's file names, the name decides; for others, the first bytes.
fn format_of(name: &str, bytes: &[u8]) -> Result<ModelFormat> {
    if let Some(format) = format_by_name(name) {
        return Ok(format);
    }
    if bytes.starts_with(b"tree") {
        Ok(ModelFormat::Text)
    } else if bytes.starts_with(b"PK\x03\x04") {
        Ok(ModelFormat::Skops)
    } else if bytes.starts_with(b"\x80") {
        Ok(ModelFormat::Pickle)
    } else {
        Err(foreign::named(bytes).unwrap_or_else(|| {
            Error::new(ErrorKind::UnsupportedModel, "the format of the model file is unknown")
                .with_hint("use LightGBM's text, a pickle or a skops file, as `mlflow.lightgbm` writes them")
        }))
    }
}
