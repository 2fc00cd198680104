//! The text of an entry.

use std::collections::BTreeMap;
use std::time::Duration;

use super::entry::{Aliases, Decided, Digest, Entry, Kind, MAX_ENTRY_BYTES, PolicyId, SCHEMA, SideMove};
use crate::ErrorKind;
use crate::base::names::{Alias, Version};
use crate::policy::{Budget, Usage, VerdictKind};

pub(super) fn sample() -> Entry {
    let aliases = |champion: u64| -> Aliases {
        [(Alias::champion(), Some(Version(champion))), (Alias::archived(), None)].into()
    };
    Entry {
        schema: SCHEMA,
        ledger: "00ff".into(),
        operation: Kind::Promote,
        operation_id: "op-1".into(),
        base: 7,
        previous: Some(Digest::of(b"seven")),
        target: Some(Version(3)),
        actor: "ann".into(),
        reason: Some("nightly".into()),
        at: 1_700_000_000_000,
        expires: 1_700_000_600_000,
        explanation: "better auc".into(),
        before: aliases(2),
        after: aliases(3),
        side: BTreeMap::from([(Alias::candidate(), SideMove { from: Some(Version(3)), to: None })]),
        decided: Some(Decided {
            policy: PolicyId { name: "default".into(), version: "0.1.0".into(), sha256: Digest::of(b"wasm") },
            verdict: VerdictKind::Approve,
            usage: Usage { fuel: u64::MAX, elapsed: Duration::from_micros(42), memory: 1 << 20 },
            budget: Budget::default(),
            input_sha256: Digest::of(b"input"),
            evidence_sha256: Digest::of(b"evidence"),
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
    let aliases = (0..500).map(|n| (Alias::new(format!("alias-{n}")).expect("an alias"), None)).collect();
    let error = Entry { after: aliases, ..sample() }.encode().expect_err("too many aliases");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

#[test]
fn what_is_not_an_entry_says_why() {
    let text = sample().encode().expect("an entry");
    let flaw = |text: &str| Entry::decode(text).expect_err("a flaw");
    assert!(flaw(&text.replace(r#""schema":1"#, r#""schema":2"#)).contains("newer"));
    assert!(flaw(&text.replace(r#"{"actor""#, r#"{ "actor""#)).contains("canonical"));
    assert!(flaw(&text.replace(r#""base":"7""#, r#""base":"-7""#)).contains("cannot be read"));
    assert!(flaw(&text.replace(r#""host""#, r#""ghost":1,"host""#)).contains("cannot be read"));
    assert!(flaw("").contains("cannot be read"));
    assert!(flaw(&" ".repeat(5_000)).contains("5000 bytes"));
}

#[test]
fn digests_are_lower_case_hexadecimal() {
    let digest = Digest::of(b"");
    assert_eq!(digest.to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(digest.to_string().parse::<Digest>().expect("a digest"), digest);
    for bad in ["", "00", &"Z".repeat(64), &"E".repeat(64), &"é".repeat(32)] {
        assert_eq!(bad.parse::<Digest>().expect_err(bad).kind(), ErrorKind::Integrity);
    }
}
