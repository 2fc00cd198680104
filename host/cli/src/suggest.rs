//! What to write instead of an option that does not exist.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory as _, Error};

use crate::args::Cli;

/// Options of other programs, and what they are called here.
const OTHERWISE: [(&str, &str); 15] = [
    ("--json", "--output json"),
    ("--jsonl", "--output jsonl"),
    ("--format", "--output"),
    ("--uri", "--tracking-uri"),
    ("--tracking_uri", "--tracking-uri"),
    ("--registry_uri", "--registry-uri"),
    ("--name", "--model"),
    ("--model-name", "--model"),
    ("--user", "--actor"),
    ("--dryrun", "--dry-run"),
    ("--message", "--reason"),
    ("--until", "--since"),
    ("--silent", "--quiet"),
    ("--debug", "--verbose"),
    ("--number", "--limit"),
];

/// The error, with a suggestion that fits the command better than the most similar name.
pub fn improved(mut error: Error, args: &[OsString]) -> Error {
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    let Some(ContextValue::String(unknown)) = error.get(ContextKind::InvalidArg) else { return error };
    let option = unknown.split('=').next().unwrap_or_default().to_owned();
    let root = Cli::command();
    let command = command_of(&root, args);
    let has = |long: &str| {
        let name = long.trim_start_matches("--").split(' ').next().unwrap_or_default();
        let own = command.get_arguments().chain(root.get_arguments());
        own.filter_map(clap::Arg::get_long).any(|known| known == name)
    };
    let otherwise = OTHERWISE.iter().find(|(foreign, own)| *foreign == option && has(own));
    if let Some((_, own)) = otherwise {
        error.insert(ContextKind::SuggestedArg, ContextValue::String((*own).to_owned()));
        return error;
    }
    // A version that a command takes without an option.
    let takes_version = command.get_positionals().any(|arg| arg.get_id() == "version");
    if matches!(option.as_str(), "--version" | "--alias") && takes_version {
        error.remove(ContextKind::SuggestedArg);
        let name = command.get_name();
        let tip = format!("write the number of the version without an option: hydra-registry {name} 12");
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}

/// The command that the command line names.
fn command_of<'a>(root: &'a Command, args: &[OsString]) -> &'a Command {
    let mut command = root;
    for word in args.iter().skip(1) {
        if let Some(below) = command.find_subcommand(word) {
            command = below;
        }
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tip(line: &str) -> String {
        let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let error = Cli::command().try_get_matches_from(&args).expect_err("refused");
        improved(error, &args).render().to_string()
    }

    #[test]
    fn the_suggestion_is_what_the_command_takes() {
        for (line, part) in [
            ("h predict rows.csv --verison 3", "'--version'"),
            ("h predict rows.csv --ailas x", "'--alias'"),
            ("h list --json", "'--output json'"),
            ("h list --limt 3", "'--limit'"),
            ("h promote --dryrun", "'--dry-run'"),
            ("h promote --message x", "'--reason'"),
            ("h history --number 3", "'--limit'"),
            ("h promote --version 3", "hydra-registry promote 12"),
            ("h quarantine --version=3 --reason x", "hydra-registry quarantine 12"),
        ] {
            let tip = tip(line);
            assert!(tip.contains(part), "{line}: {tip}");
            assert!(!tip.contains("--verbose"), "{line}: {tip}");
        }
        assert!(!tip("h champion --message x").contains("--reason"));
    }

    /// `predict` takes a version by its number.
    #[test]
    fn predict_takes_a_version() {
        Cli::command()
            .try_get_matches_from(["h", "predict", "rows.csv", "--version", "3"])
            .expect("a command");
    }
}
