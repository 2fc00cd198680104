//! What a component was built from and with: a section of the component that every build of this kit adds, and comparing builds by it.
//!
//! It holds versions and digests, and neither times nor paths, so that equal builds stay equal to the byte.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::Language;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::regular_file;
use hydra_base::{Sha256, sha256};

/// The name of the custom section.
const SECTION: &str = "hydra-policy-build";

/// The first bytes of a component: magic, version and layer.
const PREAMBLE: [u8; 8] = [0, b'a', b's', b'm', 0x0d, 0, 1, 0];

/// The most bytes of one of its files.
const MAX_SOURCE_BYTES: u64 = 64 << 20;

/// The most files of a project.
const MAX_FILES: usize = 2_000;

/// Directories of a project whose contents come from elsewhere or are not built in.
const OTHER_DIRECTORIES: [&str; 4] = ["__pycache__", "cases", "node_modules", "target"];

/// Endings of files that are not built in.
const OTHER_FILES: [&str; 3] = ["md", "sig", "wasm"];

/// What a component was built from and with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BuildInfo {
    /// The language.
    pub language: String,
    /// The versions of the tools that shape the component, by name.
    pub tools: BTreeMap<String, String>,
    /// The SHA-256 of the list of the project's files with their digests, as `sha256sum` prints it. Without what is fetched or
    /// generated (`target`, `node_modules`, environments), the cases and texts for people.
    pub sources: Sha256,
}

/// How a component compares with the one that was built now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Comparison {
    /// Both are equal to the byte.
    Identical,
    /// The bytes differ, and the sources and the tools are the same by what the components say of themselves. Weaker: a component can
    /// say anything.
    SameSources,
    /// The sources or the tools differ, or the component does not say; each difference in words.
    Different(Vec<String>),
}

impl BuildInfo {
    /// What a build of the project in `dir` uses.
    pub(crate) fn of_project(dir: &Path, language: Language) -> Result<Self> {
        Ok(Self { language: language.to_string(), tools: tools(dir, language)?, sources: sources(dir)? })
    }

    /// What a component says that it was built from; none if it says nothing.
    #[must_use]
    pub fn in_component(component: &[u8]) -> Option<Self> {
        let mut rest = component.strip_prefix(&PREAMBLE)?;
        let mut found = None;
        while let Some((id, after)) = rest.split_first() {
            let (size, after) = number(after)?;
            let (body, after) = after.split_at_checked(size)?;
            if *id == 0 {
                let (length, body) = number(body)?;
                let (name, data) = body.split_at_checked(length)?;
                if name == SECTION.as_bytes() {
                    found = serde_json::from_slice(data).ok();
                }
            }
            rest = after;
        }
        found
    }

    /// The component with this in a section at its end.
    pub(crate) fn added_to(&self, mut component: Vec<u8>) -> Result<Vec<u8>> {
        let json = serde_json::to_vec(self).map_err(|error| {
            Error::new(ErrorKind::Internal, "cannot write how a component was built").with_source(error)
        })?;
        let mut body = length(SECTION.len());
        body.extend_from_slice(SECTION.as_bytes());
        body.extend_from_slice(&json);
        component.push(0);
        component.extend_from_slice(&length(body.len()));
        component.extend_from_slice(&body);
        Ok(component)
    }
}

impl Comparison {
    /// Compares a component with the one that was built now.
    #[must_use]
    pub fn of(given: &[u8], built: &[u8]) -> Self {
        if given == built {
            return Self::Identical;
        }
        let Some(now) = BuildInfo::in_component(built) else {
            return Self::Different(vec!["the build does not say what it was built from".to_owned()]);
        };
        let Some(then) = BuildInfo::in_component(given) else {
            return Self::Different(vec!["the component does not say what it was built from".to_owned()]);
        };
        let mut differences = Vec::new();
        if then.language != now.language {
            differences.push(format!("the language: {} then, {} now", then.language, now.language));
        }
        let names = then.tools.keys().chain(now.tools.keys()).collect::<std::collections::BTreeSet<_>>();
        for name in names {
            let version =
                |info: &BuildInfo| info.tools.get(name).cloned().unwrap_or_else(|| "none".to_owned());
            if version(&then) != version(&now) {
                differences.push(format!("{name}: {} then, {} now", version(&then), version(&now)));
            }
        }
        if then.sources != now.sources {
            differences.push(format!("the sources: {} then, {} now", then.sources, now.sources));
        }
        if differences.is_empty() { Self::SameSources } else { Self::Different(differences) }
    }
}

/// The versions of the tools that shape a component.
fn tools(dir: &Path, language: Language) -> Result<BTreeMap<String, String>> {
    let (name, version) = match language {
        Language::Rust => ("rustc", printed(dir, Command::new("rustc").arg("--version"))?),
        Language::JavaScript => ("componentize-js", package_version(dir)?),
        Language::Python => {
            let program = super::build::environment(dir).join("componentize-py");
            ("componentize-py", printed(dir, Command::new(program).arg("--version"))?)
        }
    };
    let ours = ("hydra-registry".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    Ok([(name.to_owned(), version), ours].into())
}

/// The last word or words of what a tool says of its version: `rustc 1.95.0 (…)` is `1.95.0 (…)`.
fn printed(dir: &Path, command: &mut Command) -> Result<String> {
    let tool = command.get_program().to_string_lossy().into_owned();
    let failed = || {
        Error::new(ErrorKind::PolicyBuild, "a tool that builds the policy does not tell its version")
            .with_context("tool", &tool)
            .with_context("project", dir.display())
    };
    let output = command.current_dir(dir).output().map_err(|error| failed().with_source(error))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.trim().split_once(' ').map(|(_, version)| version.to_owned());
    version.filter(|_| output.status.success()).ok_or_else(failed)
}

/// The version of the package that is installed.
fn package_version(dir: &Path) -> Result<String> {
    #[derive(Deserialize)]
    struct Package {
        version: String,
    }
    let path = dir.join("node_modules/@bytecodealliance/componentize-js/package.json");
    let unreadable = |error| {
        Error::new(ErrorKind::PolicyBuild, "the project does not have componentize-js installed")
            .with_context("path", path.display())
            .with_source(error)
    };
    let text = regular_file::read(&path, MAX_SOURCE_BYTES, unreadable)?;
    let package: Package = serde_json::from_slice(&text).map_err(|error| {
        Error::new(ErrorKind::PolicyBuild, "the package of componentize-js is damaged")
            .with_context("path", path.display())
            .with_source(error)
    })?;
    Ok(package.version)
}

/// The digest of the list of a project's files with their digests.
fn sources(dir: &Path) -> Result<Sha256> {
    let mut files = Vec::new();
    collect(dir, Path::new(""), &mut files)?;
    files.sort();
    let mut list = String::new();
    for file in files {
        let path = dir.join(&file);
        let bytes = regular_file::read(&path, MAX_SOURCE_BYTES, |error| unreadable(&path, error))?;
        // Writing to a string cannot fail.
        let _ = writeln!(list, "{}  {file}", Sha256::of(&bytes));
    }
    let mut hasher = sha256::Hasher::default();
    std::io::Write::write_all(&mut hasher, list.as_bytes()).map_err(|error| unreadable(dir, error))?;
    Ok(hasher.finish())
}

fn collect(dir: &Path, below: &Path, files: &mut Vec<String>) -> Result<()> {
    let here = dir.join(below);
    let entries = fs::read_dir(&here).map_err(|error| unreadable(&here, error))?;
    for entry in entries {
        let entry = entry.map_err(|error| unreadable(&here, error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = below.join(&name);
        let kind = entry.file_type().map_err(|error| unreadable(&here, error))?;
        // Hidden directories hold environments and caches.
        if kind.is_dir() {
            if !name.starts_with('.') && !OTHER_DIRECTORIES.contains(&name.as_str()) {
                collect(dir, &path, files)?;
            }
            continue;
        }
        let ending = path.extension().unwrap_or_default().to_string_lossy().into_owned();
        if !kind.is_file() || name.starts_with('.') || OTHER_FILES.contains(&ending.as_str()) {
            continue;
        }
        if files.len() == MAX_FILES {
            let message = format!("the project has more than {MAX_FILES} files");
            return Err(Error::new(ErrorKind::PolicyBuild, message).with_context("project", dir.display()));
        }
        files.push(
            path.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/"),
        );
    }
    Ok(())
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    let path = PathBuf::from(path);
    Error::new(ErrorKind::Storage, "cannot read the project")
        .with_context("path", path.display())
        .with_source(error)
}

/// A number in LEB128, and what follows it.
fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_usize;
    for (index, byte) in bytes.iter().enumerate().take(5) {
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}

/// A number in LEB128.
fn length(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydra_policy::Policy;

    fn info(tool: &str, sources: &[u8]) -> BuildInfo {
        let tools = [("rustc".to_owned(), tool.to_owned())].into();
        BuildInfo { language: "rust".to_owned(), tools, sources: Sha256::of(sources) }
    }

    #[test]
    fn a_component_says_what_it_was_built_from() {
        let component = Policy::default_bytes().to_vec();
        assert_eq!(BuildInfo::in_component(&component), None);
        let built = info("1.95.0", b"a").added_to(component.clone()).unwrap();
        assert_eq!(BuildInfo::in_component(&built), Some(info("1.95.0", b"a")));
        let budget = hydra_policy::Budget::default();
        hydra_policy::ComponentSummary::read(&built, &budget).unwrap().check().unwrap();
        assert_eq!(Comparison::of(&built, &built), Comparison::Identical);
        let mut altered = component.clone();
        altered.extend_from_slice(&[0, 2, 1, b'x']);
        let altered = info("1.95.0", b"a").added_to(altered).unwrap();
        assert_eq!(Comparison::of(&altered, &built), Comparison::SameSources);
        let other = info("1.96.0", b"b").added_to(component.clone()).unwrap();
        let Comparison::Different(differences) = Comparison::of(&other, &built) else { panic!("it differs") };
        assert_eq!((differences.len(), differences[0].as_str()), (2, "rustc: 1.96.0 then, 1.95.0 now"));
        assert!(matches!(Comparison::of(&component, &built), Comparison::Different(_)));
        for end in 0..64.min(built.len()) {
            assert_ne!(BuildInfo::in_component(&built[..end]), Some(info("1.95.0", b"a")));
            let found = BuildInfo::in_component(&built[..built.len() - end]);
            assert_eq!(found.is_some(), end == 0, "{end}");
        }
        let endless = [&PREAMBLE[..], &[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]].concat();
        assert_eq!(BuildInfo::in_component(&endless), None);
    }

    #[test]
    fn the_sources_are_those_that_are_built_in() {
        let home = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = home.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("policy.js", "a");
        write("wit/lifecycle.wit", "b");
        let before = sources(home.path()).unwrap();
        let list = format!("{}  policy.js\n{}  wit/lifecycle.wit\n", Sha256::of(b"a"), Sha256::of(b"b"));
        assert_eq!(before, Sha256::of(list.as_bytes()));
        for other in [
            "target/x",
            "node_modules/y/z.js",
            ".venv/lib",
            "cases/good.json",
            "README.md",
            "gate.wasm",
            ".env",
        ] {
            write(other, "else");
        }
        assert_eq!(sources(home.path()).unwrap(), before);
        write("wit/lifecycle.wit", "c");
        assert_ne!(sources(home.path()).unwrap(), before);
    }
}
