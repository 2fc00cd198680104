//! Checking settings against what a policy declares.

use super::*;

fn descriptor() -> Descriptor {
    let setting = |key: &str, kind, default: Option<&str>, required| Setting {
        key: key.to_owned(),
        kind,
        default: default.map(str::to_owned),
        required,
        doc: format!("what {key} does"),
    };
    Descriptor {
        name: "gate".to_owned(),
        version: "1.2.3".to_owned(),
        summary: String::new(),
        settings: vec![
            setting("metric", SettingKind::Text, None, true),
            setting("margin", SettingKind::Number, Some("0.0"), false),
            setting("min-age", SettingKind::Duration, Some("1d"), false),
            setting("runs", SettingKind::Integer, None, false),
            setting("strict", SettingKind::Boolean, None, false),
            setting(
                "mode",
                SettingKind::Choice(vec!["max".to_owned(), "min".to_owned()]),
                Some("max"),
                false,
            ),
            setting("guards", SettingKind::Texts, Some(""), false),
            setting("zone", SettingKind::UtcOffset, Some("Z"), false),
        ],
    }
}

fn given(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn values_are_normalised_and_defaults_added() {
    let resolved = descriptor()
        .resolve(&given(&[
            ("metric", "auc"),
            ("margin", "1e-3"),
            ("runs", "+07"),
            ("strict", "true"),
            ("guards", " recall,log loss ,,recall, a:min"),
            ("zone", "-03:30"),
        ]))
        .unwrap();
    let expected = given(&[
        ("guards", "recall,log loss,a:min"),
        ("margin", "0.001"),
        ("metric", "auc"),
        ("min-age", "86400000"),
        ("mode", "max"),
        ("runs", "7"),
        ("strict", "true"),
        ("zone", "-210"),
    ]);
    assert_eq!(resolved, expected);
    let defaults = descriptor().resolve(&given(&[("metric", "auc")])).unwrap();
    assert_eq!((defaults["guards"].as_str(), defaults["zone"].as_str()), ("", "0"));
}

#[test]
fn resolved_settings_can_be_written_as_users_do() {
    let written = given(&[
        ("metric", "auc"),
        ("margin", "0.001"),
        ("min-age", "1d12h"),
        ("runs", "7"),
        ("mode", "min"),
        ("guards", "recall,f1"),
        ("zone", "-03:30"),
    ]);
    let resolved = descriptor().resolve(&written).unwrap();
    assert_ne!(resolved, written);
    assert_eq!(descriptor().as_written(&resolved), written);
    let odd = given(&[("min-age", "soon"), ("zone", "6000"), ("unknown", "5")]);
    assert_eq!(descriptor().as_written(&odd), odd, "what is not in normal form stays");
}

#[test]
fn a_required_list_needs_an_item() {
    let mut descriptor = descriptor();
    descriptor.settings[6].required = true;
    descriptor.settings[6].default = None;
    let error = descriptor.resolve(&given(&[("metric", "auc"), ("guards", " , ")])).unwrap_err();
    assert_eq!(error.to_string(), "the required setting `guards` is empty");
}

#[test]
fn unknown_missing_and_malformed_settings_list_the_known_ones() {
    for (settings, message) in [
        (given(&[("metric", "auc"), ("margn", "1")]), "the policy `gate` has no setting `margn`"),
        (given(&[("metric", "")]), "the required setting `metric` is empty"),
        (given(&[]), "the policy `gate` requires the setting `metric`"),
        (
            given(&[("metric", "auc"), ("margin", "NaN")]),
            "the setting `margin` is not a finite number: `NaN`",
        ),
        (given(&[("metric", "auc"), ("mode", "MAX")]), "the setting `mode` is not one of max, min: `MAX`"),
        (
            given(&[("metric", "auc"), ("zone", "CET")]),
            "the setting `zone` is not a difference from UTC such as `+01:00`: `CET`",
        ),
    ] {
        let error = descriptor().resolve(&settings).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PolicySettings);
        assert_eq!(error.to_string(), message);
        let hint = error.hint().unwrap();
        assert!(hint.contains("metric (text, required): what metric does"), "{hint}");
        assert!(hint.contains("min-age (duration, default 1d): what min-age does"), "{hint}");
    }
}

#[test]
fn flawed_declarations_are_named() {
    let flaw = |change: fn(&mut Descriptor)| {
        let mut descriptor = descriptor();
        change(&mut descriptor);
        descriptor.flaw()
    };
    assert_eq!(flaw(|_| {}), None);
    assert!(flaw(|d| d.name.clear()).unwrap().contains("name"));
    assert!(flaw(|d| d.version = "1\n".to_owned()).unwrap().contains("printable"));
    assert!(flaw(|d| d.settings[0].key = "Metric".to_owned()).unwrap().contains("malformed"));
    assert!(flaw(|d| d.settings[1].key = "metric".to_owned()).unwrap().contains("twice"));
    assert!(flaw(|d| d.settings[1].kind = SettingKind::Choice(Vec::new())).unwrap().contains("choice"));
    assert!(flaw(|d| d.settings[1].default = Some("much".to_owned())).unwrap().contains("default"));
}
