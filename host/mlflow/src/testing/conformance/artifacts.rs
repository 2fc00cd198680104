//! The documented behavior of `ArtifactStore`, on the artifact root of a run.

#![expect(missing_docs, reason = "the name of a case is the sentence that it tests")]

use std::sync::atomic::{AtomicU64, Ordering};

use crate::artifacts::{ArtifactStore, verify_sizes};
use crate::entities::ArtifactInfo;
use hydra_base::ErrorKind;
use hydra_base::testing::kind;
use tokio::io::AsyncReadExt;

use super::Stores;

pub async fn an_artifact_is_written_listed_and_read(stores: &Stores) {
    let root = root(stores).await;
    for path in ["MLmodel", "model/data.txt", "model/ä ö/with space.txt", "model/empty"] {
        let content = if path.ends_with("empty") { String::new() } else { format!("content of {path}") };
        root.put_bytes(path, content.clone().into_bytes()).await.expect(path);
        assert_eq!(read(&*root, path).await, content.as_bytes(), "{path}");
    }
    assert_eq!(
        listed(&*root, "").await,
        [ArtifactInfo::file("MLmodel", 18), ArtifactInfo::directory("model")]
    );
    let model = [
        ArtifactInfo::file("model/data.txt", 25),
        ArtifactInfo::file("model/empty", 0),
        ArtifactInfo::directory("model/ä ö"),
    ];
    assert_eq!(listed(&*root, "model").await, model);
    let deepest = listed(&*root, "model/ä ö").await;
    assert_eq!(
        deepest,
        [ArtifactInfo::file("model/ä ö/with space.txt", "content of model/ä ö/with space.txt".len() as u64)]
    );
}

pub async fn an_artifact_is_replaced(stores: &Stores) {
    let root = root(stores).await;
    let mut stamps = Vec::new();
    for content in ["the first, longer", "second", "third!"] {
        root.put_bytes("notes.txt", content.into()).await.expect("a small file");
        assert_eq!(read(&*root, "notes.txt").await, content.as_bytes());
        stamps.extend(root.list("").await.expect("a listing").remove(0).stamp);
    }
    assert_eq!(listed(&*root, "").await, [ArtifactInfo::file("notes.txt", 6)]);
    // Where files have stamps, a change shows, also one that keeps the size.
    assert!(stamps.is_empty() || stamps.len() == 3, "{stamps:?}");
    stamps.dedup();
    assert!(stamps.is_empty() || stamps.len() == 3, "{stamps:?}");
}

pub async fn a_large_artifact_is_streamed_whole(stores: &Stores) {
    let root = root(stores).await;
    let content: Vec<u8> = (0..9_000_001u32).flat_map(|n| [n as u8, (n >> 8) as u8]).collect();
    let source = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(source.path(), &content).expect("a file");
    let moved = AtomicU64::new(0);
    let progress = |bytes| {
        moved.fetch_add(bytes, Ordering::Relaxed);
    };
    root.put_file("model/model.lgb", source.path(), &progress).await.expect("an upload");
    assert_eq!(moved.into_inner(), content.len() as u64);
    assert!(read(&*root, "model/model.lgb").await == content);
    let uploaded = |size| [("model/model.lgb".to_owned(), size)];
    verify_sizes(&*root, &uploaded(content.len() as u64)).await.expect("all there");
    assert_eq!(kind(verify_sizes(&*root, &uploaded(1)).await), ErrorKind::Integrity);
}

pub async fn what_is_missing_is_not_found_or_empty(stores: &Stores) {
    let root = root(stores).await;
    assert!(root.list("").await.expect("an unused root is empty").is_empty());
    root.put_bytes("model/MLmodel", "x".into()).await.expect("a small file");
    for missing in ["nothing", "model/nothing", "nothing/deeper", "model"] {
        let error = root.open(missing).await.expect_err(missing);
        assert_eq!(error.kind(), ErrorKind::ArtifactNotFound, "{missing}: {error}");
    }
    for empty in ["nothing", "nothing/deeper", "model/MLmodel"] {
        assert!(root.list(empty).await.expect(empty).is_empty(), "{empty}");
    }
}

pub async fn artifact_paths_never_leave_their_root(stores: &Stores) {
    let root = root(stores).await;
    for bad in ["../x", "a/../../x", "/etc/passwd", "a//b", ".", "a\\b", "a\nb"] {
        assert_eq!(kind(root.list(bad).await), ErrorKind::Untrusted, "{bad:?}");
        assert_eq!(root.open(bad).await.expect_err(bad).kind(), ErrorKind::Untrusted, "{bad:?}");
        assert_eq!(kind(root.put_bytes(bad, Vec::new()).await), ErrorKind::Untrusted, "{bad:?}");
    }
}

/// A listing without stamps.
async fn listed(root: &dyn ArtifactStore, path: &str) -> Vec<ArtifactInfo> {
    let mut found = root.list(path).await.expect("a listing");
    for info in &mut found {
        info.stamp = None;
    }
    found
}

async fn root(stores: &Stores) -> Box<dyn ArtifactStore> {
    let run = stores.backend.tracking.run(&stores.run().await).await.expect("it exists");
    let uri = run.artifact_uri.parse().expect("a URI");
    stores.backend.artifact_store(&uri).await.expect("an artifact root")
}

async fn read(root: &dyn ArtifactStore, path: &str) -> Vec<u8> {
    let mut content = Vec::new();
    root.open(path).await.expect(path).read_to_end(&mut content).await.expect("the whole file");
    content
}
