//! The kit for authors of policies: start a project, build it, test it against golden cases, measure it.
//!
//! ```
//! use hydra_policy::{Budget, EngineOptions, Policy, PolicyEngine, VerdictKind};
//! use hydra_policy_kit::{Case, Expectation};
//!
//! # fn main() -> hydra_base::Result<()> {
//! let engine = PolicyEngine::new(&EngineOptions::default())?;
//! let policy = Policy::load_default(&engine, &Budget::default())?;
//! let case = Case::representative().expecting(Expectation::new(VerdictKind::Approve.into()));
//! assert!(case.check(&policy).passed());
//! # Ok(())
//! # }
//! ```

mod bench;
mod build;
mod build_info;
mod case;
mod scaffold;
mod what_if;

use std::fmt;
use std::path::Path;
use std::str::FromStr;

pub use bench::{BenchReport, bench};
pub use build::build;
pub use build_info::{BuildInfo, Comparison};
pub use case::{Case, CaseFile, CaseOutcome, Expectation, ExpectedVerdict, case_schema};
pub use scaffold::scaffold;
pub use what_if::{ChangeKind, Effort, Flip, Moved, Relation, WhatIf, what_if};

use hydra_base::error::{Error, ErrorKind, Result};

/// The languages that the kit can start and build. A policy may be written in any language that compiles to components.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Language {
    /// Rust, with wit-bindgen: components of 80 KB that decide in microseconds.
    Rust,
    /// JavaScript, with componentize-js: components of 12 MB, with the interpreter inside.
    JavaScript,
    /// Python, with componentize-py: components of 18 MB, with the interpreter inside.
    Python,
}

impl Language {
    /// Every language, the recommended one first.
    pub const ALL: &'static [Self] = &[Self::Rust, Self::JavaScript, Self::Python];

    /// The language of a project, recognised by the file that every project of that language has.
    pub fn of_project(dir: &Path) -> Result<Self> {
        let found = Self::ALL.iter().copied().find(|language| dir.join(language.marker()).is_file());
        found.ok_or_else(|| {
            let markers = Self::ALL.iter().map(|language| language.marker()).collect::<Vec<_>>().join(", ");
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
        Self::ALL.iter().copied().find(|language| language.to_string() == name).ok_or_else(|| {
            let known = Self::ALL.iter().map(Self::to_string).collect::<Vec<_>>().join(", ");
            Error::new(ErrorKind::InvalidArgument, format!("the language is not supported: `{name}`"))
                .with_hint(format!("use one of {known}"))
        })
    }
}

#[cfg(test)]
mod tests;
