//! Class labels: the values that a scikit-learn style classifier returns instead of class indices.

use std::fmt;

use hydra_base::{Error, ErrorKind, Result};

/// The labels of a classifier, in the order of its class indices.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ClassLabels {
    /// Integers, from any NumPy integer type.
    Ints(Vec<i64>),
    /// Booleans.
    Bools(Vec<bool>),
    /// Floating-point numbers.
    Floats(Vec<f64>),
    /// Text, from NumPy's fixed-width strings or from Python strings.
    Strings(Vec<String>),
}

/// One label.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum ClassLabel<'a> {
    /// An integer.
    Int(i64),
    /// A boolean.
    Bool(bool),
    /// A floating-point number.
    Float(f64),
    /// Text.
    String(&'a str),
}

impl ClassLabels {
    /// Labels that were Python objects. All must have one type; `None` means a type that labels cannot have.
    ///
    /// [`ErrorKind::UnsupportedModel`] if types are mixed or unusual, or if there are no labels.
    pub(crate) fn uniform<'a>(labels: impl IntoIterator<Item = Option<ClassLabel<'a>>>) -> Result<Self> {
        let mut labels = labels.into_iter();
        let mut uniform = match labels.next().flatten() {
            Some(ClassLabel::Int(label)) => Self::Ints(vec![label]),
            Some(ClassLabel::Bool(label)) => Self::Bools(vec![label]),
            Some(ClassLabel::Float(label)) => Self::Floats(vec![label]),
            Some(ClassLabel::String(label)) => Self::Strings(vec![label.to_owned()]),
            None => return Err(mixed()),
        };
        for label in labels {
            match (&mut uniform, label) {
                (Self::Ints(all), Some(ClassLabel::Int(label))) => all.push(label),
                (Self::Bools(all), Some(ClassLabel::Bool(label))) => all.push(label),
                (Self::Floats(all), Some(ClassLabel::Float(label))) => all.push(label),
                (Self::Strings(all), Some(ClassLabel::String(label))) => all.push(label.to_owned()),
                _ => return Err(mixed()),
            }
        }
        Ok(uniform)
    }

    /// The number of classes.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Ints(labels) => labels.len(),
            Self::Bools(labels) => labels.len(),
            Self::Floats(labels) => labels.len(),
            Self::Strings(labels) => labels.len(),
        }
    }

    /// Whether there are no classes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The label of a class index.
    #[must_use]
    pub fn get(&self, class: usize) -> Option<ClassLabel<'_>> {
        match self {
            Self::Ints(labels) => labels.get(class).copied().map(ClassLabel::Int),
            Self::Bools(labels) => labels.get(class).copied().map(ClassLabel::Bool),
            Self::Floats(labels) => labels.get(class).copied().map(ClassLabel::Float),
            Self::Strings(labels) => labels.get(class).map(|label| ClassLabel::String(label)),
        }
    }

    /// The labels of several class indices; `None` if one is not below [`ClassLabels::len`].
    #[must_use]
    pub fn select(&self, classes: &[usize]) -> Option<Self> {
        Some(match self {
            Self::Ints(labels) => Self::Ints(select(labels, classes)?),
            Self::Bools(labels) => Self::Bools(select(labels, classes)?),
            Self::Floats(labels) => Self::Floats(select(labels, classes)?),
            Self::Strings(labels) => Self::Strings(select(labels, classes)?),
        })
    }

    /// The labels, in order.
    pub fn iter(&self) -> impl Iterator<Item = ClassLabel<'_>> {
        (0..self.len()).filter_map(|class| self.get(class))
    }
}

impl fmt::Display for ClassLabel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(label) => label.fmt(f),
            Self::Bool(label) => label.fmt(f),
            // `Debug` formats integral floats with a decimal point, as Python does.
            Self::Float(label) => fmt::Debug::fmt(label, f),
            Self::String(label) => f.write_str(label),
        }
    }
}

fn mixed() -> Error {
    Error::new(ErrorKind::UnsupportedModel, "class labels of mixed or unusual Python types are not supported")
        .with_hint("use integers, booleans or strings as class labels")
}

fn select<T: Clone>(labels: &[T], classes: &[usize]) -> Option<Vec<T>> {
    classes.iter().map(|class| labels.get(*class).cloned()).collect()
}
