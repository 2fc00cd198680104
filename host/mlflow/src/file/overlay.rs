//! A committed change that this process cannot carry out, because it has no permission or the disk is full: readers see the
//! store as if it were carried out.

use std::collections::{BTreeMap, BTreeSet};

/// What the steps of a journal make of the files on the disk.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    files: BTreeMap<String, Content>,
    directories: BTreeSet<String>,
    /// The paths on the disk that do not exist any more, with everything below them.
    removed: BTreeSet<String>,
}

/// The content of a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    /// All of it.
    Whole(String),
    /// The first `at` bytes of the file on the disk, and this text after them.
    Appended { at: u64, text: String },
}

/// What is at a path.
#[derive(Debug, PartialEq)]
pub(super) enum Place<'a> {
    File(&'a Content),
    Directory,
    Missing,
    /// What is on the disk.
    AsOnDisk,
}

impl Overlay {
    /// Writes a file or replaces it.
    pub(super) fn write(&mut self, path: &str, text: &str) {
        self.make_parents(path);
        self.files.insert(path.to_owned(), Content::Whole(text.to_owned()));
    }

    /// Writes `text` at byte `at` of a file, which ends there.
    pub(super) fn append(&mut self, path: &str, at: u64, text: &str) {
        self.make_parents(path);
        let kept = |earlier: &str, from: u64| {
            let end = at.checked_sub(from).and_then(|end| usize::try_from(end).ok());
            end.and_then(|end| earlier.get(..end)).unwrap_or(earlier).to_owned()
        };
        let content = match self.files.get(path) {
            Some(Content::Whole(earlier)) => Content::Whole(kept(earlier, 0) + text),
            Some(Content::Appended { at: from, text: earlier }) => {
                Content::Appended { at: *from, text: kept(earlier, *from) + text }
            }
            None if self.is_removed(path) => Content::Whole(text.to_owned()),
            None => Content::Appended { at, text: text.to_owned() },
        };
        self.files.insert(path.to_owned(), content);
    }

    /// Makes a directory and its parents.
    pub(super) fn make_dir(&mut self, path: &str) {
        self.make_parents(path);
        self.directories.insert(path.to_owned());
    }

    /// Removes what is at a path and below it.
    pub(super) fn remove(&mut self, path: &str) {
        let stays = |other: &str| other != path && !is_below(other, path);
        self.files.retain(|other, _| stays(other));
        self.directories.retain(|other| stays(other));
        self.removed.insert(path.to_owned());
    }

    /// What is at a path.
    pub(super) fn find(&self, path: &str) -> Place<'_> {
        match self.files.get(path) {
            Some(content) => Place::File(content),
            None if self.directories.contains(path) => Place::Directory,
            None if self.is_removed(path) => Place::Missing,
            None => Place::AsOnDisk,
        }
    }

    /// Whether what the disk has at a path, and below it, does not count.
    pub(super) fn is_removed(&self, path: &str) -> bool {
        let ancestors = path.match_indices('/').map(|(end, _)| &path[..end]);
        ancestors.chain([path]).any(|ancestor| self.removed.contains(ancestor))
    }

    /// The names directly below a directory that are not as on the disk, and whether each is a directory.
    pub(super) fn names_in<'a>(&'a self, directory: &'a str) -> impl Iterator<Item = (&'a str, bool)> {
        let files = self.files.keys().map(|path| (path, false));
        let all = files.chain(self.directories.iter().map(|path| (path, true)));
        all.filter_map(move |(path, is_dir)| {
            let below =
                if directory.is_empty() { path } else { path.strip_prefix(directory)?.strip_prefix('/')? };
            (!below.contains('/')).then_some((below, is_dir))
        })
    }

    fn make_parents(&mut self, path: &str) {
        self.directories.extend(path.match_indices('/').map(|(end, _)| path[..end].to_owned()));
    }
}

fn is_below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_take_effect_in_their_order() {
        let mut overlay = Overlay::default();
        overlay.write("a/b/c", "1");
        assert_eq!(overlay.find("a/b"), Place::Directory);
        assert_eq!(overlay.find("a/b/d"), Place::AsOnDisk);
        assert_eq!(overlay.names_in("a").collect::<Vec<_>>(), [("b", true)]);
        assert_eq!(overlay.names_in("").collect::<Vec<_>>(), [("a", true)]);
        overlay.remove("a/b");
        assert_eq!((overlay.find("a/b/c"), overlay.find("a/b")), (Place::Missing, Place::Missing));
        assert_eq!(overlay.find("a/bb"), Place::AsOnDisk);
        overlay.write("a/b/d", "2");
        assert_eq!((overlay.find("a/b"), overlay.find("a/b/c")), (Place::Directory, Place::Missing));
        assert_eq!(overlay.names_in("a/b").collect::<Vec<_>>(), [("d", false)]);
    }

    #[test]
    fn appended_text_follows_what_is_there() {
        let mut overlay = Overlay::default();
        overlay.append("m", 8, "x\n");
        assert_eq!(overlay.find("m"), Place::File(&Content::Appended { at: 8, text: "x\n".into() }));
        overlay.append("m", 10, "y\n");
        assert_eq!(overlay.find("m"), Place::File(&Content::Appended { at: 8, text: "x\ny\n".into() }));
        overlay.write("m", "new\n");
        overlay.append("m", 4, "z\n");
        assert_eq!(overlay.find("m"), Place::File(&Content::Whole("new\nz\n".into())));
        overlay.remove("m");
        overlay.append("m", 0, "w\n");
        assert_eq!(overlay.find("m"), Place::File(&Content::Whole("w\n".into())));
    }
}
