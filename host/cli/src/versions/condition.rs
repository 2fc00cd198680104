//! Conditions on versions: `auc>=0.9`, `alias=champion`, `tag.team=risk`.

use std::str::FromStr;

use super::Listed;
use hydra_base::error::{Error, ErrorKind};

/// A condition on a version.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// A metric compared with a number. It does not hold for a version without the metric.
    Number {
        /// The metric.
        metric: String,
        /// The comparison.
        relation: Relation,
        /// The number.
        value: f64,
    },
    /// A text that the version has, or does not have.
    Text {
        /// What is compared.
        field: Field,
        /// The text.
        value: String,
        /// Whether it must be equal; otherwise it must not be.
        is_equal: bool,
    },
}

/// How a metric relates to a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// `>=`.
    AtLeast,
    /// `<=`.
    AtMost,
    /// `>`.
    Above,
    /// `<`.
    Below,
    /// `=`.
    Equal,
    /// `!=`.
    Unequal,
}

/// A text of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// One of its aliases.
    Alias,
    /// `yes` or `no`.
    Quarantine,
    /// A tag of the version, or else of its run.
    Tag(String),
    /// A param of its run.
    Param(String),
}

/// The signs, the longer ones first.
const RELATIONS: [(&str, Relation); 6] = [
    (">=", Relation::AtLeast),
    ("<=", Relation::AtMost),
    ("!=", Relation::Unequal),
    (">", Relation::Above),
    ("<", Relation::Below),
    ("=", Relation::Equal),
];

impl Condition {
    /// Whether it depends on the version's run.
    pub(crate) fn needs_run(&self) -> bool {
        !matches!(self, Self::Text { field: Field::Alias | Field::Quarantine, .. })
    }

    /// The metric that it compares, if it compares one.
    pub(crate) fn metric(&self) -> Option<&str> {
        match self {
            Self::Number { metric, .. } => Some(metric),
            Self::Text { .. } => None,
        }
    }

    /// Whether it holds.
    pub(crate) fn holds(&self, listed: &Listed) -> bool {
        match self {
            Self::Number { metric, relation, value } => {
                listed.metric(metric).is_some_and(|found| relation.holds(found, *value))
            }
            Self::Text { field, value, is_equal } => listed.has(field, value) == *is_equal,
        }
    }
}

impl Relation {
    /// No relation but `!=` holds for NaN.
    #[expect(clippy::float_cmp, reason = "the user asks for equality")]
    fn holds(self, found: f64, value: f64) -> bool {
        match self {
            Self::AtLeast => found >= value,
            Self::AtMost => found <= value,
            Self::Above => found > value,
            Self::Below => found < value,
            Self::Equal => found == value,
            Self::Unequal => found != value,
        }
    }
}

impl FromStr for Condition {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let at = text.find(['>', '<', '=', '!']).unwrap_or(text.len());
        let (name, rest) = (text[..at].trim(), &text[at..]);
        let found = RELATIONS.iter().find_map(|(sign, relation)| Some((*relation, rest.strip_prefix(sign)?)));
        let (relation, value) = found.filter(|_| !name.is_empty()).ok_or_else(|| malformed(text))?;
        let value = value.trim();
        let is_equal = match relation {
            Relation::Equal => Some(true),
            Relation::Unequal => Some(false),
            _ => None,
        };
        let part = |prefix: &str| name.strip_prefix(prefix).filter(|key| !key.is_empty()).map(str::to_owned);
        let field = match name {
            "alias" => Some(Field::Alias),
            "quarantine" => Some(Field::Quarantine),
            _ => part("tag.").map(Field::Tag).or_else(|| part("param.").map(Field::Param)),
        };
        match (field, is_equal) {
            (Some(field), Some(is_equal)) => {
                if field == Field::Quarantine && !matches!(value, "yes" | "no") {
                    return Err(malformed(text));
                }
                Ok(Self::Text { field, value: value.to_owned(), is_equal })
            }
            (Some(_), None) => Err(malformed(text)),
            (None, _) => {
                let value = value.parse().map_err(|_| malformed(text))?;
                Ok(Self::Number { metric: name.to_owned(), relation, value })
            }
        }
    }
}

fn malformed(text: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("the text is not a condition on versions: `{text}`"))
        .with_hint(
            "write it like auc>=0.9, alias=champion, tag.team=risk, param.num_leaves=31 or quarantine=no",
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read() {
        let read = |text: &str| text.parse::<Condition>();
        let number = |relation, value| Condition::Number { metric: "auc".to_owned(), relation, value };
        for (text, condition) in [
            ("auc>=0.9", number(Relation::AtLeast, 0.9)),
            ("auc <= 1e-3", number(Relation::AtMost, 1e-3)),
            ("auc>0", number(Relation::Above, 0.0)),
            ("auc<-1", number(Relation::Below, -1.0)),
            ("auc=1", number(Relation::Equal, 1.0)),
            ("auc!=1", number(Relation::Unequal, 1.0)),
        ] {
            assert_eq!(read(text).expect(text), condition);
        }
        let text =
            |field, value: &str, is_equal| Condition::Text { field, value: value.to_owned(), is_equal };
        assert_eq!(read("alias=champion").expect("one"), text(Field::Alias, "champion", true));
        assert_eq!(read("tag.a.b!=x=y").expect("one"), text(Field::Tag("a.b".to_owned()), "x=y", false));
        assert_eq!(read("param.n=").expect("one"), text(Field::Param("n".to_owned()), "", true));
        for bad in ["", "auc", "=1", "auc>=high", "alias>x", "quarantine=maybe", "auc!1"] {
            assert_eq!(read(bad).expect_err(bad).kind(), ErrorKind::InvalidArgument);
        }
    }

    #[test]
    fn nothing_is_known_of_a_metric_that_is_not_a_number() {
        let holds = |relation: Relation| relation.holds(f64::NAN, 1.0);
        assert!(!holds(Relation::AtLeast) && !holds(Relation::AtMost) && !holds(Relation::Equal));
        assert!(holds(Relation::Unequal));
    }
}
