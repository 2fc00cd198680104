//! Commands that a hint or a remedy names, with the options that they need to act on the same model.

use clap::{ArgMatches, CommandFactory as _};

use clap::parser::ValueSource;

use crate::args::{Cli, REPEATED};
use hydra_base::text::{printable, shell_word};
use hydra_mlflow::uri::redact;

/// Options that say which registry and model a command is about.
const PLACE: [&str; 4] = ["config", "tracking-uri", "registry-uri", "model"];

/// Names of commands that texts use otherwise, too: for an alias, and for the model and the policy of `hydra.toml`.
const AMBIGUOUS: [&str; 3] = ["champion", "model", "policy"];

/// The commands of `policy` that are about a model.
const POLICY_OF_MODEL: [&str; 6] = ["activate", "deactivate", "approve", "active", "history", "backtest"];

/// The program's name, as texts write it.
const PROGRAM: &str = "hydra-registry ";

/// The options of a command line that another command on the same model has to repeat.
#[derive(Debug, Default)]
pub struct Again {
    /// Pairs of an option's name and its value, quoted for a shell.
    options: Vec<(&'static str, String)>,
}

impl Again {
    /// The options of a command line. URIs with credentials and unprintable values are left out, and so is what the environment
    /// says.
    pub fn of(matches: &ArgMatches) -> Self {
        let mut options = Vec::new();
        for arg in Cli::command().get_arguments() {
            let Some(option) = PLACE.iter().chain(&REPEATED).find(|name| arg.get_long() == Some(name)) else {
                continue;
            };
            let id = arg.get_id().as_str();
            if matches.value_source(id) != Some(ValueSource::CommandLine) {
                continue;
            }
            let values = matches.get_raw(id).into_iter().flatten().filter_map(|value| value.to_str());
            let shown = values.filter(|value| {
                let has_secret = option.ends_with("-uri") && redact(value) != *value;
                !value.is_empty() && !has_secret && is_printable(value)
            });
            options.extend(shown.map(|value| (*option, shell_word(value))));
        }
        Self { options }
    }

    /// The option that selects a model; none if its name is not printable.
    pub fn on_model(name: &str) -> Self {
        let option = is_printable(name).then(|| ("model", shell_word(name)));
        Self { options: option.into_iter().collect() }
    }

    /// `text`, with the program's name and these options in each command that it names, as it can be typed.
    pub fn complete(&self, text: &str) -> String {
        let mut whole = text.to_owned();
        let policy = subcommands_of("policy").into_iter().map(|name| format!("policy {name}"));
        let named = commands().into_iter().filter(|command| !AMBIGUOUS.contains(&command.as_str()));
        for command in named.chain(policy) {
            for end in ["`", " "] {
                whole = whole.replace(&format!("`{command}{end}"), &format!("`{PROGRAM}{command}{end}"));
            }
        }
        let mut parts = whole.split_inclusive(PROGRAM).peekable();
        let mut complete = String::with_capacity(whole.len());
        while let Some(part) = parts.next() {
            complete += part;
            if part.ends_with(PROGRAM) {
                complete += &self.before(parts.peek().copied().unwrap_or_default());
            }
        }
        complete
    }

    /// The options to insert before the command at the start of `text`, which may have its own `--model`.
    fn before(&self, text: &str) -> String {
        let own_model = text.strip_prefix("--model ").and_then(after_word);
        let command = own_model.unwrap_or(text);
        let word =
            command.split(|sign: char| !sign.is_ascii_lowercase() && sign != '-').next().unwrap_or_default();
        // `policy build` and its like are not about a model.
        let is_of_model = match command.strip_prefix("policy ") {
            Some(rest) => rest.split([' ', '`']).next().is_some_and(|name| POLICY_OF_MODEL.contains(&name)),
            None => word != "policy" && commands().iter().any(|command| command == word),
        };
        if !is_of_model {
            return String::new();
        }
        // An activation without files is that of the policy that the options name.
        let decides = matches!(word, "promote" | "rollback") || command.starts_with("policy activate`");
        let given = self.options.iter().filter(|(option, _)| {
            (decides || PLACE.contains(option)) && !(own_model.is_some() && *option == "model")
        });
        given.map(|(option, value)| format!("--{option} {value} ")).collect()
    }
}

/// The names of all commands.
fn commands() -> Vec<String> {
    Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect()
}

/// The names of the commands of a command.
fn subcommands_of(name: &str) -> Vec<String> {
    let cli = Cli::command();
    let below = cli.find_subcommand(name).into_iter().flat_map(clap::Command::get_subcommands);
    below.map(|command| command.get_name().to_owned()).collect()
}

/// What follows the first word, which may be in single quotes.
fn after_word(text: &str) -> Option<&str> {
    let mut is_quoted = false;
    let end = text.find(|sign| {
        is_quoted ^= sign == '\'';
        sign == ' ' && !is_quoted
    })?;
    Some(&text[end + 1..])
}

fn is_printable(text: &str) -> bool {
    printable(text) == text
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::args::gathered;

    /// The options of a command line without the program's name.
    fn again(words: &[&str]) -> Again {
        let words = ["hydra-registry"].iter().chain(words).map(OsString::from);
        Again::of(&Cli::command().try_get_matches_from(gathered(words)).expect("a command"))
    }

    #[test]
    fn a_command_in_a_text_gets_the_options_of_the_command_line() {
        let given = again(&["--model", "e", "promote", "--policy=gate.wasm", "--set", "metric=auc"]);
        let hint = "`hydra-registry rollback --to 2` returns to it; `doctor --fix` repairs; next: hydra-registry list";
        assert_eq!(
            given.complete(hint),
            "`hydra-registry --model e --policy gate.wasm --set metric=auc rollback --to 2` returns to it; \
             `hydra-registry --model e doctor --fix` repairs; next: hydra-registry --model e list"
        );
        // Without options, a command can be typed as it stands, too.
        let plain = hint.replace("`doctor", "`hydra-registry doctor");
        assert_eq!(again(&["promote"]).complete(hint), plain);
        assert_eq!(again(&["promote"]).complete(&plain), plain);
    }

    #[test]
    fn what_is_not_a_command_stays() {
        let given = again(&["--model=e", "champion"]);
        for text in ["move the alias `champion`", "upgrade hydra-registry 2", "hydra-registry policy build"] {
            assert_eq!(given.complete(text), text);
        }
        assert_eq!(given.complete("`hydra-registry --model f doctor`"), "`hydra-registry --model f doctor`");
    }

    #[test]
    fn values_are_quoted_and_credentials_and_unprintable_names_left_out() {
        let given = again(&["--tracking-uri", "http://ann:secret@host", "--model", "my model's", "list"]);
        assert_eq!(given.complete("`hydra-registry list`"), r"`hydra-registry --model 'my model'\''s' list`");
        for unprintable in [again(&["--model", "a\u{202e}b", "list"]), Again::on_model("a\nb")] {
            assert_eq!(unprintable.complete("`hydra-registry list`"), "`hydra-registry list`");
        }
        let both = Again::on_model("a b").complete("run `doctor --fix`");
        assert_eq!(
            again(&["--config", "c.toml", "--model", "z", "list"]).complete(&both),
            "run `hydra-registry --config c.toml --model 'a b' doctor --fix`"
        );
    }

    #[test]
    fn a_sign_of_an_address_is_not_a_credential_by_itself() {
        let given = again(&["--set", "owner=ann@example.org", "--tracking-uri", "runs@home", "promote"]);
        assert_eq!(
            given.complete("`hydra-registry promote`"),
            "`hydra-registry --tracking-uri runs@home --set owner=ann@example.org promote`"
        );
        for secret in ["postgresql://h/db?password=x", "http://token@host"] {
            let given = again(&["--registry-uri", secret, "list"]);
            assert_eq!(given.complete("`hydra-registry list`"), "`hydra-registry list`");
        }
    }

    #[test]
    fn of_an_option_before_and_after_the_command_the_last_one_counts() {
        let given = again(&["--model", "a", "--set", "x=1", "promote", "--model", "b", "--set", "y=2"]);
        assert_eq!(
            given.complete("`hydra-registry promote`"),
            "`hydra-registry --model b --set x=1 --set y=2 promote`"
        );
    }

    #[test]
    fn every_command_is_completed() {
        let given = again(&["--model", "e", "list"]);
        for command in commands() {
            let named = format!("`{command}`");
            let complete = format!("`hydra-registry --model e {command}`");
            let expected = if AMBIGUOUS.contains(&command.as_str()) { &named } else { &complete };
            assert_eq!(given.complete(&named), *expected);
        }
        for (text, place) in [
            ("`hydra-registry champion`", "--model e "),
            ("`hydra-registry policy test`", ""),
            ("`hydra-registry policy activate FILE…`", "--model e "),
            ("`hydra-registry policy active`", "--model e "),
        ] {
            let expected = text.replace(PROGRAM, &format!("{PROGRAM}{place}"));
            assert_eq!(given.complete(text), expected);
            assert_eq!(given.complete(&expected), expected, "once is enough");
        }
        assert_eq!(
            given.complete("`policy deactivate --reason REASON` or `policy build`"),
            "`hydra-registry --model e policy deactivate --reason REASON` or `hydra-registry policy build`"
        );
        for name in POLICY_OF_MODEL {
            assert!(subcommands_of("policy").iter().any(|known| known == name), "{name}");
        }
    }
}
