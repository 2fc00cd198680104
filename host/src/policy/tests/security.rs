//! `SECURITY.md` claims nothing that no test shows.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Every `module::…::function` in backticks, by its last word.
fn named(text: &str) -> BTreeSet<&str> {
    let quoted = text.split('`').skip(1).step_by(2);
    let is_name =
        |word: &str| word.bytes().all(|byte| byte.is_ascii_lowercase() || b"_0123456789".contains(&byte));
    quoted
        .filter(|text| text.contains("::") && text.split("::").all(is_name))
        .filter_map(|text| text.rsplit("::").next())
        .collect()
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_test_that_security_md_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for dir in ["host/src", "tests", "fuzz/policy/src"] {
        sources(&root.join(dir), &mut files);
    }
    let code: String = files.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let text = fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let names = named(&text);
    assert!(names.len() > 50, "{names:?}");
    let missing: Vec<_> = names.into_iter().filter(|name| !code.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
