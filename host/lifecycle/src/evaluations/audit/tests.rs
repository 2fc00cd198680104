use std::sync::Arc;

use serde_json::json;

use super::*;
use hydra_base::Sha256;
use hydra_base::names::{ExperimentId, ModelName};
use hydra_base::testing::{key, model_name, version};
use hydra_evaluation::Evaluation as Document;
use hydra_mlflow::artifacts::ArtifactStore;
use hydra_mlflow::entities::{DatasetInput, NewModelVersion, Run, Tags};
use hydra_mlflow::memory::MemoryStore;
use hydra_mlflow::store::{RegistryStore as _, TrackingStore as _};

use crate::evaluations::Recording;

/// A store with a model of two versions whose evaluation on `may` is recorded.
struct Scene {
    backend: Backend,
    model: ModelName,
    run: Run,
}

impl Scene {
    async fn new() -> Self {
        let store = Arc::new(MemoryStore::new().expect("a store"));
        let model = model_name("churn");
        store.create_registered_model(&model, &Tags::new(), "").await.expect("a model");
        let sha256 = Sha256::of(b"model");
        let tags = Tags::from([(SHA256_TAG.to_owned(), sha256.to_string())]);
        for _ in 0..2 {
            let new = NewModelVersion::new(model.clone(), "s3://bucket/model").tags(tags.clone());
            store.create_model_version(&new).await.expect("a version");
        }
        let subject =
            |id: &str| json!({"version": id, "model_sha256": sha256, "scores": [], "calibration": []});
        let document = json!({
            "schema": 1,
            "kind": "holdout",
            "dataset": {"name": "may", "digest": sha256, "rows": 3, "segments": []},
            "began_at": "1000",
            "measured_at": "2000",
            "host": "hydra-registry/0.1.0",
            "task": "binary",
            "classes": ["0", "1"],
            "settings": {"threshold": 0.5, "resamples": 10, "confidence": 0.95},
            "baseline": "1",
            "versions": [subject("1"), subject("2")],
            "segments": [],
            "measurements": [],
            "comparisons": [],
            "agreements": [],
        });
        let evaluation: Document = serde_json::from_value(document).expect("a document");
        let backend = Backend::new(store.clone(), store.clone());
        let input = DatasetInput::new("may", evaluation.dataset.short_digest(), "code", "{}");
        let recording = Recording::prepare(&backend, &model, &evaluation, &input).await.expect("sound");
        let experiment = ExperimentId::new("0").expect("an id");
        let recorded = recording.record(&experiment, "ann", std::future::pending()).await.expect("a record");
        let run = store.run(&recorded.run_id).await.expect("the run");
        Self { backend, model, run }
    }

    async fn artifacts(&self) -> Box<dyn ArtifactStore> {
        let root = self.run.artifact_uri.parse().expect("a URI");
        self.backend.artifact_store(&root).await.expect("artifacts")
    }

    async fn set_tag(&self, number: u64, name: &str, value: &str) {
        let registry = &self.backend.registry;
        registry.set_version_tag(&self.model, version(number), &key(name), value).await.expect("a tag");
    }

    /// What is wrong, as `version dataset: why`.
    async fn unusable(&self) -> Vec<String> {
        let mut versions = Vec::new();
        for number in [1, 2] {
            let found = self.backend.registry.model_version(&self.model, version(number)).await;
            versions.push(found.expect("a version"));
        }
        let found = unusable(&self.backend, &versions).await;
        found.iter().map(|one| format!("{} {}: {}", one.version, one.dataset, one.why)).collect()
    }
}

#[tokio::test]
async fn sound_evaluations_are_not_named() {
    assert_eq!(Scene::new().await.unusable().await, Vec::<String>::new());
}

#[tokio::test]
async fn an_altered_document_is_named_for_each_version() {
    let scene = Scene::new().await;
    scene.artifacts().await.put_bytes("evaluation.json", b"{}".to_vec()).await.expect("another document");
    let found = scene.unusable().await;
    assert_eq!(found.len(), 2, "{found:?}");
    for (found, version) in found.iter().zip(["1", "2"]) {
        assert!(
            found.starts_with(&format!("{version} may: its document does not have the digest")),
            "{found}"
        );
    }
}

#[tokio::test]
async fn a_missing_document_is_named() {
    let scene = Scene::new().await;
    let path = std::path::Path::new(&scene.run.artifact_uri).join("evaluation.json");
    std::fs::remove_file(path).expect("the document was there");
    let found = scene.unusable().await;
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("1 may: "), "{found:?}");
}

#[tokio::test]
async fn malformed_tags_and_other_models_are_named() {
    let scene = Scene::new().await;
    scene.set_tag(1, "hydra.evaluation.june", "yes").await;
    scene.set_tag(2, SHA256_TAG, &Sha256::of(b"other").to_string()).await;
    let found = scene.unusable().await;
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("1 june: the tag is malformed"), "{found:?}");
    assert_eq!(found[1], "2 may: its document measures another model file");
    // A tag that was copied to another dataset.
    let tags = scene.backend.registry.model_version(&scene.model, version(2)).await.expect("a version").tags;
    scene.set_tag(1, "hydra.evaluation.june", &tags["hydra.evaluation.may"]).await;
    assert!(scene.unusable().await[0].starts_with("1 june: its document is about another dataset"));
}
