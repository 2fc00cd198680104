//! Writes the pages of the manual to docs/man.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use clap::builder::{Resettable, Str};
use clap::{Command, CommandFactory as _};

use crate::Cli;

/// The pages, by the names of their files.
fn pages(command: &Command, pages: &mut BTreeMap<String, String>) {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    // Without the version, which would change every page with each release.
    let unset = Resettable::<Str>::Reset;
    let plain = command.clone().version(unset.clone()).long_version(unset);
    let page = clap_mangen::Man::new(plain).title(&name).date("").source("hydra-registry");
    let mut text = Vec::new();
    page.render(&mut text).expect("a page");
    pages.insert(format!("{name}.1"), String::from_utf8(text).expect("text"));
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        self::pages(below, pages);
    }
}

/// `HYDRA_UPDATE=1` rewrites the pages.
#[test]
fn the_manual_in_docs_is_what_help_says() {
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let mut all = BTreeMap::new();
    pages(&root, &mut all);
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/man");
    if std::env::var_os("HYDRA_UPDATE").is_some() {
        fs::create_dir_all(&directory).expect("a directory");
        for (file, page) in &all {
            fs::write(directory.join(file), page).expect("a file");
        }
    }
    for (file, page) in &all {
        let found = fs::read_to_string(directory.join(file)).unwrap_or_default();
        assert_eq!(found, *page, "set HYDRA_UPDATE=1 to rewrite docs/man/{file}");
    }
    for file in fs::read_dir(&directory).expect("the manual") {
        let file = file.expect("a file").file_name().to_string_lossy().into_owned();
        assert!(all.contains_key(&file), "no command has the page docs/man/{file}");
    }
}
