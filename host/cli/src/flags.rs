//! Which options of every command are on the command line, for `config show`.

use std::collections::BTreeMap;

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory as _};

use crate::args::Cli;

/// The values of the options of every command that are on the command line, by the names of the options; several values of one
/// option are lines.
pub fn on_command_line(matches: &ArgMatches) -> BTreeMap<String, String> {
    let mut flags = BTreeMap::new();
    for arg in Cli::command().get_arguments() {
        let (id, Some(long)) = (arg.get_id().as_str(), arg.get_long()) else { continue };
        if matches.value_source(id) != Some(ValueSource::CommandLine) {
            continue;
        }
        let values = matches.get_raw(id).into_iter().flatten();
        let values: Vec<_> = values.map(|value| value.to_string_lossy()).collect();
        flags.insert(long.to_owned(), values.join("\n"));
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_on_the_command_line_are_told_from_defaults() {
        let line = "h --model m --set a=1 list --set b=2";
        let matches = Cli::command()
            .try_get_matches_from(crate::args::gathered(line.split(' ').map(std::ffi::OsString::from)));
        let flags = on_command_line(&matches.expect("a command"));
        assert_eq!(flags["model"], "m");
        assert_eq!(flags["set"], "a=1\nb=2");
        assert!(!flags.contains_key("output"), "{flags:?}");
    }
}
