//! The kit for authors of policies: start a project, build it, test it against golden cases, measure it.

mod bench;
mod build;
mod case;
mod scaffold;

use std::fmt;
use std::path::Path;
use std::str::FromStr;

pub use bench::{BenchReport, bench};
pub use build::build;
pub use case::{Case, CaseFile, CaseOutcome, Expectation, ExpectedVerdict, case_schema};
pub use scaffold::scaffold;

use hydra_base::error::{Error, ErrorKind, Result};

/// The languages that the kit knows how to start and build. A policy may be written in any language that makes
/// components.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    /// Rust, with wit-bindgen: components of 40 KB that decide in microseconds.
    Rust,
    /// JavaScript, with componentize-js: components of 12 MB, with the interpreter inside.
    JavaScript,
    /// Python, with componentize-py: components of 18 MB, with the interpreter inside.
    Python,
}

impl Language {
    /// Every language, the recommended one first.
    pub const ALL: [Self; 3] = [Self::Rust, Self::JavaScript, Self::Python];

    /// The language of a project, told by the file that every project of that language has.
    pub fn of_project(dir: &Path) -> Result<Self> {
        Self::ALL.into_iter().find(|language| dir.join(language.marker()).is_file()).ok_or_else(|| {
            let markers = Self::ALL.map(Self::marker).join(", ");
            Error::new(ErrorKind::PolicyBuild, "the directory is not a policy project")
                .with_context("path", dir.display())
                .with_hint(format!("add one of {markers}; `hydra-registry policy new` creates a project"))
        })
    }

    fn marker(self) -> &'static str {
        match self {
            Self::Rust => "Cargo.toml",
            Self::JavaScript => "package.json",
            Self::Python => "requirements.txt",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rust => "rust",
            Self::JavaScript => "javascript",
            Self::Python => "python",
        })
    }
}

impl FromStr for Language {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|language| language.to_string() == name).ok_or_else(|| {
            let known = Self::ALL.map(|language| language.to_string()).join(", ");
            Error::new(ErrorKind::InvalidArgument, format!("the language is not supported: `{name}`"))
                .with_hint(format!("use one of {known}"))
        })
    }
}

#[cfg(test)]
mod tests;
