//! Golden cases and their schema.

use std::fs;

use super::*;
use hydra_base::error::ErrorKind;

fn case(json: &str) -> Case {
    serde_json::from_str(json).unwrap()
}

fn differences(expect: &str) -> Vec<String> {
    let policy = Policy::load_default(&engine(), &Budget::default()).unwrap();
    let json = format!(
        r#"{{"input": {{"operation": "promote", "target": {{"version": 3, "created_at": 0}},
            "context": {{"model_name": "m", "now": 0, "actor": "a",
                "champion": {{"version": 2, "created_at": 0}}}}}}, "expect": {expect}}}"#
    );
    case(&json).check(&policy).differences
}

#[test]
fn a_case_passes_when_all_that_it_expects_is_so() {
    assert_eq!(differences(r#"{"verdict": "approve"}"#), [""; 0]);
    let full = r#"{"verdict": "approve", "moves": [{"alias": "champion", "version": 3}, {"alias": "archived", "version": "2"}],
        "explanation": "version 3 becomes champion; version 2, champion until now, is archived", "mentions": ["version 2"]}"#;
    assert_eq!(differences(full), [""; 0]);
}

#[test]
fn differences_read_like_a_diff() {
    let expect = r#"{"verdict": "hold", "mentions": ["patience"],
        "moves": [{"alias": "champion", "version": 3}, {"alias": "candidate"}]}"#;
    assert_eq!(
        differences(expect).join("\n"),
        r#"verdict: expected hold, got approve
         because "version 3 becomes champion; version 2, champion until now, is archived"
moves:
    champion -> 3
  - candidate removed
  + archived -> 2
explanation: expected to mention "patience", got "version 3 becomes champion; version 2, champion until now, is archived""#
    );
}

/// What the host gathers can be written by hand, in the short form of numbers.
#[test]
fn a_case_carries_evaluations() {
    let evaluation = |rest: &str| {
        format!(
            r#"{{"dataset": "may", "dataset_digest": "1f2e", "rows": 1000, "kind": "holdout", "label": "churned",
                "began_at": 1, "measured_at": 2, "sha256": "{}", "confidence": 0.95,
                "segments": [{{"column": "region", "value": "north", "rows": 900}}, {{"column": "region", "rows": 100}}],
                "metrics": [{{"name": "auc", "direction": "higher",
                    "measurements": [{{"version": 3, "value": 0.75}}, {{"version": 3, "segment": 1, "value": "NaN"}}],
                    "comparisons": [{{"challenger": 3, "baseline": 2, "difference": 0.01,
                        "interval": {{"low": 0.001, "high": 0.02, "method": "delong"}}}}]}}]{rest}}}"#,
            "ab".repeat(32)
        )
    };
    let json = |evaluation: &str| {
        format!(
            r#"{{"input": {{"operation": "promote", "target": {{"version": 3, "created_at": 0}},
                "context": {{"model_name": "m", "now": 3, "actor": "a", "evaluations": [{evaluation}]}}}},
                "expect": {{"verdict": "approve"}}}}"#
        )
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("evaluated.json");
    fs::write(&path, json(&evaluation(""))).unwrap();
    let case = CaseFile::read(&path).unwrap().case;
    for cases in [&*path, dir.path()] {
        assert_eq!(CaseFile::read_all(cases).unwrap()[0].case, case);
    }
    let policy = Policy::load_default(&engine(), &Budget::default()).unwrap();
    assert_eq!(case.check(&policy).differences, [""; 0]);
    let metric = &case.input.context().evaluations[0].metrics[0];
    assert!(metric.measurements[1].value.get().is_nan());
    assert_eq!(metric.comparisons[0].interval.unwrap().low.get(), 0.001);
    fs::write(&path, json(&evaluation(r#", "figures": []"#))).unwrap();
    assert_eq!(CaseFile::read(&path).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn a_case_without_expectation_does_not_pass() {
    assert_eq!(differences("null"), ["the case has no expectation: add `expect`"]);
}

#[test]
fn running_over_the_budget_is_no_expected_error() {
    let budget = Budget::default().with_input_bytes(1);
    let policy = Policy::load_default(&engine(), &budget).unwrap();
    let json = r#"{"input": {"operation": "rollback", "context": {"model_name": "m", "now": 0, "actor": "a"}},
        "expect": {"verdict": "error"}}"#;
    let outcome = case(json).check(&policy);
    assert!(outcome.differences[0].starts_with("the policy failed: the evidence has 2 bytes"), "{outcome:?}");
}

#[test]
fn a_directory_without_cases_and_a_malformed_case_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(CaseFile::read_dir(dir.path()).unwrap_err().kind(), ErrorKind::InvalidArgument);
    fs::write(dir.path().join("bad.json"), r#"{"inputs": {}}"#).unwrap();
    let error = CaseFile::read_dir(dir.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("bad.json"), "{error}");
    for no in [CaseFile::read_dir, CaseFile::read_all] {
        assert_eq!(no(&dir.path().join("no")).unwrap_err().kind(), ErrorKind::Storage);
    }
}

/// `HYDRA_UPDATE=1 cargo test -p hydra-policy-kit` updates it.
#[test]
fn the_schema_in_docs_is_that_of_the_types() {
    let path = repository().join("docs/policy-case.schema.json");
    let schema = serde_json::to_string_pretty(&case_schema()).unwrap() + "\n";
    if std::env::var_os("HYDRA_UPDATE").is_some() {
        fs::write(&path, &schema).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap_or_default(), schema, "set HYDRA_UPDATE=1 to rewrite it");
}

#[test]
fn a_bench_counts_what_it_ran() {
    let policy = Policy::load_default(&engine(), &Budget::default()).unwrap();
    let input = Case::representative().resolve(&policy).unwrap();
    let report = bench(&policy, &input, 50).unwrap();
    assert_eq!(report.runs, 50);
    assert!(report.p50 <= report.p99 && report.p99 <= report.max && report.fuel > 0, "{report:?}");
}
