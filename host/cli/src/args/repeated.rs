//! Options that can be given several times, before and after the command.

use std::ffi::OsString;

use clap::{Command, CommandFactory as _};

use crate::args::Cli;

/// The options of every command that can be given several times.
pub const REPEATED: [&str; 6] = ["artifact-root-map", "policy", "monitor", "set", "budget", "model-limit"];

/// The arguments with the repeated options that are before the command after it: of those on both sides, clap would drop the
/// former. The first argument is the name of the program.
pub fn gathered(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let args: Vec<OsString> = args.into_iter().collect();
    let (program, mut rest) = args.split_at(args.len().min(1));
    let (mut kept, mut moved) = (program.to_vec(), Vec::new());
    let root = Cli::command();
    let mut command = &root;
    while let [arg, others @ ..] = rest {
        let text = arg.to_string_lossy();
        let option = text.strip_prefix("--");
        let length = match option {
            Some("") => break,
            Some(option) if option.contains('=') => 1,
            Some(name) if takes_value(&root, name) || takes_value(command, name) => match others.first() {
                Some(value) if !value.as_encoded_bytes().starts_with(b"-") => 2,
                // clap reports that the value is missing.
                _ => break,
            },
            None if !text.starts_with('-') => match command.find_subcommand(arg) {
                Some(subcommand) => {
                    command = subcommand;
                    1
                }
                None => break,
            },
            _ => 1,
        };
        let name = option.and_then(|option| option.split('=').next()).unwrap_or_default();
        let words = if REPEATED.contains(&name) { &mut moved } else { &mut kept };
        words.extend_from_slice(&rest[..length]);
        rest = &rest[length..];
    }
    [&kept, &moved, rest].concat()
}

fn takes_value(command: &Command, option: &str) -> bool {
    let mut args = command.get_arguments();
    args.any(|arg| arg.get_long() == Some(option) && arg.get_action().takes_values())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn repeated_options_count_before_and_after_the_command() {
        let parse = |line: &str| Cli::try_parse_from(gathered(words(line)));
        for line in [
            "h --policy a --set x=1 promote --policy=b 3 --set y=--policy --dry-run --policy c",
            "h --model promote --policy=a --set x=1 policy --policy b run --case k --policy=c --set y=--policy",
        ] {
            let global = parse(line).expect("a command").global;
            assert_eq!(global.policies, ["a", "b", "c"], "{line}");
            assert_eq!(global.set, ["x=1", "y=--policy"], "{line}");
        }
        for line in [
            "h promote --set",
            "h --set promote",
            "h promote --policy --dry-run",
            "h promote -- --policy a",
            "h --set a=1 promote --reason --set x=1 3",
            "h --set a=1 -- promote",
        ] {
            parse(line).expect_err(line);
        }
        // The value of another option stays with it.
        let line = "h --model --set promote";
        assert_eq!(gathered(words(line)), words(line));
    }

    #[test]
    fn the_repeated_options_are_those_that_clap_appends() {
        let root = Cli::command();
        let appended = root.get_arguments().filter(|arg| matches!(arg.get_action(), clap::ArgAction::Append));
        assert_eq!(appended.filter_map(clap::Arg::get_long).collect::<Vec<_>>(), REPEATED);
    }
}
