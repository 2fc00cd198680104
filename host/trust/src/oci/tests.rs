//! What comes from outside, damaged.

use super::challenge::Challenge;
use super::manifest::{self, Descriptor, Document, IMAGE_MANIFEST, Manifest, WASM_CONFIG, WASM_LAYER};
use super::{ArtifactCache, Oci, Reference};
use crate::simple_signing;
use hydra_base::Sha256;

#[test]
fn damaged_documents_are_errors_and_never_panic() {
    let layer = Descriptor::of(WASM_LAYER, b"component");
    let good = manifest::encode(&Manifest::new(Descriptor::of(WASM_CONFIG, b"{}"), vec![layer])).unwrap();
    assert!(matches!(Document::parse(&good, ""), Ok(Document::Manifest(_))));
    for end in 0..good.len() {
        assert!(Document::parse(&good[..end], IMAGE_MANIFEST).is_err(), "{end}");
    }
    let payload = simple_signing::payload("h/r", Sha256::NONE);
    for at in 0..good.len().max(payload.len()) {
        for byte in [b'"', b'{', b'0', 0, 0xff] {
            let mut damaged = good.clone();
            if let Some(slot) = damaged.get_mut(at) {
                *slot = byte;
            }
            if let Ok(Document::Manifest(found)) = Document::parse(&damaged, IMAGE_MANIFEST) {
                // Whatever it is, it is asked for and compared by its digest.
                found.component().and_then(Descriptor::sha256).ok();
            }
            let mut damaged = payload.clone();
            if let Some(slot) = damaged.get_mut(at) {
                *slot = byte;
            }
            let found = simple_signing::subject(&damaged);
            assert!(found.is_none_or(|found| found != Sha256::of(b"component")));
        }
    }
    for header in ["Bearer realm=\"\\", "Bearer =,=,=", "Bearer realm=\"é\" x=\u{202e}", "Bearer ,,,,,"] {
        let found = Challenge::parse(header);
        assert!(!matches!(found, Some(Challenge::Basic)), "{header}");
    }
}

#[tokio::test]
async fn a_cache_that_others_can_enter_is_not_used() {
    let home = tempfile::tempdir().unwrap();
    let cache = ArtifactCache::new(home.path().join("oci"));
    let digest = Sha256::of(b"component");
    cache.keep_component(digest, b"component".to_vec()).await.unwrap();
    assert_eq!(cache.component(digest, 100).await.unwrap().as_deref(), Some(&b"component"[..]));
    assert_eq!(cache.component(digest, 8).await.unwrap(), None);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = home.path().join("oci/components");
        std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(cache.component(digest, 100).await.unwrap(), None);
    }
}

#[tokio::test]
async fn credentials_are_not_sent_without_encryption_to_another_machine() {
    use super::{CredentialSources, PASSWORD_VARIABLE, REGISTRY_VARIABLE, USERNAME_VARIABLE};
    use hydra_base::ErrorKind;
    let get = |name: &str| {
        let values =
            [(REGISTRY_VARIABLE, "192.0.2.1:5000"), (USERNAME_VARIABLE, "a"), (PASSWORD_VARIABLE, "b")];
        values.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    };
    let access = Oci::new(CredentialSources::from_variables(get, None).unwrap()).with_plain_http(true);
    let reference: Reference = "192.0.2.1:5000/gate:1".parse().unwrap();
    assert_eq!(access.component(&reference, 1).await.unwrap_err().kind(), ErrorKind::PlainHttp);
}
