//! Validates a model as a stream, with memory for one tree at a time.

use std::io::{self, BufRead};

use super::header::OLD_END;
use super::lines::Lines;
use super::tree::Trees;
use super::{Limits, header, tail};
use hydra_base::{Error, ErrorKind, Result};

/// The properties of a validated model that concern its predictions.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelSummary {
    /// The names of the features, in the order of the columns.
    pub feature_names: Vec<String>,
    /// The number of raw scores of a row.
    pub num_outputs: usize,
    /// Whether some features are pandas categories, so that a row does not consist of numbers only.
    pub has_categories: bool,
    /// Whether a leaf is infinite: some predictions are infinite, or not a number.
    pub has_infinite_leaves: bool,
    /// The length of the text in bytes.
    pub bytes: u64,
}

/// Validates a model exactly as [`TextModel::parse`](super::TextModel::parse) does, and returns only a summary. It
/// needs as much memory as the longest tree. [`ErrorKind::Storage`] if the text cannot be read.
pub fn check(text: impl BufRead, limits: &Limits) -> Result<ModelSummary> {
    let mut sections = Sections::new(text, limits);
    let first = sections.next()?;
    let mut lines = first.lines();
    let header = header::read(&mut lines, limits)?;
    // Offsets count from the first tree.
    let start = lines.offset();
    let mut trees = Trees::new(&header, limits);
    loop {
        let section = sections.next()?;
        let mut lines = section.lines();
        if trees.next(&mut lines, start)? {
            trees.forget();
            while lines.peek().is_some_and(<[u8]>::is_empty) {
                lines.skip();
            }
            if lines.peek().is_none() {
                continue;
            }
        }
        lines.set_tree(None);
        trees.finish(&mut lines, start)?;
        let categories = tail::read(&mut lines)?;
        return Ok(ModelSummary {
            has_categories: categories.is_some_and(|lists| !lists.is_empty()),
            num_outputs: header.num_class,
            has_infinite_leaves: trees.have_infinite_leaves(),
            feature_names: header.feature_names.clone(),
            bytes: lines.offset() as u64,
        });
    }
}

/// Splits a text before each tree and before its end.
struct Sections<R> {
    text: io::Take<R>,
    limits: Limits,
    /// The line that ended the last section and begins the next one.
    ahead: Vec<u8>,
    offset: usize,
    line: usize,
}

struct Section {
    bytes: Vec<u8>,
    offset: usize,
    line: usize,
}

impl Section {
    fn lines(&self) -> Lines<'_> {
        Lines::part(&self.bytes, self.offset, self.line)
    }
}

impl<R: BufRead> Sections<R> {
    fn new(text: R, limits: &Limits) -> Self {
        let most = (limits.bytes as u64).saturating_add(1);
        Self { text: text.take(most), limits: limits.clone(), ahead: Vec::new(), offset: 0, line: 1 }
    }

    /// The next section; empty at the end of the text.
    fn next(&mut self) -> Result<Section> {
        let mut section =
            Section { bytes: std::mem::take(&mut self.ahead), offset: self.offset, line: self.line };
        // After the last tree, the rest is one section.
        let is_last = is_end(&section.bytes);
        let mut lines = usize::from(!section.bytes.is_empty());
        loop {
            let mut line = Vec::new();
            let read = self.text.read_until(b'\n', &mut line).map_err(|source| {
                Error::new(ErrorKind::Storage, "cannot read the model text").with_source(source)
            })?;
            self.limits.check_bytes(self.offset + section.bytes.len() + read)?;
            if read == 0 {
                break;
            }
            if !is_last && (line.starts_with(b"Tree=") || is_end(&line)) {
                self.ahead = line;
                break;
            }
            section.bytes.append(&mut line);
            lines += 1;
        }
        self.offset += section.bytes.len();
        self.line += lines;
        Ok(section)
    }
}

fn is_end(bytes: &[u8]) -> bool {
    let ends: [&[u8]; 2] = [b"end of trees", OLD_END];
    ends.iter().any(|end| matches!(bytes.strip_prefix(*end), Some(b"" | b"\n" | b"\r\n")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::TextModel;

    fn fixture(case: &str) -> Vec<u8> {
        let path =
            format!("{}/../../tests/fixtures/models/{case}/booster/model.lgb", env!("CARGO_MANIFEST_DIR"));
        std::fs::read(path).expect("the fixture")
    }

    /// Checks that both readers give the same result for a text.
    fn agree(text: &[u8], limits: &Limits) {
        let streamed = check(text, limits);
        match (TextModel::parse(text, limits), streamed) {
            (Ok(whole), Ok(summary)) => {
                assert_eq!(summary.feature_names, whole.feature_names());
                assert_eq!(summary.num_outputs, whole.trees_per_iteration());
                assert_eq!(summary.bytes, text.len() as u64);
            }
            (Err(whole), Err(streamed)) => {
                assert_eq!((streamed.kind(), streamed.to_string()), (whole.kind(), whole.to_string()));
            }
            (whole, streamed) => panic!("whole: {:?}, streamed: {streamed:?}", whole.err()),
        }
    }

    #[test]
    fn every_fixture_is_valid_as_a_stream_too() {
        for case in ["binary_int", "multi_int", "regression", "binary_cat", "binary_earlystop"] {
            agree(&fixture(case), &Limits::default());
        }
    }

    #[test]
    fn infinite_leaves_are_read_and_named() {
        let text = String::from_utf8(fixture("regression")).expect("UTF-8");
        let at = text.find("leaf_value=").expect("a leaf") + "leaf_value=".len();
        let end = at + text[at..].find(' ').expect("another leaf");
        let without_sizes = |text: &str| {
            let lines = text.split_inclusive('\n').filter(|line| !line.starts_with("tree_sizes="));
            lines.collect::<String>()
        };
        assert!(!check(text.as_bytes(), &Limits::default()).expect("a model").has_infinite_leaves);
        for infinite in ["inf", "-inf", "1e999"] {
            let text = without_sizes(&format!("{}{infinite}{}", &text[..at], &text[end..]));
            agree(text.as_bytes(), &Limits::default());
            assert!(check(text.as_bytes(), &Limits::default()).expect("a model").has_infinite_leaves);
            let model = TextModel::parse(text.as_bytes(), &Limits::default()).expect("a model");
            assert!(model.tree(0).leaf_value()[0].is_infinite());
            // LightGBM receives the same value.
            assert!(model.emit().contains("inf"), "{infinite}");
        }
    }

    #[test]
    fn limits_are_those_of_the_whole_text() {
        let text = fixture("binary_int");
        let mut limits = Limits { trees: 3, ..Limits::default() };
        agree(&text, &limits);
        limits.trees = 1000;
        limits.bytes = 500;
        assert_eq!(check(text.as_slice(), &limits).expect_err("too long").kind(), ErrorKind::InvalidModel);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn damage_is_named_alike(at in 0usize..12_000, byte in any::<u8>(), cut in any::<bool>()) {
            let mut text = fixture("multi_int");
            let at = at % text.len();
            if cut {
                text.truncate(at);
            } else {
                text[at] = byte;
            }
            agree(&text, &Limits::default());
        }
    }
}
