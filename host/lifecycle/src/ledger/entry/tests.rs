//! The text of an entry.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Decided, Entry, EntryKind, MAX_ENTRY_BYTES, SCHEMA, SideMove, Undecodable};
use hydra_base::ErrorKind;
use hydra_base::aliases::AliasState;
use hydra_base::names::{Alias, Version};
use hydra_base::testing::{alias, version};
use hydra_base::{PolicyIdentity, Sha256};
use hydra_policy::{Budget, Usage, VerdictKind};

pub(crate) fn sample() -> Entry {
    let aliases = |champion: u64| -> AliasState {
        [(Alias::CHAMPION, Some(version(champion))), (Alias::ARCHIVED, None)].into_iter().collect()
    };
    Entry {
        schema: SCHEMA,
        ledger: "00ff".into(),
        operation: EntryKind::Promote,
        operation_id: "op-1".into(),
        base: 7,
        previous: Some(Sha256::of(b"seven")),
        target: Some(version(3)),
        actor: "ann".into(),
        reason: Some("nightly".into()),
        at: 1_700_000_000_000,
        expires: 1_700_000_600_000,
        explanation: "better auc".into(),
        before: aliases(2),
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
        }),
        origin: None,
        bridge: None,
        host: "hydra-registry/0.1.0".into(),
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
    let newer = text.replace(r#""schema":1"#, r#""schema":2"#);
    assert_eq!(Entry::decode(&newer), Err(Undecodable::Newer { schema: 2 }));
    assert!(flaw(&newer).contains("newer"));
    assert!(flaw(&text.replace(r#"{"actor""#, r#"{ "actor""#)).contains("canonical"));
    assert!(flaw(&text.replace(r#""base":"7""#, r#""base":"-7""#)).contains("cannot be read"));
    assert!(flaw(&text.replace(r#""target":"3""#, r#""target":"0""#)).contains("cannot be read"));
    assert!(flaw(&text.replace(r#""champion":"3""#, r#""champion":"0""#)).contains("cannot be read"));
    assert!(flaw(&text.replace(r#""host""#, r#""ghost":1,"host""#)).contains("cannot be read"));
    assert!(flaw("").contains("cannot be read"));
    assert!(flaw(&" ".repeat(5_000)).contains("5000 bytes"));
}
