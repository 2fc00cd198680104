//! Starting a policy project.

use std::fs;
use std::path::{Path, PathBuf};

use super::Language;
use hydra_base::error::{Error, ErrorKind, Result};

const WIT: &str = include_str!("../../../wit/lifecycle.wit");

/// A file of a project: its path, and its text in which `{{name}}` is the name of the policy.
type Template = (&'static str, &'static str);

const COMMON: [Template; 6] = [
    ("wit/lifecycle.wit", WIT),
    ("policy-case.schema.json", include_str!("../../../docs/policy-case.schema.json")),
    ("cases/good.json", include_str!("templates/good.json")),
    ("cases/measured-worse.json", include_str!("templates/measured-worse.json")),
    ("cases/not-measured.json", include_str!("templates/not-measured.json")),
    ("cases/rollback.json", include_str!("templates/rollback.json")),
];

const RUST: [Template; 9] = [
    ("Cargo.toml", include_str!("templates/rust/Cargo.toml.in")),
    // Locked, so that every build gives the same component, and works offline after a build of this repository.
    ("Cargo.lock", include_str!("templates/rust/Cargo.lock.in")),
    ("src/lib.rs", include_str!("templates/rust/lib.rs.in")),
    ("src/heap.rs", include_str!("../../../policy-guest/heap/src/heap.rs")),
    ("src/panic_text.rs", include_str!("../../../policy-guest/panic/src/panic_text.rs")),
    ("src/evidence.rs", include_str!("../../../policy-guest/src/evidence.rs")),
    ("src/rules.rs", include_str!("templates/rust/rules.rs.in")),
    ("README.md", include_str!("templates/rust/README.md.in")),
    (".gitignore", "/target\n"),
];

const JAVASCRIPT: [Template; 6] = [
    ("package.json", include_str!("templates/javascript/package.json.in")),
    ("build.mjs", include_str!("templates/javascript/build.mjs.in")),
    ("policy.js", include_str!("templates/javascript/policy.js.in")),
    ("policy.test.mjs", include_str!("templates/javascript/policy.test.mjs.in")),
    ("README.md", include_str!("templates/javascript/README.md.in")),
    (".gitignore", "/node_modules\n/target\n"),
];

const PYTHON: [Template; 5] = [
    ("requirements.txt", include_str!("templates/python/requirements.txt.in")),
    ("app.py", include_str!("templates/python/app.py.in")),
    ("rules.py", include_str!("templates/python/rules.py.in")),
    ("README.md", include_str!("templates/python/README.md.in")),
    (".gitignore", "/.venv\n/target\n__pycache__\n"),
];

/// Writes a project for the policy `name` into `dir`, which must be empty or not exist, and returns the files written.
///
/// The project stands alone: the contract is vendored, and `policy build` and `policy test` work on it at once. A name
/// that is not 1 to 64 of `a-z`, `0-9` and `-`, starting with a letter, is an error of kind [`ErrorKind::InvalidName`].
pub fn scaffold(dir: &Path, name: &str, language: Language) -> Result<Vec<PathBuf>> {
    check_name(name)?;
    if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) || dir.is_file() {
        return Err(Error::new(ErrorKind::AlreadyExists, "the directory is not empty")
            .with_context("path", dir.display())
            .with_hint("choose a directory that is empty or does not exist"));
    }
    let files: &[Template] = match language {
        Language::Rust => &RUST,
        Language::JavaScript => &JAVASCRIPT,
        Language::Python => &PYTHON,
    };
    let mut written = Vec::new();
    for (path, text) in files.iter().chain(&COMMON) {
        let path = dir.join(path);
        write(&path, &text.replace("{{name}}", name))?;
        written.push(path);
    }
    Ok(written)
}

fn check_name(name: &str) -> Result<()> {
    let valid = (1..=64).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    if valid {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidName, format!("the name is not a valid policy name: `{name}`"))
        .with_hint("use 1 to 64 of a-z, 0-9 and -, starting with a letter, such as `metric-gate`"))
}

fn write(path: &Path, text: &str) -> Result<()> {
    let failed = |error| {
        Error::new(ErrorKind::Storage, "cannot write the project")
            .with_context("path", path.display())
            .with_source(error)
    };
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    fs::write(path, text).map_err(failed)
}
