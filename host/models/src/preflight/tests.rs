//! Every kind of version that cannot be loaded, what a verdict costs, and servers in trouble.

mod cost;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::*;
use hydra_base::Sha256;
use hydra_base::names::ModelName;
use hydra_lightgbm::{ModelFormat, OutputKind};
use hydra_mlflow::entities::{NewModelVersion, Tags};
use hydra_mlflow::flavor::ColumnSpec;
use hydra_mlflow::memory::MemoryStore;
use hydra_mlflow::store::RegistryStore as _;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/models").join(name)
}

/// A registry in memory, the directories of its models, and a cache.
struct Place {
    home: tempfile::TempDir,
    backend: Backend,
    cache: ModelCache,
}

impl Place {
    async fn new() -> Self {
        let home = tempfile::tempdir().expect("a directory");
        let store = MemoryStore::new().expect("a store");
        store.create_registered_model(&name(), &Tags::new(), "").await.expect("a model");
        let cache = ModelCache::new(home.path().join("cache"), "store", 1 << 30);
        Self { home, backend: Backend::of(store), cache }
    }

    /// A copy of a fixture's model directory.
    fn copy(&self, case: &str) -> PathBuf {
        let copy = self.home.path().join(case);
        fs::create_dir_all(&copy).expect("a directory");
        for file in fs::read_dir(fixture(case)).expect("the fixture") {
            let file = file.expect("a file").path();
            fs::copy(&file, copy.join(file.file_name().expect("a name"))).expect("a copy");
        }
        copy
    }

    async fn register(&self, source: &str, sha256: Option<&str>) -> ModelVersion {
        let tags = sha256.map(|sha256| (SHA256_TAG.to_owned(), sha256.to_owned())).into_iter().collect();
        let new = NewModelVersion::new(name(), source).tags(tags);
        self.backend.registry.create_model_version(&new).await.expect("a version")
    }

    async fn open(&self, version: &ModelVersion) -> Opened {
        open(&self.backend, Some(&self.cache), version, Presence::Asked).await.expect("an answer")
    }

    async fn facts(&self, version: &ModelVersion) -> Facts {
        match self.open(version).await {
            Opened::Loadable(facts) => Facts::clone(&facts),
            Opened::Unloadable(error) => panic!("{error:?}"),
        }
    }

    async fn refusal(&self, version: &ModelVersion) -> Arc<Unsound> {
        match self.open(version).await {
            Opened::Unloadable(error) => error,
            Opened::Loadable(facts) => panic!("{facts:?}"),
        }
    }

    /// A version of this directory with the digest of its model file.
    async fn register_logged(&self, directory: &Path, file: &str) -> ModelVersion {
        let logged = digest_of(&directory.join(file)).to_string();
        self.register(&directory.display().to_string(), Some(&logged)).await
    }

    /// The error for a version of this directory without a digest.
    async fn refused(&self, directory: &Path) -> Arc<Unsound> {
        let version = self.register(&directory.display().to_string(), None).await;
        self.refusal(&version).await
    }
}

/// Writes a file anew. The clock of a file system may stand still for some milliseconds.
fn change(file: &Path, content: impl AsRef<[u8]>) {
    std::thread::sleep(std::time::Duration::from_millis(20));
    fs::write(file, content).expect("a change");
}

fn name() -> ModelName {
    ModelName::new("m").expect("a name")
}

fn digest_of(file: &Path) -> Sha256 {
    Sha256::of(&fs::read(file).expect("a file"))
}

#[tokio::test]
async fn a_sound_version_has_its_facts_with_and_without_a_tag() {
    let place = Place::new().await;
    let directory = place.copy("multi_str/skops");
    let (source, file) = (directory.display().to_string(), directory.join("model.skops"));
    let found = digest_of(&file);
    for tag in [None, Some(found.to_string())] {
        let version = place.register(&source, tag.as_deref()).await;
        let facts = place.facts(&version).await;
        assert_eq!(facts.flavor, "lightgbm");
        assert_eq!((facts.format, facts.output), (ModelFormat::Skops, OutputKind::Label));
        assert_eq!((facts.sha256, facts.size), (found, fs::metadata(&file).expect("a file").len()));
        assert_eq!((facts.objective.as_str(), facts.outputs), ("multiclass", facts.classes.len()));
        assert!(facts.classes.contains(&"bee".to_owned()) && facts.iterations > 0, "{facts:?}");
        assert_eq!(facts.features, ["f0", "f1", "f2", "f3", "f4"]);
        assert_eq!(facts.categories, Vec::<String>::new());
        let column = ColumnSpec { name: Some("f0".into()), kind: "double".into(), required: true };
        let inputs = facts.signature_inputs.clone().expect("a signature");
        assert_eq!((inputs.len(), &inputs[0]), (5, &column));
        // The second answer comes from the cache.
        assert_eq!(place.facts(&version).await, facts);
    }
    let version = place.register(&place.copy("binary_cat/booster").display().to_string(), None).await;
    let facts = place.facts(&version).await;
    assert_eq!((facts.format, facts.output), (ModelFormat::Text, OutputKind::Probability));
    assert_eq!(facts.categories, ["city", "tier"]);
    assert_eq!((facts.classes.len(), facts.signature_inputs), (0, None));
}

#[tokio::test]
async fn a_source_that_never_existed_is_not_loadable() {
    let place = Place::new().await;
    let nowhere = place.home.path().join("nowhere").display().to_string();
    let run = format!("runs:/{}/model", "0".repeat(32));
    for (source, kind) in [
        (nowhere.as_str(), ErrorKind::ArtifactNotFound),
        (run.as_str(), ErrorKind::NotFound),
        ("dbfs:/model", ErrorKind::UnsupportedScheme),
        ("mlflow-artifacts:/1/m", ErrorKind::UnsupportedScheme),
    ] {
        let version = place.register(source, None).await;
        assert_eq!(place.refusal(&version).await.error().kind(), kind, "{source}");
    }
}

#[tokio::test]
async fn files_that_are_gone_are_missed_also_after_they_were_opened() {
    let place = Place::new().await;
    for (case, gone, has_digest) in [
        ("binary_int/booster", "model.lgb", false),
        ("regression/booster", "MLmodel", false),
        ("binary_int/booster", "model.lgb", true),
        ("regression/booster", "MLmodel", true),
    ] {
        let directory = place.copy(case);
        let version = if has_digest {
            place.register_logged(&directory, "model.lgb").await
        } else {
            place.register(&directory.display().to_string(), None).await
        };
        let facts = place.facts(&version).await;
        fs::remove_file(directory.join(gone)).expect("removed");
        let unsound = place.refusal(&version).await;
        assert_eq!(unsound.error().kind(), ErrorKind::ArtifactNotFound);
        assert!(unsound.error().message().starts_with(&format!("there is no {gone} at ")), "{unsound}");
        assert!(unsound.error().hint().is_some_and(|hint| hint.contains("restore the files")), "{unsound:?}");
        fs::remove_dir_all(&directory).expect("removed");
        assert_eq!(place.refusal(&version).await.error().kind(), ErrorKind::ArtifactNotFound);
        // Restored files are found again.
        place.copy(case);
        assert_eq!(place.facts(&version).await, facts);
    }
}

#[tokio::test]
async fn a_model_of_another_flavor_is_not_loadable() {
    let place = Place::new().await;
    let directory = place.copy("binary_int/booster");
    let mlmodel =
        "flavors:\n  python_function:\n    loader_module: mlflow.xgboost\n  xgboost:\n    data: model.xgb\n";
    fs::write(directory.join("MLmodel"), mlmodel).expect("MLmodel");
    let unsound = place.refused(&directory).await;
    assert_eq!(unsound.error().kind(), ErrorKind::UnsupportedModel);
    assert_eq!(unsound.to_string(), "the model has no lightgbm flavor (flavors: python_function, xgboost)");
}

#[tokio::test]
async fn damaged_files_are_not_loadable() {
    let place = Place::new().await;
    for (case, file) in [
        ("binary_int/booster", "model.lgb"),
        ("binary_int/skops", "model.skops"),
        ("binary_int/pickle", "model.pkl"),
    ] {
        let directory = place.copy(case);
        let bytes = fs::read(directory.join(file)).expect("a model");
        for end in [0, bytes.len() / 2, bytes.len() - 200] {
            fs::write(directory.join(file), &bytes[..end]).expect("cut");
            let kind = place.refused(&directory).await.error().kind();
            assert!(matches!(kind, ErrorKind::InvalidModel | ErrorKind::UnsupportedModel), "{case} {kind}");
        }
    }
    let directory = place.copy("regression/booster");
    for mlmodel in ["flavors: [", "", "run_id: 1", "flavors:\n  lightgbm: {}\n"] {
        fs::write(directory.join("MLmodel"), mlmodel).expect("MLmodel");
        assert_eq!(place.refused(&directory).await.error().kind(), ErrorKind::InvalidModel, "{mlmodel}");
    }
}

#[tokio::test]
async fn bytes_that_were_not_logged_are_not_loadable_until_the_logged_ones_are_back() {
    let place = Place::new().await;
    let directory = place.copy("binary_int/booster");
    let (source, file) = (directory.display().to_string(), directory.join("model.lgb"));
    let logged = fs::read(&file).expect("a model");
    let version = place.register(&source, Some(&Sha256::of(&logged).to_string())).await;
    // A sound model of the same size, with another value in it.
    let text = String::from_utf8(logged.clone()).expect("text");
    change(&file, text.replace("label_index=0", "label_index=1"));
    assert_eq!(place.refusal(&version).await.error().kind(), ErrorKind::Integrity);
    fs::write(&file, &logged).expect("restored");
    assert_eq!(place.facts(&version).await.sha256, Sha256::of(&logged));
    // The file system shows changes that keep the size; the entry names the digest that was found.
    change(&file, text.replace("label_index=0", "label_index=2"));
    let unsound = place.refusal(&version).await;
    assert_eq!(unsound.error().kind(), ErrorKind::Integrity);
    assert_eq!(Opened::Unloadable(unsound).sha256(), Some(digest_of(&file)));
    fs::write(&file, &logged).expect("restored");
    assert_eq!(place.facts(&version).await.sha256, Sha256::of(&logged));
    let other = place.register(&source, Some("sha256:ABC")).await;
    assert_eq!(place.refusal(&other).await.error().kind(), ErrorKind::Integrity);
}

#[tokio::test]
async fn a_model_file_outside_of_its_directory_is_not_loadable() {
    let place = Place::new().await;
    let secret = place.home.path().join("secret.lgb");
    fs::copy(fixture("binary_int/booster/model.lgb"), &secret).expect("a model");
    let directory = place.copy("binary_int/booster");
    for outside in ["../secret.lgb", "/etc/passwd", "a/../../secret.lgb", "s3://bucket/model.lgb"] {
        let mlmodel = format!("flavors:\n  lightgbm:\n    data: {outside:?}\n");
        fs::write(directory.join("MLmodel"), mlmodel).expect("MLmodel");
        assert_eq!(place.refused(&directory).await.error().kind(), ErrorKind::Untrusted, "{outside}");
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&secret, directory.join("link.lgb")).expect("a link");
        fs::write(directory.join("MLmodel"), "flavors:\n  lightgbm:\n    data: link.lgb\n").expect("MLmodel");
        assert_eq!(place.refused(&directory).await.error().kind(), ErrorKind::Untrusted);
    }
}

/// The files are sparse: reading them would take minutes.
#[tokio::test]
async fn a_file_that_is_too_large_is_refused_by_its_size() {
    let place = Place::new().await;
    for (file, size) in
        [("model.lgb", ModelLimits::default().file_bytes("model.lgb") + 1), ("MLmodel", 1 << 40)]
    {
        let directory = place.copy("regression/booster");
        let grown = File::options().write(true).open(directory.join(file)).expect("a file");
        grown.set_len(size).expect("a sparse file");
        let unsound = place.refused(&directory).await;
        assert_eq!(unsound.error().kind(), ErrorKind::InvalidModel);
        let context = format!("(path: {file}, bytes: {size})");
        assert!(unsound.to_string().ends_with(&context), "{unsound}");
    }
}

#[tokio::test]
async fn a_model_in_a_directory_below_is_found() {
    let place = Place::new().await;
    let directory = place.copy("binary_int/booster");
    fs::create_dir(directory.join("data")).expect("a directory");
    fs::rename(directory.join("model.lgb"), directory.join("data/model.lgb")).expect("moved");
    fs::write(directory.join("MLmodel"), "flavors:\n  lightgbm:\n    data: data/model.lgb\n")
        .expect("MLmodel");
    let version = place.register(&directory.display().to_string(), None).await;
    let facts = place.facts(&version).await;
    assert_eq!(place.facts(&version).await, facts);
    fs::remove_dir_all(directory.join("data")).expect("removed");
    assert_eq!(place.refusal(&version).await.error().kind(), ErrorKind::ArtifactNotFound);
}

/// Bytes that are the logged ones stay what they are; others may be mended.
#[tokio::test]
async fn a_verdict_against_a_version_is_kept_only_for_the_logged_bytes() {
    let place = Place::new().await;
    let directory = place.copy("binary_int/booster");
    let (source, file) = (directory.display().to_string(), directory.join("model.lgb"));
    let logged = fs::read_to_string(&file).expect("a model");
    let cut = logged.replace("end of trees", "End of trees");
    fs::write(&file, &cut).expect("a damaged model");
    let promised = place.register_logged(&directory, "model.lgb").await;
    let untagged = place.register(&source, None).await;
    let first = place.refusal(&promised).await;
    assert_eq!(first.error().kind(), ErrorKind::InvalidModel);
    assert_eq!(place.refusal(&untagged).await.error().kind(), ErrorKind::InvalidModel);
    let again = place.refusal(&promised).await;
    assert_eq!(
        (again.error().kind(), again.error().message()),
        (ErrorKind::InvalidModel, first.to_string().as_str())
    );
    assert_eq!(Opened::Unloadable(again).sha256(), Some(Sha256::of(cut.as_bytes())));
    change(&file, &logged);
    assert_eq!(place.refusal(&promised).await.error().kind(), ErrorKind::Integrity, "not the logged bytes");
    place.facts(&untagged).await;
}

/// Without a digest, a version is what its files are now, and so are its approvals and what the ledger records of it.
#[tokio::test]
async fn a_version_without_a_digest_is_read_each_time() {
    let place = Place::new().await;
    let directory = place.copy("binary_int/booster");
    let file = directory.join("model.lgb");
    let version = place.register(&directory.display().to_string(), None).await;
    let logged = fs::read_to_string(&file).expect("a model");
    for (index, presence) in ["1", "2"].into_iter().zip([Presence::Asked, Presence::Assumed]) {
        place.facts(&version).await;
        fs::write(&file, logged.replace("label_index=0", &format!("label_index={index}"))).expect("a change");
        let opened = open(&place.backend, Some(&place.cache), &version, presence).await.expect("an answer");
        assert_eq!(opened.sha256(), Some(digest_of(&file)));
    }
    assert_eq!(place.cache.record(&version), None);
}

/// `MLmodel` has no digest, and neither has the place that a link leads to.
#[cfg(unix)]
#[tokio::test]
async fn changes_beside_the_digest_are_noticed() {
    let place = Place::new().await;
    let directory = place.copy("binary_int/booster");
    let (mlmodel, model) = (directory.join("MLmodel"), directory.join("model.lgb"));
    let version = place.register_logged(&directory, "model.lgb").await;
    let logged = fs::read_to_string(&mlmodel).expect("MLmodel");
    for (changed, kind) in [
        (logged.replace("lightgbm:", "lightgbn:"), ErrorKind::UnsupportedModel),
        (logged.replace("data: model.lgb", "data: other.lgb"), ErrorKind::ArtifactNotFound),
    ] {
        place.facts(&version).await;
        assert_eq!((changed.len(), changed == logged), (logged.len(), false));
        change(&mlmodel, changed);
        for _ in 0..2 {
            assert_eq!(place.refusal(&version).await.error().kind(), kind);
        }
        change(&mlmodel, &logged);
    }
    place.facts(&version).await;
    let outside = place.home.path().join("outside.lgb");
    fs::rename(&model, &outside).expect("moved");
    std::os::unix::fs::symlink(&outside, &model).expect("a link");
    assert_eq!(place.refusal(&version).await.error().kind(), ErrorKind::Untrusted);
}

#[cfg(unix)]
#[tokio::test]
async fn a_cache_that_others_can_change_decides_nothing() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new().await;
    let directory = place.copy("binary_int/booster");
    let version = place.register_logged(&directory, "model.lgb").await;
    place.facts(&version).await;
    let verdicts = place.home.path().join("cache/verdicts");
    assert_eq!(fs::metadata(&verdicts).expect("verdicts").permissions().mode() & 0o777, 0o700);
    assert!(place.cache.record(&version).is_some());
    fs::set_permissions(&verdicts, fs::Permissions::from_mode(0o770)).expect("permissions");
    assert_eq!(place.cache.record(&version), None);
    place.facts(&version).await;
}

#[tokio::test]
async fn a_verdict_of_another_release_and_a_damaged_one_do_not_count() {
    let place = Place::new().await;
    let directory = place.copy("binary_int/booster");
    let version = place.register_logged(&directory, "model.lgb").await;
    place.facts(&version).await;
    let verdicts = place.home.path().join("cache/verdicts");
    let file = fs::read_dir(verdicts).expect("verdicts").next().expect("one").expect("a file").path();
    let written = fs::read_to_string(&file).expect("JSON");
    let reader = format!("\"reader\":\"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(written.contains(&reader), "{written}");
    for other in [written.replace(&reader, "\"reader\":\"0.0.0\""), written[..written.len() / 2].to_owned()] {
        fs::write(&file, other).expect("written");
        assert_eq!(place.cache.record(&version), None);
    }
    place.facts(&version).await;
    assert!(place.cache.record(&version).is_some());
}
