use crate::rules::{KeyConfig, TrustConfig};
use hydra_base::ErrorKind;

const ISSUER: &str = "https://token.actions.githubusercontent.com";
const SUBJECT: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/\
                       extremely-dangerous-oidc-beacon.yml@refs/heads/main";

fn kind(config: KeyConfig) -> ErrorKind {
    TrustConfig::all_of([config]).load().unwrap_err().kind()
}

#[test]
fn an_entry_names_a_key_or_an_identity() {
    let key = || KeyConfig::new("-----BEGIN PUBLIC KEY-----");
    let half = KeyConfig { subject: None, ..KeyConfig::keyless(ISSUER, SUBJECT) };
    let both = KeyConfig { pub_key: key().pub_key, ..KeyConfig::keyless(ISSUER, SUBJECT) };
    let rooted = key().with_trust_root("{}");
    for bad in [
        KeyConfig::default(),
        half,
        both,
        rooted,
        KeyConfig::keyless(ISSUER, ""),
        KeyConfig::keyless("", SUBJECT),
        KeyConfig::keyless(ISSUER, "two words"),
        KeyConfig::keyless(ISSUER, "\u{202e}"),
        KeyConfig::keyless(ISSUER, "s".repeat(1025)),
        KeyConfig::keyless(ISSUER, SUBJECT).with_trust_root("no/such.json"),
        KeyConfig::keyless(ISSUER, SUBJECT).with_trust_root("{"),
    ] {
        assert_eq!(kind(bad.clone()), ErrorKind::InvalidTrust, "{bad:?}");
    }
}

#[cfg(not(feature = "keyless"))]
#[test]
fn a_build_without_the_feature_refuses_identities_and_names_it() {
    let error = TrustConfig::all_of([KeyConfig::keyless(ISSUER, SUBJECT)]).load().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidTrust);
    assert!(error.hint().is_some_and(|hint| hint.contains("--features keyless")), "{error:?}");
}

#[cfg(feature = "keyless")]
mod with_the_feature {
    use std::path::{Path, PathBuf};

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::{Value, json};

    use super::*;
    use crate::keyless::Identity;
    use crate::proof::Proof;
    use crate::rules::{Signatory, TrustRules};
    use crate::signature::Signature;
    use crate::{bundle, model, simple_signing};
    use hydra_base::Sha256;

    fn path(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/keyless").join(name)
    }

    fn read(name: &str) -> Vec<u8> {
        std::fs::read(path(name)).unwrap()
    }

    fn by(issuer: &str, subject: &str) -> TrustRules {
        TrustConfig::all_of([KeyConfig::keyless(issuer, subject)]).load().unwrap()
    }

    fn by_root(root: &str) -> TrustRules {
        let root = path(root).to_string_lossy().into_owned();
        TrustConfig::all_of([KeyConfig::keyless(ISSUER, SUBJECT).with_trust_root(root)]).load().unwrap()
    }

    fn altered(name: &str, change: impl Fn(&mut Value)) -> Option<Signature> {
        let mut value: Value = serde_json::from_slice(&read(name)).unwrap();
        change(&mut value);
        bundle::over_file(value.to_string().as_bytes())
    }

    /// Asserts that the rules refuse the signature, and returns the reason.
    fn refused(rules: &TrustRules, message: &[u8], signature: Option<Signature>) -> String {
        let error = rules.check(message, &[signature.unwrap()]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UntrustedSigner);
        format!("{error:?}")
    }

    #[test]
    fn a_genuine_bundle_shows_the_subject_and_its_issuer() {
        let file = read("a.txt");
        let rules = by(ISSUER, SUBJECT);
        let signature = bundle::over_file(&read("rekor1.sigstore.json")).unwrap();
        let signers = rules.check(&file, std::slice::from_ref(&signature)).unwrap();
        assert_eq!(signers.len(), 1);
        assert_eq!((signers[0].identity.as_str(), signers[0].issuer.as_deref()), (SUBJECT, Some(ISSUER)));
        assert_eq!(signers[0].key, Sha256::of(format!("{ISSUER}\n{SUBJECT}\n").as_bytes()));
        // By a time stamp and the second form of the log, under a root of one's own.
        let stamped = bundle::over_file(&read("rekor2.sigstore.json")).unwrap();
        by_root("rekor2.root.json").check(&file, std::slice::from_ref(&stamped)).unwrap();
        refused(&rules, &file, Some(stamped));
        // What is kept of it proves the same elsewhere.
        let proof = Proof::of_file(&rules, &file, &[signature]);
        let again: Proof = serde_json::from_slice(&serde_json::to_vec(&proof).unwrap()).unwrap();
        assert_eq!(again.check(&rules, &file).unwrap(), signers);
        assert_eq!(again.check(&rules, b"another").unwrap_err().kind(), ErrorKind::UntrustedSigner);
    }

    #[test]
    fn a_name_and_an_end_of_validity_apply_to_identities() {
        let signature = bundle::over_file(&read("rekor1.sigstore.json")).unwrap();
        let until = |end: &str| {
            let entry = KeyConfig::keyless(ISSUER, SUBJECT);
            TrustConfig::all_of([KeyConfig { expires: Some(end.to_owned()), ..entry }]).load().unwrap()
        };
        let check = |rules: &TrustRules| rules.check(&read("a.txt"), std::slice::from_ref(&signature));
        check(&until("2999-01-01")).unwrap();
        assert_eq!(check(&until("2020-01-01")).unwrap_err().kind(), ErrorKind::ExpiredKey);
        let twice =
            TrustConfig::all_of([KeyConfig::keyless(ISSUER, SUBJECT), KeyConfig::keyless(ISSUER, SUBJECT)]);
        assert_eq!(twice.load().unwrap_err().kind(), ErrorKind::InvalidTrust);
    }

    #[test]
    fn what_is_altered_is_refused() {
        let file = read("a.txt");
        let rules = by(ISSUER, SUBJECT);
        let genuine = || altered("rekor1.sigstore.json", |_| {});
        rules.check(&file, &[genuine().unwrap()]).unwrap();
        let other_bytes = refused(&rules, b"other bytes", genuine());
        assert!(other_bytes.contains("mismatch"), "{other_bytes}");
        let subject = refused(&by(ISSUER, &SUBJECT.replace("main", "other")), &file, genuine());
        assert!(subject.contains("identity mismatch"), "{subject}");
        refused(&by(ISSUER, &SUBJECT[..SUBJECT.len() - 1]), &file, genuine());
        let issuer = refused(&by("https://accounts.google.com", SUBJECT), &file, genuine());
        assert!(issuer.contains("issuer mismatch"), "{issuer}");
        let root = refused(&by_root("other.root.json"), &file, genuine());
        assert!(root.contains("keyless signature"), "{root}");
        let other: Value = serde_json::from_slice(&read("rekor2.sigstore.json")).unwrap();
        let material = |change: fn(&mut Value)| {
            altered("rekor1.sigstore.json", |bundle| change(&mut bundle["verificationMaterial"]))
        };
        let entry = |change: fn(&mut Value)| {
            altered("rekor1.sigstore.json", |bundle| {
                change(&mut bundle["verificationMaterial"]["tlogEntries"][0]);
            })
        };
        let cut: fn(&mut Value) = |material| {
            let der = STANDARD.decode(material["certificate"]["rawBytes"].as_str().unwrap()).unwrap();
            material["certificate"]["rawBytes"] = json!(STANDARD.encode(&der[..der.len() / 2]));
        };
        for (what, signature) in [
            ("a truncated certificate", material(cut)),
            ("no entry of the log", material(|material| material["tlogEntries"] = json!([]))),
            (
                "no proof of inclusion",
                entry(|entry| {
                    entry.as_object_mut().unwrap().remove("inclusionProof");
                }),
            ),
            ("a proof of another entry", entry(|entry| entry["inclusionProof"]["logIndex"] = json!("1"))),
            (
                "another tree head",
                entry(|entry| {
                    entry["inclusionProof"]["rootHash"] = json!(STANDARD.encode([7; 32]));
                }),
            ),
            (
                "no signed tree head",
                entry(|entry| {
                    entry["inclusionProof"]["checkpoint"]["envelope"] = json!("log\n1\nAAAA\n\n");
                }),
            ),
            // An hour later, when the certificate had ended; the log signed the time.
            ("another time of the log", entry(|entry| entry["integratedTime"] = json!("1710873000"))),
            (
                "the entry of another signature",
                altered("rekor1.sigstore.json", |bundle| {
                    bundle["verificationMaterial"]["tlogEntries"] =
                        other["verificationMaterial"]["tlogEntries"].clone();
                }),
            ),
            (
                "the certificate of another signature",
                altered("rekor1.sigstore.json", |bundle| {
                    bundle["verificationMaterial"]["certificate"] =
                        other["verificationMaterial"]["certificate"].clone();
                }),
            ),
            (
                "another signature",
                altered("rekor1.sigstore.json", |bundle| {
                    bundle["messageSignature"] = other["messageSignature"].clone();
                }),
            ),
            (
                "no time at all",
                altered("rekor2.sigstore.json", |bundle| {
                    bundle["verificationMaterial"]["timestampVerificationData"] = json!({});
                }),
            ),
        ] {
            for rules in [&rules, &by_root("rekor2.root.json")] {
                let reason = refused(rules, &file, signature.clone());
                assert!(reason.contains("keyless signature"), "{what}: {reason}");
            }
        }
    }

    #[test]
    fn provenance_by_the_same_subject_approves_nothing() {
        let (bytes, file) = (read("provenance.sigstore.json"), read("a.txt"));
        assert_eq!(bundle::over_file(&bytes), None);
        let signed = bundle::over_statement(&bytes);
        assert_eq!(simple_signing::subject(&signed[0].payload), None);
        let rules = by(ISSUER, SUBJECT);
        refused(&rules, &file, Some(signed[0].signature.clone()));
        refused(&rules, &signed[0].payload, Some(signed[0].signature.clone()));
    }

    /// `make.py` beside the files has the manifest.
    #[test]
    fn a_statement_of_another_instance_is_about_one_artifact() {
        let entry = |root: Option<&str>| {
            let entry = KeyConfig::keyless(
                "https://issuer.example.org",
                "https://ci.example.org/risk/policies/release",
            );
            match root {
                Some(root) => entry.with_trust_root(path(root).to_string_lossy()),
                None => entry,
            }
        };
        let rules = |root| TrustConfig::all_of([entry(root)]).load().unwrap();
        let own = rules(Some("own.root.json"));
        let layer = format!(
            r#"{{"mediaType":"application/wasm","digest":"sha256:{}","size":9}}"#,
            Sha256::of(b"component")
        );
        let manifest = format!(r#"{{"schemaVersion":2,"layers":[{layer}]}}"#).into_bytes();
        let signed = bundle::over_statement(&read("own-artifact.sigstore.json"));
        let proof = Proof::of_artifact(&own, manifest.clone(), &signed);
        let signers = proof.check(&own, b"component").unwrap();
        assert_eq!(signers[0].identity, "https://ci.example.org/risk/policies/release");
        let kind = |proof: &Proof, rules: &TrustRules| proof.check(rules, b"component").unwrap_err().kind();
        assert_eq!(proof.check(&own, b"another").unwrap_err().kind(), ErrorKind::SignatureMismatch);
        assert_eq!(kind(&proof, &rules(None)), ErrorKind::UntrustedSigner);
        assert_eq!(kind(&proof, &rules(Some("other.root.json"))), ErrorKind::UntrustedSigner);
        // A statement that was exchanged under the signature, and one about another artifact.
        let mut value: Value = serde_json::from_slice(&read("own-artifact.sigstore.json")).unwrap();
        let payload = STANDARD.decode(value["dsseEnvelope"]["payload"].as_str().unwrap()).unwrap();
        let (from, to) = (Sha256::of(&manifest).to_string(), Sha256::of(b"another manifest").to_string());
        let payload = String::from_utf8(payload).unwrap().replace(&from, &to);
        value["dsseEnvelope"]["payload"] = json!(STANDARD.encode(payload));
        let exchanged = bundle::over_statement(value.to_string().as_bytes());
        assert!(!exchanged[0].is_by(&rules_signatory(&entry(Some("own.root.json")))));
        let mut moved = signed[0].clone();
        moved.payload.clone_from(&exchanged[0].payload);
        assert!(!moved.is_by(&rules_signatory(&entry(Some("own.root.json")))));
        assert!(signed[0].is_by(&rules_signatory(&entry(Some("own.root.json")))));
        // One over a file is not one over an artifact, and the reverse.
        let policy = std::fs::read(path("../policies/v0.1/metric-gate.wasm")).unwrap();
        let over_file = bundle::over_file(&read("own-file.sigstore.json")).unwrap();
        own.check(&policy, std::slice::from_ref(&over_file)).unwrap();
        refused(&own, &signed[0].payload, Some(over_file));
        refused(&own, b"component", Some(signed[0].signature.clone()));
    }

    fn rules_signatory(entry: &KeyConfig) -> Signatory {
        let (issuer, subject) = (entry.issuer.as_deref().unwrap(), entry.subject.as_deref().unwrap());
        Signatory::Identity(Identity::load(issuer, subject, entry.trust_root.as_deref()).unwrap())
    }

    /// A bundle by a key, as `cosign` writes it with the log and a time stamp.
    #[test]
    fn a_genuine_bundle_by_a_key_is_one_of_that_key() {
        let rules = TrustConfig::all_of([KeyConfig::new(path("key.pub").to_string_lossy())]).load().unwrap();
        let signature = bundle::over_file(&read("key.sigstore.json")).unwrap();
        assert!(!signature.is_bundle());
        let signers = rules.check(&read("a.txt"), std::slice::from_ref(&signature)).unwrap();
        assert_eq!((signers.len(), signers[0].issuer.as_deref()), (1, None));
        assert_eq!(
            rules.check(b"other", &[signature.clone()]).unwrap_err().kind(),
            ErrorKind::UntrustedSigner
        );
        // It names no identity.
        let reason = refused(&by(ISSUER, SUBJECT), &read("a.txt"), Some(signature));
        assert!(!reason.contains("keyless signature"), "{reason}");
    }

    #[test]
    fn a_bundle_fits_the_tag_of_a_version() {
        let bundle = STANDARD.encode(read("rekor1.sigstore.json"));
        let found = model::signatures(Some(&format!("MAYCAf8CAQE= {bundle} e30=")));
        assert_eq!(found.iter().map(Signature::is_bundle).collect::<Vec<_>>(), [false, true, false]);
    }

    #[test]
    fn rules_on_record_hold_the_trust_root() {
        let config = TrustConfig::all_of([
            KeyConfig::keyless(ISSUER, SUBJECT).with_trust_root("rekor2.root.json"),
            KeyConfig::keyless(ISSUER, "ann@example.org"),
        ]);
        let resolved = config.resolved(&path(""));
        assert!(!resolved.is_inlined());
        let inlined = resolved.inlined().unwrap();
        assert!(inlined.is_inlined());
        assert_eq!(inlined, inlined.clone().resolved(Path::new("/elsewhere")));
        assert_eq!(inlined, inlined.inlined().unwrap());
        assert_eq!(inlined.all_of[1].trust_root, None);
        let stamped = bundle::over_file(&read("rekor2.sigstore.json")).unwrap();
        let signed = inlined.load().unwrap().signers(&read("a.txt"), &[stamped]);
        assert_eq!(signed.len(), 1);
    }
}
