//! Writing a model for LightGBM.
use super::TextModel;
pub(super) fn emit(_model: &TextModel) -> String {
    todo!()
}
