//! Lines of a model text, with their numbers for error messages.
pub(super) struct Lines<'a>(&'a [u8]);
impl<'a> Lines<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}
