//! Values in the names of directories, as Hive, Spark and Arrow write them: `region=north/year=2026/part-0.parquet`.

use std::collections::BTreeMap;

use crate::input::constant::{Constant, ConstantValue};
use hydra_base::text::{QUOTED_CHARS, excerpt};
use hydra_base::{Error, ErrorKind, Result};

/// The name of the directory of rows without a value.
const MISSING: &str = "__HIVE_DEFAULT_PARTITION__";

/// The column and the value in the name of a directory; `None` if it has none. A missing value is `None`.
pub(crate) fn parsed(directory: &str) -> Option<(String, Option<String>)> {
    let (name, value) = directory.split_once('=').filter(|(name, _)| !name.is_empty())?;
    Some((decoded(name), (value != MISSING).then(|| decoded(value))))
}

/// The text without percent-encoding, which writers use for what cannot be in the name of a directory.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        let code = after.first_chunk::<2>().and_then(|code| std::str::from_utf8(code).ok());
        let is_code = |code: &&str| *byte == b'%' && code.bytes().all(|digit| digit.is_ascii_hexdigit());
        let code = code.filter(is_code).and_then(|code| u8::from_str_radix(code, 16).ok());
        bytes.push(code.unwrap_or(*byte));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The values of all files as columns. The values of a column have one type: integers, numbers, or text.
///
/// [`ErrorKind::InvalidData`] if the files have different columns, or one of them twice.
pub(crate) fn columns(files: &[Vec<(String, Option<String>)>]) -> Result<Vec<Vec<Constant>>> {
    let mut values: BTreeMap<&str, Vec<Option<&str>>> = BTreeMap::new();
    let names = |file: &[(String, Option<String>)]| -> Vec<String> {
        file.iter().map(|(name, _)| name.clone()).collect()
    };
    let first = files.first().map(|file| names(file)).unwrap_or_default();
    for file in files {
        let own = names(file);
        let twice = own.iter().enumerate().find(|(at, name)| own[..*at].contains(name));
        if let Some((_, name)) = twice {
            return Err(Error::new(ErrorKind::InvalidData, "the names of directories have a column twice")
                .with_context("column", excerpt(name, QUOTED_CHARS)));
        }
        if own != first {
            let listed = |names: &[String]| excerpt(names.join("/"), QUOTED_CHARS);
            return Err(Error::new(
                ErrorKind::InvalidData,
                "the names of directories have different columns",
            )
            .with_context("columns", listed(&first))
            .with_context("other columns", listed(&own))
            .with_hint("name the directory whose files all have the same columns"));
        }
        for (name, value) in file {
            values.entry(name).or_default().push(value.as_deref());
        }
    }
    let all = |name: &str, is: fn(&str) -> bool| values[name].iter().flatten().all(|value| is(value));
    let typed = |(name, value): &(String, Option<String>)| {
        let text = value.as_deref();
        let value = if all(name, is_integer) {
            ConstantValue::Integer(text.and_then(|text| text.parse().ok()))
        } else if all(name, is_number) {
            ConstantValue::Number(text.and_then(|text| text.parse().ok()))
        } else {
            ConstantValue::Text(value.clone())
        };
        Constant { name: name.clone(), value }
    };
    Ok(files.iter().map(|file| file.iter().map(typed).collect()).collect())
}

/// Whether the text is an integer as it is usually written: `007` is a text.
fn is_integer(text: &str) -> bool {
    text.parse::<i64>().is_ok_and(|number| number.to_string() == text)
}

fn is_number(text: &str) -> bool {
    let is_plain =
        text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'e' | b'E' | b'+'));
    let has_leading_zero =
        |text: &str| text.starts_with('0') && text[1..].starts_with(|c: char| c.is_ascii_digit());
    is_plain && text.parse::<f64>().is_ok() && !has_leading_zero(text.trim_start_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::ConstantValue::{Integer, Number, Text};
    use super::*;

    #[test]
    fn names_of_directories_are_columns_and_values() {
        assert_eq!(parsed("region=north"), Some(("region".into(), Some("north".into()))));
        assert_eq!(parsed("a%3Db=x%2Fy=z"), Some(("a=b".into(), Some("x/y=z".into()))));
        assert_eq!(parsed("region=__HIVE_DEFAULT_PARTITION__"), Some(("region".into(), None)));
        assert_eq!(parsed("region="), Some(("region".into(), Some(String::new()))));
        assert_eq!((parsed("plain"), parsed("=x")), (None, None));
        // `+f` is a number with a sign, and not two digits.
        assert_eq!(parsed("k=%+f%4"), Some(("k".into(), Some("%+f%4".into()))));
    }

    #[test]
    fn a_column_has_one_type_in_all_files() {
        let files = |values: &[&str]| -> Vec<ConstantValue> {
            let parse = |value: &&str| vec![parsed(&format!("k={value}")).expect("a value")];
            let files: Vec<_> = values.iter().map(parse).collect();
            columns(&files).expect("columns").into_iter().map(|mut file| file.remove(0).value).collect()
        };
        assert_eq!(files(&["1", "-20"]), [Integer(Some(1)), Integer(Some(-20))]);
        assert_eq!(files(&["1", MISSING]), [Integer(Some(1)), Integer(None)]);
        assert_eq!(files(&["1", "2.5"]), [Number(Some(1.0)), Number(Some(2.5))]);
        for texts in [["1", "north"], ["1", "007"], ["0.5", "00.5"], ["1", "nan"], ["1", "inf"], ["1", ""]] {
            assert_eq!(files(&texts), texts.map(|text| Text(Some(text.into()))), "{texts:?}");
        }
        assert_eq!(files(&["2026-11-30"]), [Text(Some("2026-11-30".into()))]);
    }

    #[test]
    fn files_have_the_same_columns_once() {
        let file =
            |names: &[&str]| names.iter().map(|name| parsed(name).expect("a value")).collect::<Vec<_>>();
        for files in [
            vec![file(&["a=1"]), file(&[])],
            vec![file(&["a=1", "b=2"]), file(&["b=2", "a=1"])],
            vec![file(&["a=1", "a=2"])],
        ] {
            assert_eq!(columns(&files).expect_err("different").kind(), ErrorKind::InvalidData);
        }
    }
}
