//! What the cache keeps, drops and refuses.

use super::*;
use hydra_base::names::{ModelName, Version};

fn version(number: u64) -> ModelVersion {
    let number = Version::new(number).expect("a positive number");
    ModelVersion::new(ModelName::new("m").expect("a name"), number, 1, "models:/m-1")
}

fn model(bytes: &[u8]) -> CachedModel {
    CachedModel::new("model.lgb".into(), "c".into(), bytes.to_vec())
}

#[test]
fn what_was_put_is_got_and_only_for_that_version_and_store() {
    let home = tempfile::tempdir().expect("a directory");
    let cache = ModelCache::new(home.path().join("c"), "s", 100);
    assert_eq!(cache.get(&version(1)), None);
    cache.put(&version(1), &model(b"abc")).expect("put");
    assert_eq!(cache.get(&version(1)), Some(model(b"abc")));
    assert_eq!(cache.get(&version(2)), None);
    let other = ModelCache::new(home.path().join("c"), "t", 100);
    assert_eq!(other.get(&version(1)), None);
}

#[cfg(unix)]
#[test]
fn the_directory_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = tempfile::tempdir().expect("a directory");
    let cache = ModelCache::new(home.path().join("c"), "s", 100);
    cache.put(&version(1), &model(b"abc")).expect("put");
    for path in ["c", "c/blobs", "c/index"] {
        let mode = fs::metadata(home.path().join(path)).expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{path}");
    }
}

/// A user who can write to the index could make it name a blob of their choice.
#[cfg(unix)]
#[test]
fn a_cache_that_others_can_change_is_not_used() {
    use std::os::unix::fs::PermissionsExt as _;
    for name in ["blobs", "index"] {
        let home = tempfile::tempdir().expect("a directory");
        let cache = ModelCache::new(home.path().to_path_buf(), "s", 100);
        cache.put(&version(1), &model(b"abc")).expect("put");
        let open = fs::Permissions::from_mode(0o770);
        fs::set_permissions(home.path().join(name), open).expect("permissions");
        assert_eq!(cache.get(&version(1)), None, "{name}");
        let error = cache.put(&version(1), &model(b"abc")).expect_err("not private");
        assert_eq!(error.kind(), ErrorKind::Untrusted, "{name}");
    }
}

#[test]
fn a_damaged_blob_is_not_served() {
    let home = tempfile::tempdir().expect("a directory");
    let cache = ModelCache::new(home.path().to_path_buf(), "s", 100);
    cache.put(&version(1), &model(b"abc")).expect("put");
    fs::write(cache.blob_path(Sha256::of(b"abc")), b"abd").expect("damage");
    assert_eq!(cache.get(&version(1)), None);
}

#[test]
fn the_oldest_models_go_when_the_cache_is_full() {
    let home = tempfile::tempdir().expect("a directory");
    let cache = ModelCache::new(home.path().to_path_buf(), "s", 10);
    cache.put(&version(1), &model(b"11111")).expect("put");
    let old = fs::File::open(cache.blob_path(Sha256::of(b"11111"))).expect("the blob");
    old.set_modified(SystemTime::UNIX_EPOCH).expect("an old time");
    cache.put(&version(2), &model(b"22222")).expect("put");
    cache.put(&version(3), &model(b"33333")).expect("put");
    assert_eq!(cache.get(&version(1)), None);
    assert_eq!(cache.get(&version(2)), Some(model(b"22222")));
    assert_eq!(cache.get(&version(3)), Some(model(b"33333")));
    let indexed = fs::read_dir(home.path().join("index")).expect("the index").count();
    assert_eq!(indexed, 2, "what the index said about the evicted model is gone");
    cache.put(&version(4), &model(b"larger than it all")).expect("put succeeds");
    assert_eq!(cache.get(&version(4)), None);
}

/// The file is sparse: reading it would take minutes.
#[test]
fn a_blob_that_is_too_large_is_not_read() {
    let home = tempfile::tempdir().expect("a directory");
    let cache = ModelCache::new(home.path().to_path_buf(), "s", 100);
    cache.put(&version(1), &model(b"abc")).expect("put");
    let blob = cache.blob_path(Sha256::of(b"abc"));
    fs::File::options().write(true).open(&blob).expect("the blob").set_len(1 << 40).expect("a sparse file");
    assert_eq!(cache.get(&version(1)), None);
}
