//! Local stores that were moved with their artifacts, whose URIs are absolute.

use std::path::{Component, Path, PathBuf};

use hydra_base::text::shell_word;

/// What to do if `root` is missing where a store in the directory `home` says that it is, and what belongs there is below `home`.
pub(super) fn hint(root: &Path, home: Option<&Path>) -> Option<String> {
    let (old, new) = places(root, home?)?;
    let argument = shell_word(&format!("{}={}", old.display(), new.display()));
    Some(format!(
        "the store seems to have moved: pass `--artifact-root-map {argument}`, or set it in hydra.toml"
    ))
}

/// The directory that the store was in, and the one that it is in: the missing directories of `root` have a namesake below `home`, by
/// at least two names, such as `mlruns/1`.
fn places(root: &Path, home: &Path) -> Option<(PathBuf, PathBuf)> {
    if root.starts_with(home) || !root.is_absolute() {
        return None;
    }
    for missing in root.ancestors().take_while(|ancestor| !ancestor.exists()) {
        let names: Vec<_> =
            missing.components().filter(|part| matches!(part, Component::Normal(_))).collect();
        for first in 0..names.len().saturating_sub(1) {
            let common: PathBuf = names[first..].iter().collect();
            if home.join(&common).is_dir() {
                let old = missing.ancestors().nth(names.len() - first)?;
                return Some((old.to_path_buf(), home.to_path_buf()));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_was_moved_is_recognised_by_the_names_below_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |path: &str| directory.path().join(path);
        std::fs::create_dir_all(at("b/mlruns/1/models/m-1/artifacts")).expect("directories");
        std::fs::create_dir_all(at("data")).expect("a directory");
        let found = |root: &str| places(&at(root), &at("b"));
        let moved = Some((at("a"), at("b")));
        assert_eq!(found("a/mlruns/1/models/m-1/artifacts"), moved);
        assert_eq!(found("a/mlruns/1/models/m-new/artifacts"), moved, "a root that is not there yet");
        assert_eq!(found("x/y/a/mlruns/1"), Some((at("x/y/a"), at("b"))));
        // A root that was never written, and one name alone.
        assert_eq!(found("b/mlruns/2/models/m-2"), None);
        assert_eq!(found("data/artifacts/2"), None);
        assert_eq!(found("data/mlruns"), None);
        assert_eq!(places(Path::new("mlruns/1"), &at("b")), None);
        let hint = hint(&at("a/mlruns/1"), Some(&at("b"))).expect("a hint");
        assert!(hint.contains(&format!("{}={}", at("a").display(), at("b").display())), "{hint}");
    }
}
