//! Which versions a command is about: `--version N`, `--alias NAME` and `--model-file PATH`; the champion without one.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, value_parser};

use hydra_base::names::{Alias, Version};
use hydra_registry::VersionSelector;

/// One selected version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selected {
    /// A version of the registered model.
    Registered(VersionSelector),
    /// A model file, which need not be registered.
    File(PathBuf),
}

/// One version, or a model file.
#[derive(Debug, Clone, Default, Args)]
#[group(multiple = false)]
pub struct ModelArgs {
    /// The version of this number
    #[arg(long, value_name = "N")]
    pub version: Option<Version>,

    /// The version behind this alias [default: champion]
    #[arg(long, value_name = "NAME")]
    pub alias: Option<Alias>,

    /// A model file instead of a registered version: LightGBM's text, a pickle or a skops file
    #[arg(long, value_name = "FILE")]
    pub model_file: Option<PathBuf>,
}

impl ModelArgs {
    /// What is selected.
    pub fn selected(&self) -> Selected {
        match &self.model_file {
            Some(path) => Selected::File(path.clone()),
            None => Selected::Registered(match (self.version, &self.alias) {
                (Some(version), _) => version.into(),
                (None, Some(alias)) => alias.clone().into(),
                (None, None) => Alias::CHAMPION.into(),
            }),
        }
    }
}

/// Several versions, in the order of the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SelectorArgs {
    /// Empty if the command line selects none.
    pub selected: Vec<Selected>,
}

impl Args for SelectorArgs {
    fn augment_args(command: Command) -> Command {
        let arg = |name: &'static str, value: &'static str, help: &'static str| {
            Arg::new(name).long(name).value_name(value).action(ArgAction::Append).help(help)
        };
        command
            .arg(arg("version", "N", "A version by its number").value_parser(value_parser!(Version)))
            .arg(arg("alias", "NAME", "The version behind an alias").value_parser(value_parser!(Alias)))
            .arg(
                arg("model-file", "FILE", "A model file: LightGBM's text, a pickle or a skops file")
                    .value_parser(value_parser!(PathBuf)),
            )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SelectorArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut selected = given(matches, "version", |version: &Version| {
            Selected::Registered(VersionSelector::Number(*version))
        });
        selected.extend(given(matches, "alias", |alias: &Alias| {
            Selected::Registered(VersionSelector::Alias(alias.clone()))
        }));
        selected.extend(given(matches, "model-file", |path: &PathBuf| Selected::File(path.clone())));
        selected.sort_by_key(|(index, _)| *index);
        Ok(Self { selected: selected.into_iter().map(|(_, selected)| selected).collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The values of an argument with their places on the command line.
fn given<T: Clone + Send + Sync + 'static>(
    matches: &ArgMatches,
    name: &str,
    selected: impl Fn(&T) -> Selected,
) -> Vec<(usize, Selected)> {
    let indices = matches.indices_of(name).into_iter().flatten();
    let values = matches.get_many::<T>(name).into_iter().flatten();
    indices.zip(values).map(|(index, value)| (index, selected(value))).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use clap::error::ErrorKind;

    use super::*;
    use hydra_base::testing::{alias, version};

    #[derive(Debug, Parser)]
    struct Typed {
        #[command(flatten)]
        selector: SelectorArgs,
    }

    #[derive(Debug, Parser)]
    struct One {
        #[command(flatten)]
        model: ModelArgs,
    }

    #[test]
    fn one_version_is_the_champion_unless_another_is_selected() {
        let one = |words: &str| {
            let words = ["predict"].into_iter().chain(words.split_whitespace());
            One::try_parse_from(words).map(|one| one.model.selected()).map_err(|error| error.kind())
        };
        let registered = |selector| Ok(Selected::Registered(selector));
        assert_eq!(one(""), registered(Alias::CHAMPION.into()));
        assert_eq!(one("--version 3"), registered(version(3).into()));
        assert_eq!(one("--alias shadow"), registered(alias("shadow").into()));
        assert_eq!(one("--model-file m.txt"), Ok(Selected::File("m.txt".into())));
        assert_eq!(one("--version 3 --alias shadow"), Err(ErrorKind::ArgumentConflict));
        assert_eq!(one("--version 3 --model-file m.txt"), Err(ErrorKind::ArgumentConflict));
    }

    fn selected(words: &str) -> Vec<Selected> {
        let words = ["evaluate"].into_iter().chain(words.split_whitespace());
        Typed::try_parse_from(words).expect("arguments").selector.selected
    }

    #[test]
    fn versions_keep_the_order_of_the_command_line() {
        let number = |of| Selected::Registered(VersionSelector::Number(version(of)));
        let named = |of| Selected::Registered(VersionSelector::Alias(alias(of)));
        assert_eq!(selected(""), []);
        assert_eq!(
            selected("--alias candidate --version 3 --model-file m.txt --alias champion --version 1"),
            [named("candidate"), number(3), Selected::File("m.txt".into()), named("champion"), number(1)]
        );
        assert!(Typed::try_parse_from(["evaluate", "--version", "0"]).is_err());
    }
}
