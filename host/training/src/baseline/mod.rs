//! Trains the baseline: a binary LightGBM classifier with scikit-learn's defaults.

mod checks;
mod evaluate;
mod parameters;

use crate::booster::{lightgbm, redirect_messages};
use hydra_base::{Error, ErrorKind, Result};
use hydra_lightgbm::text::{Limits, TextModel};

pub use evaluate::evaluate;
pub use parameters::TrainingParameters;

/// A freshly trained binary classifier: LightGBM's model text and the validated model.
///
/// ```
/// use hydra_training::BaselineModel;
///
/// let rows: Vec<[f64; 2]> = (0..200).map(|i| [f64::from(i), f64::from(i % 7)]).collect();
/// let labels: Vec<f64> = (0..200).map(|i| f64::from(u8::from(i > 120))).collect();
/// let model = BaselineModel::train(&rows, &labels, &["height", "weekday"])?;
/// assert_eq!(model.text_model().feature_names(), ["height", "weekday"]);
/// # Ok::<(), hydra_base::Error>(())
/// ```
#[derive(Debug)]
pub struct BaselineModel {
    text: String,
    model: TextModel,
}

impl BaselineModel {
    /// Trains with the defaults of scikit-learn's `LGBMClassifier`.
    ///
    /// `x` has one slice of feature values per row (NaN means missing), `y` one label per row (0 or 1), and
    /// `feature_names` one name per column. Equal input results in equal text on any machine.
    ///
    /// [`ErrorKind::InvalidData`] if the table is empty or ragged, a label is not 0 or 1, only one class occurs, or
    /// LightGBM cannot store a feature name: empty, repeated, or with white space, control characters or one of `" , :
    /// [ ] { }`.
    pub fn train<Row, Name>(x: &[Row], y: &[f64], feature_names: &[Name]) -> Result<Self>
    where
        Row: AsRef<[f64]>,
        Name: AsRef<str>,
    {
        Self::train_with(&TrainingParameters::default(), x, y, feature_names)
    }

    /// Trains like [`BaselineModel::train`], with other parameters.
    ///
    /// [`ErrorKind::InvalidArgument`] if a parameter is outside LightGBM's range.
    pub fn train_with<Row, Name>(
        parameters: &TrainingParameters,
        x: &[Row],
        y: &[f64],
        feature_names: &[Name],
    ) -> Result<Self>
    where
        Row: AsRef<[f64]>,
        Name: AsRef<str>,
    {
        parameters.check()?;
        let names: Vec<String> = feature_names.iter().map(|name| name.as_ref().to_owned()).collect();
        checks::feature_names(&names)?;
        let values = checks::flatten(x, names.len())?;
        let labels = checks::binary_labels(y, x.len())?;
        let text = fit(parameters, &values, &labels, &names)?;
        let model = TextModel::parse(text.as_bytes(), &Limits::default()).map_err(|error| {
            Error::new(ErrorKind::Internal, "the reader rejected a model that LightGBM wrote")
                .with_source(error)
        })?;
        if model.feature_names() != names {
            return Err(Error::new(ErrorKind::Internal, "LightGBM changed the feature names"));
        }
        Ok(Self { text, model })
    }

    /// The model as LightGBM's text, the content of a `model.lgb`.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The validated model.
    #[must_use]
    pub fn text_model(&self) -> &TextModel {
        &self.model
    }

    /// Returns the text, without a copy.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }
}

fn fit(parameters: &TrainingParameters, values: &[f64], labels: &[f32], names: &[String]) -> Result<String> {
    redirect_messages();
    let width = i32::try_from(names.len()).map_err(|_| {
        Error::new(ErrorKind::InvalidData, "LightGBM supports at most 2,147,483,647 columns")
            .with_context("columns", names.len())
    })?;
    let mut dataset =
        lightgbm3::Dataset::from_slice(values, labels, width, true).map_err(|e| lightgbm(&e))?;
    dataset.set_feature_names(names).map_err(|e| lightgbm(&e))?;
    let booster = lightgbm3::Booster::train(dataset, &parameters.for_lightgbm()).map_err(|e| lightgbm(&e))?;
    // lightgbm3 frees the data set that its trained booster still points to, so only the text of the booster is used,
    // which does not need the data.
    booster.save_string().map_err(|e| lightgbm(&e))
}

#[cfg(test)]
mod tests;
