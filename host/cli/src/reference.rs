//! Writes docs/cli.md: the `--help` of every command, for reading in a browser.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use clap::{Command, CommandFactory as _};

use crate::{Cli, ExitStatus};

/// The introduction of the page.
const INTRODUCTION: &str = "\
# The command line

The output of `hydra-registry help COMMAND` for every command. The options of every command are listed once, at the end.

## Exit status

| status | meaning | commands |
| --- | --- | --- |
";

/// The options that every command repeats.
const GLOBAL_HEADING: &str = "Options of every command:";

/// The page.
fn reference() -> String {
    let mut root = Cli::command().term_width(100);
    root.build();
    let mut page = INTRODUCTION.to_owned();
    for (status, meaning, commands) in ExitStatus::TABLE {
        writeln!(page, "| {} | {meaning} | {commands} |", status.code()).unwrap();
    }
    for command in commands(&root) {
        section(&mut page, command, &without_globals(&help(command)));
    }
    let help = help(&root);
    let globals = help.split_once(GLOBAL_HEADING).map(|(_, globals)| globals).unwrap_or_default();
    writeln!(page, "\n## Options of every command\n\n```text\n{}\n```", globals.trim_matches('\n')).unwrap();
    page
}

/// Every command, followed by its subcommands.
fn commands(command: &Command) -> Vec<&Command> {
    let below = command.get_subcommands().filter(|below| below.get_name() != "help");
    std::iter::once(command).chain(below.flat_map(commands)).collect()
}

fn section(page: &mut String, command: &Command, help: &str) {
    let name = command.get_bin_name().unwrap_or("hydra-registry");
    writeln!(page, "\n## {name}\n\n```text\n{help}\n```").unwrap();
}

fn help(command: &Command) -> String {
    let help = command.clone().render_long_help().to_string();
    help.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// The paragraphs of a help text, without the options of every command.
fn without_globals(help: &str) -> String {
    let Some((own, globals)) = help.split_once(GLOBAL_HEADING) else { return help.trim_end().to_owned() };
    // Text after the options is not indented.
    let after = globals.lines().skip(1).skip_while(|line| line.is_empty() || line.starts_with(' '));
    let after: Vec<&str> = after.collect();
    format!("{}\n\n{}", own.trim_end(), after.join("\n")).trim_end().to_owned()
}

/// `HYDRA_UPDATE=1 cargo test -p hydra-registry-cli --lib reference` rewrites the page.
#[test]
fn the_reference_in_docs_is_what_help_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
    let page = reference();
    if std::env::var_os("HYDRA_UPDATE").is_some() {
        fs::write(&path, &page).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap_or_default(), page, "set HYDRA_UPDATE=1 to rewrite it");
}
