//! The order of versions in a list.

use std::cmp::Ordering;
use std::str::FromStr;

use super::Listed;
use hydra_base::error::{Error, ErrorKind};

/// The order of versions in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    by: By,
    least_first: bool,
}

/// What versions are sorted by.
#[derive(Debug, Clone, PartialEq, Eq)]
enum By {
    Version,
    Created,
    Metric(String),
}

impl Order {
    /// The metric that it compares, if it compares one.
    pub(crate) fn metric(&self) -> Option<&str> {
        match &self.by {
            By::Metric(metric) => Some(metric),
            By::Version | By::Created => None,
        }
    }

    /// Sorts versions. Those without the metric, or with one that is not a number, come last, the newest first.
    pub(crate) fn sort(&self, versions: &mut [Listed]) {
        versions.sort_by(|one, other| self.compare(one, other));
    }

    fn compare(&self, one: &Listed, other: &Listed) -> Ordering {
        let directed = |order: Ordering| if self.least_first { order } else { order.reverse() };
        let newest_first = || other.info.version.cmp(&one.info.version);
        match &self.by {
            By::Version => directed(one.info.version.cmp(&other.info.version)),
            By::Created => directed(one.info.created_at.cmp(&other.info.created_at)).then_with(newest_first),
            By::Metric(metric) => {
                let value = |listed: &Listed| listed.metric(metric).filter(|value| !value.is_nan());
                match (value(one), value(other)) {
                    (Some(one), Some(other)) => directed(one.total_cmp(&other)).then_with(newest_first),
                    (Some(_), None) => Ordering::Less,
                    (None, Some(_)) => Ordering::Greater,
                    (None, None) => newest_first(),
                }
            }
        }
    }
}

impl FromStr for Order {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (name, least_first) = text.strip_prefix('-').map_or((text, false), |name| (name, true));
        let by = match name.trim() {
            "" => {
                let message = format!("the text is not the name of a metric: `{text}`");
                return Err(Error::new(ErrorKind::InvalidArgument, message)
                    .with_hint("write --sort auc, or --sort=-log_loss for the least first"));
            }
            "version" => By::Version,
            "created" => By::Created,
            metric => By::Metric(metric.to_owned()),
        };
        Ok(Self { by, least_first })
    }
}
