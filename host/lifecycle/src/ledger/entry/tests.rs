//! The text of an entry.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{
    Activation, Decided, Entry, EntryKind, EvaluationNote, MAX_ENTRY_BYTES, NewArchive, PanelAnswer,
    PanelVerdict, SCHEMA, SideMove, StandingRef, Subject, Undecodable,
};
use crate::evaluations::UsedEvaluation;
use hydra_base::ErrorKind;
use hydra_base::aliases::AliasState;
use hydra_base::names::{Alias, RunId, Version};
use hydra_base::testing::{alias, version};
use hydra_base::{PolicyIdentity, Sha256};
use hydra_policy::{Budget, Change, OverrideKind, PanelRole, Usage, VerdictKind};

pub(crate) fn sample() -> Entry {
    let aliases = |champion: u64| -> AliasState {
        [(Alias::CHAMPION, Some(version(champion))), (Alias::ARCHIVED, None)].into_iter().collect()
    };
    Entry {
        operation_id: "op-1".into(),
        target: Some(version(3)),
        reason: Some("nightly".into()),
        at: 1_700_000_000_000,
        expires: 1_700_000_600_000,
        explanation: "better auc".into(),
        after: aliases(3),
        side: BTreeMap::from([(Alias::CANDIDATE, SideMove { from: Some(version(3)), to: None })]),
        decided: Some(Decided {
            policy: PolicyIdentity {
                name: "default".into(),
                version: "0.1.0".into(),
                sha256: Sha256::of(b"wasm"),
            },
            verdict: VerdictKind::Approve,
            usage: Usage::new(u64::MAX, Duration::from_micros(42), 1 << 20),
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
        }),
        host: "hydra-registry/0.1.0".into(),
        actor: "ann".into(),
        ..Entry::new("00ff", EntryKind::Promote, (7, Some(Sha256::of(b"seven"))), aliases(2), 0, 0)
    }
}

/// An entry with every part that schema 2 added, each as large as it may be.
fn full() -> Entry {
    let sha256 = Sha256::of(b"panel");
    let answer = PanelAnswer { sha256, mode: PanelRole::Monitor, verdict: PanelVerdict::Approve };
    let quarantined = (1..=64).map(|number| version(1_000_000 + number)).collect();
    let mut entry = Entry {
        operation: EntryKind::Rollback,
        standing: Some(StandingRef { number: u64::MAX, sha256 }),
        user: Some("ann@example.org".into()),
        clock_ms: Some(-1_234_567),
        overrides: [OverrideKind::InactivePolicy, OverrideKind::UnloadableModel].into(),
        subject: Some(Subject {
            model_sha256: Some(sha256.to_string()),
            expires: Some(1_700_000_600_000),
            own: true,
        }),
        quarantines: quarantined,
        activation: Some(Activation { approvals: 2, expires: Some(7), ..Activation::of(sha256) }),
        archive: Some(NewArchive { run_id: RunId::new("a".repeat(32)).expect("an id") }),
        ..sample()
    };
    let decided = entry.decided.as_mut().expect("a decision");
    decided.changes = [Change::Output, Change::Classes, Change::Columns].into();
    decided.panel = vec![answer; 8];
    decided.decision_sha256 = Some(sha256);
    decided.signers = vec!["s".repeat(64); 4];
    decided.manifests = vec!["m".repeat(64); 4];
    entry
}

/// What does not fit an entry lies in the archive; this does.
#[test]
fn eight_policies_and_64_quarantined_versions_fit_an_entry() {
    let mut entry = full();
    let text = entry.encode().expect("an entry");
    assert!(text.len() <= MAX_ENTRY_BYTES, "{}", text.len());
    assert_eq!(entry, full(), "no text was cut");
    assert_eq!(Entry::decode(&text), Ok(entry));
    for part in [
        r#""clock_ms":"-1234567""#,
        r#""overrides":["unloadable-model","inactive-policy"]"#,
        r#""quarantines":["1000001","#,
        r#""changes":["output","classes","columns"]"#,
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// What a decision of a panel may hold at most beside a rollback's quarantines: the texts make room for it.
#[test]
fn eight_policies_and_evaluations_fit_an_entry() {
    let used = |index: u8| UsedEvaluation {
        dataset: "d".repeat(100),
        sha256: Sha256::of(&[index]),
        measured_at: 0,
        first_hand: index == 0,
    };
    let used: Vec<UsedEvaluation> = (0..20).map(used).collect();
    let mut entry = full();
    entry.quarantines.clear();
    (entry.subject, entry.activation, entry.archive) = (None, None, None);
    entry.actor = "a".repeat(300);
    entry.reason = Some("r".repeat(1_000));
    entry.explanation = "e".repeat(1_000);
    let decided = entry.decided.as_mut().expect("a decision");
    (decided.policy.name, decided.policy.version) = ("n".repeat(64), "v".repeat(64));
    decided.model_sha256 = Some(Sha256::of(b"model").to_string());
    (decided.evaluations, decided.more_evaluations) = EvaluationNote::of(&[], &used);
    let mut unsigned = entry.clone();
    let decided = unsigned.decided.as_mut().expect("a decision");
    (decided.signers, decided.manifests) = (Vec::new(), Vec::new());
    for (mut entry, explained) in [(unsigned, 64), (entry, 32)] {
        let text = entry.encode().expect("an entry");
        assert!(text.len() <= MAX_ENTRY_BYTES, "{}", text.len());
        assert!(entry.explanation.len() > explained, "{}", entry.explanation);
        assert_eq!(Entry::decode(&text), Ok(entry));
    }
}

/// Entries of schema 1 are read and written as they are. One that has parts of schema 2 is damaged for the releases that
/// know only schema 1, and so it is for this one.
#[test]
fn an_entry_of_schema_1_has_only_its_own_parts() {
    let mut old = Entry { schema: 1, ..sample() };
    let text = old.encode().expect("an entry");
    assert_eq!(Entry::decode(&text), Ok(old.clone()));
    let parts: [fn(&mut Entry, Entry); 11] = [
        |entry, full| entry.standing = full.standing,
        |entry, full| entry.user = full.user,
        |entry, full| entry.clock_ms = full.clock_ms,
        |entry, full| entry.overrides = full.overrides,
        |entry, full| entry.subject = full.subject,
        |entry, full| entry.quarantines = full.quarantines,
        |entry, full| entry.activation = full.activation,
        |entry, full| entry.archive = full.archive,
        |entry, full| entry.decided = full.decided,
        |entry, _| entry.operation = EntryKind::Quarantine,
        |entry, _| entry.operation = EntryKind::Archive,
    ];
    for (index, set) in parts.into_iter().enumerate() {
        let mut entry = old.clone();
        set(&mut entry, full());
        let flaw = Entry::decode(&entry.encode().expect("a text")).expect_err("a flaw").to_string();
        assert_eq!(flaw, "it has schema 1, and parts of a later one", "{index}");
        entry.schema = SCHEMA;
        let text = entry.encode().expect("an entry");
        assert_eq!(Entry::decode(&text), Ok(entry), "{index}");
    }
}

#[test]
fn an_entry_is_read_back_as_it_was_written() {
    let mut entry = sample();
    let text = entry.encode().expect("an entry");
    assert_eq!(Entry::decode(&text), Ok(entry));
    assert!(
        text.starts_with(r#"{"actor":"ann","after":{"archived":null,"champion":"3"},"at":"1700000000000""#),
        "{text}"
    );
    assert!(text.contains(r#""fuel":"18446744073709551615""#), "large numbers are strings: {text}");
}

/// Another program may have written anything into the tag that the digest of the model comes from.
#[test]
fn a_model_digest_that_is_not_a_sha256_is_kept_as_it_is() {
    let mut entry = sample();
    let decided = entry.decided.as_mut().expect("a decision");
    decided.model_sha256 = Some("sha256:ABC".into());
    let text = entry.encode().expect("an entry");
    assert_eq!(Entry::decode(&text), Ok(entry));
}

#[test]
fn long_texts_are_cut_to_fit_and_still_explain() {
    for letter in ["x", "é", "\u{1}", "🦀"] {
        let full = letter.repeat(10_000);
        let mut entry = Entry { explanation: full.clone(), reason: Some(full.clone()), ..sample() };
        let text = entry.encode().expect("an entry");
        assert!(text.len() <= MAX_ENTRY_BYTES, "{}", text.len());
        assert!(entry.explanation.len() > 32 && entry.explains(&full));
        assert!(!entry.explains("something else"));
        assert_eq!(Entry::decode(&text), Ok(entry));
    }
    let aliases = (0..500).map(|n| (alias(&format!("alias-{n}")), None::<Version>)).collect();
    let error = Entry { after: aliases, ..sample() }.encode().expect_err("too many aliases");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

#[test]
fn text_that_is_not_an_entry_has_a_reason() {
    let text = sample().encode().expect("an entry");
    let flaw = |text: &str| Entry::decode(text).expect_err("a flaw").to_string();
    let newer = text.replace(r#""schema":2"#, r#""schema":3"#);
    let release = Some("0.1.0".to_owned());
    assert_eq!(Entry::decode(&newer), Err(Undecodable::Newer { schema: 3, release }));
    assert!(flaw(&newer).contains("newer than this program; hydra-registry 0.1.0 wrote it"));
    // What is not a release is not repeated in messages.
    let long = format!("hydra-registry/{}", "1".repeat(33));
    for host in ["hydra-registry/", "other/1.0", "hydra-registry/1 \u{1b}[2J", &long] {
        let strange = serde_json::json!({"schema": 3, "host": host}).to_string();
        assert_eq!(Entry::decode(&strange), Err(Undecodable::Newer { schema: 3, release: None }), "{host}");
    }
    assert!(flaw(&text.replace(r#"{"actor""#, r#"{ "actor""#)).contains("canonical"));
    assert!(flaw(&text.replace(r#""base":"7""#, r#""base":"-7""#)).contains("cannot be read"));
    assert!(flaw(&text.replace(r#""target":"3""#, r#""target":"0""#)).contains("cannot be read"));
    assert!(flaw(&text.replace(r#""champion":"3""#, r#""champion":"0""#)).contains("cannot be read"));
    assert!(flaw(&text.replace(r#""host""#, r#""ghost":1,"host""#)).contains("cannot be read"));
    assert!(flaw("").contains("cannot be read"));
    assert!(flaw(&" ".repeat(5_000)).contains("5000 bytes"));
}
