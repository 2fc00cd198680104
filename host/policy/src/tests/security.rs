//! Every claim of `SECURITY.md` names a test that exists.

use std::fs;
use std::path::{Path, PathBuf};

/// A test function and the modules it lies in, outermost first.
struct Test {
    modules: Vec<String>,
    name: String,
}

/// Every `module::…::function` in backticks. The function may be `*`, or end with `…`.
fn named(text: &str) -> Vec<&str> {
    let word = |word: &str| {
        let word = word.trim_end_matches('…');
        word == "*"
            || !word.is_empty()
                && word.bytes().all(|byte| byte.is_ascii_lowercase() || b"_0123456789".contains(&byte))
    };
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter(|text| text.contains("::") && text.split("::").all(word))
        .collect()
}

impl Test {
    /// Whether the last modules of its path and its name are those of `claim`.
    fn is_named(&self, claim: &str) -> bool {
        let (modules, name) = claim.rsplit_once("::").unwrap();
        let modules: Vec<_> = modules.split("::").collect();
        let same_name = match name.strip_suffix('…') {
            Some(start) => self.name.starts_with(start),
            None => name == "*" || name == self.name,
        };
        same_name
            && self.modules.ends_with(&modules.iter().map(|module| (*module).to_owned()).collect::<Vec<_>>())
    }
}

/// Every test below `dir`, the root of a crate or of the integration tests.
fn tests_below(dir: &Path, modules: &[String], found: &mut Vec<Test>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let mut inner = modules.to_vec();
        if !matches!(stem.as_str(), "mod" | "lib" | "main") {
            inner.push(stem);
        }
        if path.is_dir() {
            tests_below(&path, &inner, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            tests_in(&path, inner, found);
        }
    }
}

fn tests_in(path: &PathBuf, mut modules: Vec<String>, found: &mut Vec<Test>) {
    let text = fs::read_to_string(path).unwrap();
    let mut is_test = false;
    for line in text.lines() {
        let code = line.trim_start();
        if line == "mod tests {" {
            modules.push("tests".to_owned());
        } else if code.starts_with("#[test]") || code.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some(rest) = code.trim_start_matches("async ").strip_prefix("fn ").filter(|_| is_test) {
            let end = rest.find(['(', '<']).unwrap();
            found.push(Test { modules: modules.clone(), name: rest[..end].to_owned() });
            is_test = false;
        }
    }
}

#[test]
fn every_test_that_security_md_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut tests = Vec::new();
    for dir in ["host", "tests", "fuzz/policy/src"] {
        tests_below(&root.join(dir), &[], &mut tests);
    }
    let text = fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let claims = named(&text);
    assert!(claims.len() > 70, "{claims:?}");
    let missing: Vec<_> =
        claims.into_iter().filter(|claim| !tests.iter().any(|test| test.is_named(claim))).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn a_claim_names_module_and_function() {
    let test =
        Test { modules: ["policy", "tests", "limits"].map(str::to_owned).into(), name: "fuel".to_owned() };
    for claim in ["limits::fuel", "tests::limits::fuel", "limits::*", "limits::fu…"] {
        assert!(test.is_named(claim), "{claim}");
    }
    for claim in ["hostile::fuel", "limits::fue", "policy::limits::fuel", "limits::fuels…"] {
        assert!(!test.is_named(claim), "{claim}");
    }
    assert_eq!(named("`a::b_1`, `Budget::set`, `c::*` and `d::e_…`, not `f`"), ["a::b_1", "c::*", "d::e_…"]);
}
