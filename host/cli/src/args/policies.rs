//! Arguments that name policies, of which there can be several.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};

use hydra_base::names::PolicyName;

/// The file of a policy, and the name by which its settings are addressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFile {
    /// The name that is given.
    pub name: Option<PolicyName>,
    /// The file; empty if the argument is.
    pub file: PathBuf,
}

impl From<OsString> for PolicyFile {
    /// `NAME=FILE`, or a path: also one with a sign of equality, if the text before that is not a name.
    fn from(given: OsString) -> Self {
        let named = given.to_str().and_then(|text| text.split_once('='));
        match named.and_then(|(name, file)| Some((PolicyName::new(name).ok()?, file))) {
            Some((name, file)) => Self { name: Some(name), file: file.into() },
            None => Self { name: None, file: given.into() },
        }
    }
}

/// Parses `[NAME=]FILE`, also an empty text.
pub(super) fn policy_file() -> impl TypedValueParser<Value = PolicyFile> {
    OsStringValueParser::new().map(PolicyFile::from)
}

/// The options of every command that can be repeated.
const REPEATED: [&str; 4] = ["--policy", "--monitor", "--set", "--budget"];

/// The arguments with all repeated options before the command: of those before and after it, clap would drop the former. The
/// first argument is the name of the program.
pub fn gathered(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let (mut args, mut first, mut others) = (args.into_iter().peekable(), Vec::new(), Vec::new());
    first.extend(args.next());
    while let Some(arg) = args.next() {
        if arg == "--" {
            others.push(arg);
            others.extend(args);
            break;
        }
        let text = arg.to_string_lossy();
        let is_alone = REPEATED.contains(&text.as_ref());
        let has_value = text.split_once('=').is_some_and(|(flag, _)| REPEATED.contains(&flag));
        if has_value || (is_alone && args.peek().is_some()) {
            first.push(arg);
            first.extend(if is_alone { args.next() } else { None });
        } else {
            others.push(arg);
        }
    }
    first.append(&mut others);
    first
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::Cli;

    #[test]
    fn repeated_options_count_before_and_after_the_command() {
        let parse = |line: &str| Cli::try_parse_from(gathered(line.split(' ').map(OsString::from)));
        let global =
            parse("h --policy a --set x=1 promote --policy=b 3 --set y=--policy --dry-run --policy c")
                .expect("a command")
                .global;
        let files: Vec<_> = global.policies.iter().filter_map(|policy| policy.file.to_str()).collect();
        assert_eq!(files, ["a", "b", "c"]);
        assert_eq!(global.set, ["x=1", "y=--policy"]);
        for line in ["h promote --set", "h promote --policy --dry-run", "h promote -- --policy a"] {
            parse(line).expect_err(line);
        }
    }

    #[test]
    fn a_policy_has_a_name_only_if_the_text_before_the_sign_is_one() {
        for (given, name, file) in [
            ("gate.wasm", None, "gate.wasm"),
            ("strict=gate.wasm", Some("strict"), "gate.wasm"),
            ("strict=a=b.wasm", Some("strict"), "a=b.wasm"),
            ("./a=b.wasm", None, "./a=b.wasm"),
            ("", None, ""),
        ] {
            let parsed = PolicyFile::from(OsString::from(given));
            assert_eq!(parsed.name.as_ref().map(PolicyName::as_str), name, "{given}");
            assert_eq!(parsed.file.to_str(), Some(file), "{given}");
        }
    }
}
