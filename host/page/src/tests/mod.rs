//! Pages of made-up ledgers.

mod hostile;
mod scale;

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use hydra_base::aliases::AliasState;
use hydra_base::names::{Alias, Version};
use hydra_base::{PolicyIdentity, Sha256};
use hydra_lifecycle::ledger::chain::{NewerEntry, Record};
use hydra_lifecycle::ledger::entry::{Decided, Entry, EntryKind, SCHEMA};
use hydra_lifecycle::ledger::history::{Fate, Step};
use hydra_policy::{Budget, Input, OverrideKind, Usage, VerdictKind};
use serde_json::json;

use crate::evidence::Evidence;
use crate::history::History;
use crate::page::{Now, history_page};
use crate::text::Shown;

/// 2026-03-01T12:00:00Z.
const START: i64 = 1_772_366_400_000;

fn version(number: u64) -> Version {
    Version::new(number).expect("a version")
}

fn state(champion: Option<u64>, archived: Option<u64>) -> AliasState {
    let mut state = AliasState::default();
    for (alias, on) in [(Alias::CHAMPION, champion), (Alias::ARCHIVED, archived)] {
        state.set_if_missing(alias, on.map(version));
    }
    state
}

/// An entry that moves the champion from `before` to `after`.
fn record(number: u64, operation: EntryKind, before: AliasState, after: AliasState) -> Record {
    let entry = Entry {
        schema: SCHEMA,
        ledger: "0123456789abcdef0123456789abcdef".to_owned(),
        operation,
        operation_id: format!("{number:032x}"),
        base: number - 1,
        previous: None,
        target: after.get(&Alias::CHAMPION),
        actor: "ann@example.org".to_owned(),
        reason: Some("weekly retrain".to_owned()),
        at: START,
        expires: START,
        explanation: format!("auc 0.913 is better than 0.9 by {number}"),
        before,
        after,
        side: BTreeMap::new(),
        decided: None,
        origin: None,
        bridge: None,
        standing: None,
        user: None,
        clock_ms: None,
        overrides: BTreeSet::new(),
        subject: None,
        quarantines: BTreeSet::new(),
        activation: None,
        archive: None,
        host: "hydra-registry/0.1.0".to_owned(),
    };
    let created_at = START + i64::try_from(number).expect("a number") * 3_600_000;
    Record { number, created_at, applied: None, digest: Sha256::of(&number.to_be_bytes()), entry }
}

/// The decision of a policy.
fn decision(mut record: Record, verdict: VerdictKind) -> Record {
    record.entry.decided = Some(Decided {
        policy: PolicyIdentity {
            name: "default".to_owned(),
            version: "0.1.0".to_owned(),
            sha256: Sha256::of(b"policy"),
        },
        verdict,
        usage: Usage::new(123_456, std::time::Duration::from_millis(3), 65_536),
        budget: Budget::default(),
        input_sha256: Sha256::of(b"input"),
        evidence_sha256: Sha256::of(b"evidence"),
        model_sha256: None,
        evaluations: Vec::new(),
        more_evaluations: 0,
        changes: BTreeSet::new(),
        panel: Vec::new(),
        decision_sha256: None,
        signers: Vec::new(),
        manifests: Vec::new(),
    });
    record
}

fn promotion(number: u64, before: u64, after: u64) -> Record {
    let moved =
        record(number, EntryKind::Promote, state(Some(before), None), state(Some(after), Some(before)));
    decision(moved, VerdictKind::Approve)
}

fn refusal(number: u64, champion: u64, target: u64, verdict: VerdictKind) -> Record {
    let still = state(Some(champion), None);
    let mut refused = record(number, EntryKind::Promote, still.clone(), still);
    refused.entry.target = Some(version(target));
    decision(refused, verdict)
}

/// A history of steps, newest first.
fn history(steps: impl IntoIterator<Item = Step>) -> History {
    let mut history = History { is_whole: true, ..History::default() };
    for step in steps {
        history.add(&step);
    }
    history.moved.reverse();
    history.marked.reverse();
    history.fit();
    history
}

fn valid(record: Record) -> Step {
    Step::Valid { record: Box::new(record), fate: Fate::Done }
}

fn now(champion: u64) -> Now {
    Now {
        model: "churn".to_owned(),
        aliases: BTreeMap::from([(Alias::CHAMPION, champion)]),
        managed: vec![Alias::ARCHIVED, Alias::CANDIDATE],
        metrics: BTreeMap::from([("auc".to_owned(), 0.913)]),
        quarantine: None,
    }
}

/// The evidence of a decision about version 3 with the champion 2.
fn evidence(record: &Record, room: usize) -> Evidence {
    let side = |version: &str, auc: f64| {
        json!({"version": version, "created_at": "1772366400000",
        "run": {"metrics": {"auc": auc, "log_loss": 0.25}, "params": {"num_leaves": version, "seed": "7"}}})
    };
    let measured = |version: &str, value: f64| {
        json!({"version": version, "value": value,
        "interval": {"low": value - 0.01, "high": value + 0.01, "method": "delong"}})
    };
    let input = json!({"operation": "promote", "target": side("3", 0.913), "context": {
        "model_name": "churn", "now": "1772366400000", "actor": "ann", "target_origin": "candidate",
        "settings": {"metric": "auc", "margin": "0.005"}, "champion": side("2", 0.9),
        "evaluations": [{"dataset": "holdout", "dataset_digest": "abc", "rows": "5000", "kind": "holdout", "first_hand": true,
            "began_at": "1", "measured_at": "1772366400000", "sha256": Sha256::of(b"e"), "confidence": 0.95,
            "metrics": [{"name": "auc", "direction": "higher", "measurements": [measured("3", 0.92), measured("2", 0.9)],
                "comparisons": [{"challenger": "3", "baseline": "2", "difference": 0.02,
                    "interval": {"low": 0.011, "high": 0.029, "method": "delong"}}]}]}]}});
    let input = Input::from_json(input.to_string().as_bytes()).expect("an input");
    let decided = record.entry.decided.as_ref().expect("a decision");
    Evidence::of(record, decided, &input, None, room)
}

#[test]
fn who_was_champion_when_and_why() {
    let genesis = record(1, EntryKind::Genesis, state(Some(1), None), state(Some(1), None));
    let mut outside = record(4, EntryKind::External, state(Some(2), Some(1)), state(Some(9), Some(1)));
    outside.entry.actor = "bob".to_owned();
    let back = record(5, EntryKind::Rollback, state(Some(9), Some(1)), state(Some(2), Some(9)));
    let mut back = decision(back, VerdictKind::Approve);
    back.entry.quarantines = BTreeSet::from([version(9)]);
    back.entry.overrides = BTreeSet::from([OverrideKind::InactivePolicy]);
    let steps = [back, outside, refusal(3, 2, 3, VerdictKind::Reject), promotion(2, 1, 2), genesis];
    let mut history = history(steps.into_iter().map(valid));
    let newest = refusal(3, 2, 3, VerdictKind::Reject);
    history.evidence.insert(3, Ok(Box::new(evidence(&newest, 20_000))));
    let page = history_page(&history, &now(2)).expect("a page");
    for part in [
        "<p class=\"version\">v2</p>",
        "<td>rollback</td>",
        "found when the ledger began",
        "<td>move outside of the ledger, found then</td>",
        "entry 5: rolled back v2",
        "entry 5: quarantine v2",
        "entry 5: rule set aside v2",
        "entry 4: moved outside v9",
        "quarantine of v9",
        "set aside: inactive-policy",
        "<b>v3</b> <span class=\"verdict no\">rejected</span>",
        // Side by side, with the difference and its interval.
        "0.91300",
        "+0.01300",
        "0.92000",
        "+0.02000",
        "0.01100 to 0.02900",
        "num_leaves",
        "margin",
        "by the command that decided",
        "the candidate",
        "123\u{202f}456 of",
        "hydra-registry --model churn history verify",
        "0123456789abcdef0123456789abcdef:5:",
        "unbroken",
    ] {
        assert!(page.contains(part), "`{part}` is missing in:\n{page}");
    }
    assert!(!page.contains("class=\"notice"), "nothing is wrong");
    assert_eq!(page, history_page(&history, &now(2)).expect("a page"), "equal input gives equal bytes");
}

#[test]
fn what_is_wrong_is_said() {
    let damaged = Step::Damaged { number: 3, flaw: "it is missing".to_owned(), bridged: false };
    let newer = NewerEntry { schema: 9, release: Some("0.9.0".to_owned()), created_at: START };
    let newer = Step::Newer { number: 4, entry: newer, bridged: false };
    let bridged = Step::Damaged { number: 2, flaw: "it has 9000 bytes".to_owned(), bridged: true };
    let mut history = history([newer, damaged, bridged, valid(promotion(1, 1, 2))]);
    history.evidence.insert(1, Err(Shown::short("an archived file is gone")));
    history.is_whole = false;
    let mut now = now(7);
    now.quarantine = Some("wrong prices".to_owned());
    let page = history_page(&history, &now).expect("a page");
    for part in [
        "the registry has v7",
        "in quarantine: wrong prices",
        "1 entries were written by a newer release",
        "hydra-registry 0.9.0 wrote it",
        "1 numbers of the ledger cannot be read",
        "entry 3: <bdi>it is missing</bdi>",
        "bridges 1 numbers",
        "broken",
        "an archived file is gone",
        "of 1 decisions cannot be shown",
        "Older entries are left out",
    ] {
        assert!(page.contains(part), "`{part}` is missing in:\n{page}");
    }
}

#[test]
fn a_model_without_a_history_has_a_page() {
    let mut now = now(1);
    now.aliases.clear();
    let page = history_page(&History::default(), &now).expect("a page");
    assert!(page.contains("has no history yet") && page.contains("There is no champion."), "{page}");
    now.aliases.insert(Alias::CHAMPION, 3);
    let page = history_page(&History::default(), &now).expect("a page");
    assert!(page.contains("not known by the ledger") && page.contains("0.91300"), "{page}");
}

/// The page allows its own script and style by their digests, and has no others.
#[test]
fn nothing_else_may_run_or_be_loaded() {
    let page = history_page(&history([valid(promotion(1, 1, 2))]), &now(2)).expect("a page");
    let policy = crate::content_security_policy();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'sha256-") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert!(page.contains(&policy.replace('\'', "&#39;")), "{page}");
    for (tag, directive) in [("script", "script-src"), ("style", "style-src")] {
        let begin = page.find(&format!("<{tag}>")).expect("one") + tag.len() + 2;
        let text = &page[begin..page.find(&format!("</{tag}>")).expect("its end")];
        let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::of(text.as_bytes()).as_bytes());
        assert!(policy.contains(&format!("{directive} 'sha256-{hash}'")), "{tag}");
        assert_eq!(page.matches(&format!("<{tag}")).count(), 1, "{tag}");
    }
    for forbidden in [
        " style=",
        " onclick=",
        " onload=",
        "http://",
        "https://",
        "url(",
        "@import",
        "<img",
        "<link",
        "<iframe",
        " src=",
    ] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert!(include_str!("../../assets/script.js").len() < 5_000, "a few kilobytes");
}

/// Where an alias moved without an entry, the timeline says so instead of inventing one.
#[test]
fn what_no_entry_says_is_drawn_as_such() {
    let page = history_page(&history([valid(promotion(2, 5, 6)), valid(promotion(1, 1, 2))]), &now(6));
    let page = page.expect("a page");
    assert!(page.contains("v5: moved without an entry between"), "{page}");
    assert!(page.contains("bar unsaid"), "{page}");
}
