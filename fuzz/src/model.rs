//! The readers of models.

#[path = "../../host/src/model/extracted.rs"]
pub mod extracted;
#[path = "../../host/src/model/labels.rs"]
pub mod labels;
#[path = "../../host/src/model/matrix.rs"]
pub mod matrix;
#[path = "../../host/src/model/numpy/mod.rs"]
mod numpy;
#[path = "../../host/src/model/objective.rs"]
pub mod objective;
#[path = "../../host/src/model/pickle/mod.rs"]
pub mod pickle;
#[path = "../../host/src/model/scorer/mod.rs"]
pub mod scorer;
#[path = "../../host/src/model/skops/mod.rs"]
pub mod skops;
#[path = "../../host/src/model/text/mod.rs"]
pub mod text;
