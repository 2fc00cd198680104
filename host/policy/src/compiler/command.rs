//! The program that compiles.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::COMPILER_ARGUMENT;

/// A command that compiles a policy in a process of its own: it runs [`compiler_main`](crate::compiler_main) with the argument that
/// follows its own ones. It has to be of the same release as this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompilerCommand {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<OsString>,
}

impl CompilerCommand {
    /// A program with arguments.
    pub fn new(
        program: impl Into<PathBuf>,
        arguments: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Self {
        let mut program = program.into();
        // The process has another current directory. A name alone is looked up in PATH.
        if program.components().count() > 1 {
            program = std::path::absolute(&program).unwrap_or(program);
        }
        Self { program, arguments: arguments.into_iter().map(Into::into).collect() }
    }

    /// The command `hydra-registry`, or a program that treats [`COMPILER_ARGUMENT`] like it does.
    pub fn of_program(program: impl Into<PathBuf>) -> Self {
        Self::new(program, [COMPILER_ARGUMENT])
    }

    /// This program itself, which must treat [`COMPILER_ARGUMENT`] like `hydra-registry` does. `None` if its file is not known, as
    /// in a root directory without `/proc` if it was started by another name than its path.
    #[must_use]
    pub fn of_this_program() -> Option<Self> {
        // On Linux this is the running program, also if its file was replaced.
        let running = Path::new("/proc/self/exe");
        if cfg!(target_os = "linux") && running.exists() {
            return Some(Self::of_program(running));
        }
        let path = std::env::current_exe().ok().filter(|path| path.is_file());
        path.or_else(|| found(&std::env::args_os().next()?)).map(Self::of_program)
    }
}

/// The file of a program that was started by this name.
fn found(name: &OsStr) -> Option<PathBuf> {
    let path = Path::new(name);
    if path.components().count() > 1 {
        return path.is_file().then(|| path.to_owned());
    }
    let directories = std::env::var_os("PATH")?;
    std::env::split_paths(&directories).map(|directory| directory.join(path)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_by_its_path_and_by_its_name() {
        assert!(CompilerCommand::of_this_program().is_some());
        let root = tempfile::tempdir().unwrap();
        let program = root.path().join("program");
        assert_eq!(found(program.as_os_str()), None);
        std::fs::write(&program, "").unwrap();
        assert_eq!(found(program.as_os_str()), Some(program));
        if cfg!(unix) {
            assert!(found(OsStr::new("sh")).unwrap().ends_with("sh"));
        }
        assert_eq!(found(OsStr::new("not-a-program-of-this-machine")), None);
    }
}
