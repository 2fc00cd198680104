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
    let root = Cli::command();
    let command = command_of(&root, args);
    match error.kind() {
        ErrorKind::UnknownArgument => {
            if let Some(ContextValue::String(unknown)) = error.get(ContextKind::InvalidArg) {
                let option = unknown.split('=').next().unwrap_or_default().to_owned();
                suggest_option(&mut error, &option, command, &root);
            }
        }
        ErrorKind::InvalidSubcommand => {
            let Some(ContextValue::String(unknown)) = error.get(ContextKind::InvalidSubcommand) else {
                return error;
            };
            let names: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
            if let Some(name) = nearest(unknown, &names) {
                let name = vec![name.to_owned()];
                error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(name));
            }
        }
        _ => {}
    }
    error
}

fn suggest_option(error: &mut Error, option: &str, command: &Command, root: &Command) {
    let own: Vec<&str> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
    let of_every_command: Vec<&str> = root.get_arguments().filter_map(clap::Arg::get_long).collect();
    let has = |long: &str| {
        let name = long.trim_start_matches("--").split(' ').next().unwrap_or_default();
        own.contains(&name) || of_every_command.contains(&name)
    };
    let otherwise = OTHERWISE.iter().find(|(foreign, own)| *foreign == option && has(own));
    // A version that a command takes without an option.
    let takes_version = command.get_positionals().any(|arg| arg.get_id() == "version");
    let suggested = match otherwise {
        Some((_, own)) => Some((*own).to_owned()),
        None if matches!(option, "--version" | "--alias") && takes_version => {
            error.remove(ContextKind::SuggestedArg);
            let name = command.get_name();
            let tip = format!("write the number of the version without an option: hydra-registry {name} 12");
            error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
            None
        }
        None => {
            let name = option.strip_prefix("--").unwrap_or_default();
            let found = nearest(name, &own).or_else(|| nearest(name, &of_every_command));
            found.map(|long| format!("--{long}"))
        }
    };
    if let Some(suggested) = suggested {
        // The advice to pass it as a value.
        error.remove(ContextKind::Suggested);
        let before = error.insert(ContextKind::SuggestedArg, ContextValue::String(suggested.clone()));
        if before.is_some_and(|before| before != ContextValue::String(suggested)) {
            // It shows the other option.
            error.remove(ContextKind::Usage);
        }
    }
}

/// The name that was meant: one that begins like this, or one that differs in few letters.
fn nearest<'a>(word: &str, names: &[&'a str]) -> Option<&'a str> {
    let begins = names.iter().copied().filter(|name| word.len() > 1 && name.starts_with(word));
    let most = (word.chars().count() / 3).max(1);
    let similar = names.iter().map(|name| (distance(word, name), *name));
    let similar = similar.filter(|(distance, _)| *distance <= most).min().map(|(_, name)| name);
    begins.min_by_key(|name| name.len()).or(similar)
}

/// The number of letters to insert, delete, change, or swap with the next one.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=other.len()).collect()];
    for i in 1..=one.len() {
        let mut row = vec![i];
        for j in 1..=other.len() {
            let is_other = usize::from(one[i - 1] != other[j - 1]);
            let mut least = (rows[i - 1][j] + 1).min(row[j - 1] + 1).min(rows[i - 1][j - 1] + is_other);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[one.len()][other.len()]
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
            ("h show --vers 3", "'--version'"),
            ("h copy 3 --two x", "'--to'"),
            ("h doctor --fx", "'--fix'"),
            ("h promote --reson x", "'--reason'"),
            ("h --modle x list", "'--model'"),
            ("h histroy", "exists: 'history'"),
            ("h lst", "exists: 'list'"),
            ("h policy activat x", "exists: 'activate'"),
            ("h notify catchup", "exists: 'catch-up'"),
        ] {
            let tip = tip(line);
            assert!(tip.contains(part), "{line}: {tip}");
            assert!(!tip.contains("--verbose") && !tip.contains("as a value"), "{line}: {tip}");
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
