//! What is read of one version of a ledger.

use super::{APPLIED_TAG, ENTRY_TAG, Mark, NewerEntry, Reading, Record, source_uri};
use crate::ledger::entry::tests::sample;
use hydra_base::names::ModelName;
use hydra_base::testing::version;
use hydra_mlflow::entities::{ModelVersion, Tags};

fn stored(text: String, mark: Option<&str>) -> ModelVersion {
    let mut tags = Tags::from([(ENTRY_TAG.to_owned(), text)]);
    tags.extend(mark.map(|mark| (APPLIED_TAG.to_owned(), mark.to_owned())));
    let name = ModelName::new("m_ledger").expect("a name");
    let mut version = ModelVersion::new(name, version(8), 5, source_uri("00ff"));
    version.tags = tags;
    version
}

fn record(mark: Option<&str>) -> Record {
    let text = sample().encode().expect("an entry");
    match Reading::of(&stored(text, mark), "00ff") {
        Reading::Record(record) => *record,
        unreadable => panic!("{unreadable:?}"),
    }
}

/// The entry was made at 1700000000000.
#[test]
fn marks_of_every_release_are_read() {
    for (value, mark) in [
        ("atomic", Mark::Atomic),
        ("later:1700000000000", Mark::Later),
        ("later:1700000000007", Mark::Later),
        // Release 0.1.
        ("1700000000000", Mark::Atomic),
        ("1700000000001", Mark::Later),
        ("1699999999999", Mark::Later),
        // Any value says that the entry was carried out.
        ("", Mark::Later),
        ("Atomic", Mark::Later),
        ("yes", Mark::Later),
    ] {
        let record = record(Some(value));
        assert_eq!(record.applied, Some(mark), "{value}");
        assert!(record.is_settled(), "{value}");
    }
    assert_eq!(record(None).applied, None);
    assert!(!record(None).is_settled());
}

/// Nothing but the schema is read of it: a later release may change everything else.
#[test]
fn an_entry_of_a_newer_schema_is_not_damage() {
    let text = sample().encode().expect("an entry");
    for text in [
        text.replace(r#""schema":2"#, r#""schema":3"#),
        r#"{"schema":4294967295}"#.to_owned(),
        format!(r#"{{"schema":3,"other":"{}"}}"#, "x".repeat(5_000)),
        r#"{ "ledger": 7, "schema": 3, "host": [] }"#.to_owned(),
    ] {
        let Reading::Newer(NewerEntry { schema, created_at, .. }) = Reading::of(&stored(text, None), "00ff")
        else {
            panic!("a newer entry");
        };
        assert!(schema > 2);
        assert_eq!(created_at, 5);
    }
    for text in [r#"{"schema":"3"}"#, r#"{"schema":-3}"#, r#"{"schema":4294967296}"#, r#"{"schema":3"#] {
        let reading = Reading::of(&stored(text.to_owned(), None), "00ff");
        assert!(matches!(reading, Reading::Damaged(_)), "{text}: {reading:?}");
    }
}
