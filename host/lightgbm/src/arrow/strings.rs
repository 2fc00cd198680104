//! Text columns in place: Arrow's three layouts of text, and dictionaries of them.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, GenericStringArray, OffsetSizeTrait, StringViewArray};
use arrow_schema::DataType;

use crate::loaded::StringColumn;

/// The text of an array; `None` if it does not contain text.
pub(super) fn column(array: &ArrayRef) -> Option<Box<dyn StringColumn + '_>> {
    Some(match array.data_type() {
        DataType::Utf8 => Box::new(Strings(array.as_string::<i32>())),
        DataType::LargeUtf8 => Box::new(Strings(array.as_string::<i64>())),
        DataType::Utf8View => Box::new(Views(array.as_string_view())),
        DataType::Dictionary(_, _) => {
            let dictionary = array.as_any_dictionary();
            let values = column(dictionary.values())?;
            let nulls = dictionary.keys().logical_nulls();
            // A dictionary without values cannot normalize its keys; all of its rows are null.
            let empty = dictionary.values().is_empty();
            let keys = if empty { vec![0; dictionary.len()] } else { dictionary.normalized_keys() };
            let valid = |row| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
            let present = |(row, key)| (!empty && valid(row)).then_some(key);
            let keys = keys.into_iter().enumerate().map(present).collect();
            Box::new(Dictionary { keys, values })
        }
        _ => return None,
    })
}

#[derive(Debug)]
struct Strings<'a, O: OffsetSizeTrait>(&'a GenericStringArray<O>);

impl<O: OffsetSizeTrait> StringColumn for Strings<'_, O> {
    fn rows(&self) -> usize {
        self.0.len()
    }

    fn get(&self, row: usize) -> Option<&str> {
        self.0.is_valid(row).then(|| self.0.value(row))
    }
}

#[derive(Debug)]
struct Views<'a>(&'a StringViewArray);

impl StringColumn for Views<'_> {
    fn rows(&self) -> usize {
        self.0.len()
    }

    fn get(&self, row: usize) -> Option<&str> {
        self.0.is_valid(row).then(|| self.0.value(row))
    }
}

#[derive(Debug)]
struct Dictionary<'a> {
    keys: Vec<Option<usize>>,
    values: Box<dyn StringColumn + 'a>,
}

impl StringColumn for Dictionary<'_> {
    fn rows(&self) -> usize {
        self.keys.len()
    }

    fn get(&self, row: usize) -> Option<&str> {
        self.keys[row].and_then(|key| self.values.get(key))
    }
}
