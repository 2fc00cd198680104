//! The arguments of `list`, `show` and `diff`.

use std::str::FromStr;

use clap::Args;

use crate::selector::ModelArgs;
use crate::versions::{Condition, Order};
use hydra_base::names::{Alias, Version};
use hydra_registry::VersionSelector;

/// Arguments of `list`.
#[derive(Debug, Args)]
#[command(after_help = LIST_HELP)]
pub struct ListArgs {
    /// Show at most this many versions
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,

    /// Show these metrics of each version, in columns; an evaluation's figures are named after it, such as holdout.auc
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub metrics: Vec<String>,

    /// Sort by a metric, `version` or `created`, greatest first; with a minus in front, least first
    #[arg(long, value_name = "[-]NAME", allow_hyphen_values = true)]
    pub sort: Option<Order>,

    /// Only versions for which this holds; several conditions must all hold
    #[arg(long = "where", value_name = "CONDITION")]
    pub conditions: Vec<Condition>,
}

const LIST_HELP: &str = "\
A condition compares a metric with a number (auc>=0.9, log_loss<0.2), or a text: alias=champion, tag.team=risk,
param.num_leaves=31, quarantine=yes; != is the opposite of =. Metrics, params and tags take one request for each version.

Examples:
  hydra-registry list --metrics auc,log_loss --sort auc
  hydra-registry list --metrics auc --where 'auc>=0.9' --where tag.team=risk
  hydra-registry --output jsonl list | jq .version";

/// Arguments of `show`.
#[derive(Debug, Args)]
#[command(after_help = SHOW_HELP)]
pub struct ShowArgs {
    /// The version, by its number or an alias [default: champion]
    #[arg(value_name = "VERSION", conflicts_with = "ModelArgs")]
    pub named: Option<Named>,

    /// The version.
    #[command(flatten)]
    pub model: ModelArgs,

    /// Show at most this many decisions about the version, newest first
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub decisions: usize,
}

const SHOW_HELP: &str = "\
A version whose model cannot be loaded is shown with the reason.

Examples:
  hydra-registry show 12
  hydra-registry show candidate
  hydra-registry --output json show 12 | jq .model_file.features
  hydra-registry show --model-file model.lgb";

/// Arguments of `diff`.
#[derive(Debug, Args)]
#[command(after_help = DIFF_HELP)]
pub struct DiffArgs {
    /// A version, by its number or an alias
    #[arg(value_name = "A")]
    pub a: Named,

    /// The version to compare with it, by its number or an alias
    #[arg(value_name = "B")]
    pub b: Named,

    /// Show what is equal, too
    #[arg(long)]
    pub all: bool,
}

const DIFF_HELP: &str = "\
Shows what differs: metrics, configuration, tags, the model, the importance of its columns, and evaluations on the same rows.
Differences are those of B minus A.

Examples:
  hydra-registry diff champion candidate
  hydra-registry diff 14 15 --all";

/// A version, named by its number or by an alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named(pub VersionSelector);

impl FromStr for Named {
    type Err = hydra_base::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let selector = if is_number { text.parse::<Version>()?.into() } else { Alias::new(text)?.into() };
        Ok(Self(selector))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydra_base::testing::{alias, version};

    #[test]
    fn a_version_is_named_by_its_number_or_an_alias() {
        let named = |text: &str| text.parse::<Named>().map(|named| named.0);
        assert_eq!(named("12").expect("a number"), version(12).into());
        assert_eq!(named("champion").expect("an alias"), alias("champion").into());
        for bad in ["", "0", "v1", "a b:", "99999999999999999999999"] {
            assert!(named(bad).is_err(), "{bad}");
        }
    }
}
