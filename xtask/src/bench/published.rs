//! `docs/benchmarks.md`: a section for every part, from the part's last full run.

use std::fs;
use std::io::ErrorKind;

use anyhow::{Context as _, Result};

use crate::paths;
use crate::shell::say;

use super::{EVERYTHING, Part};

const INTRO: &str = "# Benchmarks\n\n\
    `cargo xtask bench` writes this page; `--only PART` updates one section. Compare numbers only within a section. Each \
    section names its date, its machine and its command.\n\n\
    Each contender is a separate process. The contenders take turns, so that other load on the machine slows all of them. \
    Cells like `1.2 / 1.3` show the best and the median round; ratios compare medians.\n\n";

/// Replaces a part's section and keeps the other sections.
pub fn write(part: Part, section: &str) -> Result<()> {
    let path = paths::root().join("docs/benchmarks.md");
    let former = match fs::read_to_string(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        text => text.context("cannot read docs/benchmarks.md")?,
    };
    fs::write(&path, replace(&former, part, section)).context("cannot write docs/benchmarks.md")?;
    say(format!("docs/benchmarks.md: {} is updated", part.title()));
    Ok(())
}

fn replace(former: &str, part: Part, section: &str) -> String {
    let mut text = INTRO.to_owned();
    for other in EVERYTHING {
        if other == part {
            text.push_str(section);
        } else if let Some(kept) = find(former, other) {
            text.push_str(kept);
        }
    }
    format!("{}\n", text.trim_end())
}

/// A part's section: from its heading to the next of the same level.
fn find(text: &str, part: Part) -> Option<&str> {
    let start = text.find(&format!("## {}\n", part.title()))?;
    let section = &text[start..];
    let end = section[3..].find("\n## ").map_or(section.len(), |at| at + 4);
    Some(&section[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_replaced_and_the_others_stay_in_order() {
        let policy = replace("", Part::Policy, "## Policy decisions\n\nfast\n\n");
        let both = replace(&policy, Part::Scoring, "## Scoring\n\n### one\n\nold\n\n");
        let renewed = replace(&both, Part::Scoring, "## Scoring\n\n### one\n\nnew\n\n");
        let wanted = "## Scoring\n\n### one\n\nnew\n\n## Policy decisions\n\nfast\n";
        assert_eq!(renewed, format!("{INTRO}{wanted}"));
    }
}
