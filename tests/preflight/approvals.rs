//! An approval is of bytes, also where a listing does not show that they have changed.

use hydra_base::Sha256;
use hydra_models::candidate::SHA256_TAG;
use hydra_policy::{Input, OverrideKind};
use hydra_registry::{ErrorKind, ModelRegistry};

use super::{cause, open, other_model, refused, register, register_sound, state};
use crate::support::backends::{Backend, fresh_name, sound_files};
use crate::support::binary::Project;
use crate::support::proxy::Proxy;
use crate::support::server::{NEWEST, Server};
use crate::support::version;

/// Who has approved the target, as the policy is told.
fn approvers(input: &Input) -> Vec<String> {
    input.target().expect("a target").approvals.iter().map(|approval| approval.actor.clone()).collect()
}

/// The input of the newest decision.
async fn newest_input(registry: &ModelRegistry) -> Input {
    let ledger = registry.existing_ledger().await.expect("an answer").expect("a ledger");
    let newest = ledger.history(Some(1), None).await.expect("a history").remove(0).0;
    Input::from_json(&ledger.input(&newest).await.expect("an input")).expect("an input")
}

/// The version was opened before, says which digest it has, and its file keeps its size.
async fn an_approval_ends_with_a_change_that_keeps_the_size(backend: &Backend) {
    let registry = open(backend).await;
    let first = register_sound(backend, &registry, None).await;
    registry.promote(first).await.expect("a promotion");
    let (_, model) = &sound_files()[0];
    let uploaded = backend.upload(registry.backend(), &sound_files()).await;
    let logged = (SHA256_TAG.to_owned(), Sha256::of(model).to_string());
    let new = uploaded.version_of(registry.model()).tags([logged].into());
    let approved = register(&registry, &new).await;
    registry.promote(approved).dry_run().await.expect("a decision, after which the cache is warm");
    registry.approve(approved).await.expect("an approval");
    let question = registry.promote(approved).question().await.expect("a question");
    assert_eq!(approvers(&question), ["tester"]);

    let file = uploaded.disk.join("model.lgb");
    std::fs::write(&file, other_model()).expect("a change");
    let question = registry.promote(approved).question().await.expect("a question");
    assert_eq!(approvers(&question), [] as [&str; 0]);
    for request in [registry.promote(approved), registry.promote(approved).dry_run()] {
        let error = refused(&registry, request).await;
        assert!(cause(&error).contains("is not the logged one"), "{error:?}");
    }
    // Bytes that are not those of the version cannot be approved.
    let again = registry.approve(approved).await.expect_err("other bytes");
    assert_eq!(again.kind(), ErrorKind::Unloadable, "{again:?}");

    // The approved bytes are back: an approval ends with the change, not with the repair.
    std::fs::write(&file, model).expect("restored");
    let question = registry.promote(approved).question().await.expect("a question");
    assert_eq!(approvers(&question), ["tester"]);
    std::fs::write(&file, other_model()).expect("a change");
    let forced = registry.promote(approved).allow_unloadable().await.expect("a promotion");
    assert_eq!(forced.overrides, [OverrideKind::UnloadableModel].into());
    assert_eq!(forced.model_sha256, Some(Sha256::of(&other_model()).to_string()));
    assert_eq!(approvers(&newest_input(&registry).await), [] as [&str; 0]);
    assert_eq!(state(&registry).await.0, Some(approved.get()));
}

/// Reading the bytes again is the price of an approval, and only of an approval.
#[test]
fn approved_bytes_are_read_again_from_a_server() {
    let proxy = Proxy::start(&Server::shared(NEWEST).url);
    let project = Project::new(Some(&proxy.url), &fresh_name("approved"));
    let model = crate::support::backends::sound_model().join("model.lgb").display().to_string();
    for _ in 0..2 {
        project.json(["log-candidate", &model, "--metric", "auc=1"]);
    }
    project.json(["promote", "1"]);
    let files = |command: &[&str]| {
        proxy.take();
        project.json(command.iter().copied());
        let sent = proxy.take();
        let of_model = sent.iter().filter(|line| line.starts_with("GET ") && line.ends_with("model.lgb"));
        of_model.count()
    };
    let promote = ["promote", "2", "--dry-run"];
    files(&promote);
    assert_eq!(files(&promote), 0, "it was opened before, and has no approval");
    assert_eq!(files(&["approve", "2"]), 1, "an approval is of the bytes that are there");
    assert_eq!(files(&promote), 1);
    assert_eq!(files(&["promote", "2"]), 1);
    project.json(["rollback"]);
    assert_eq!(files(&promote), 0, "the promotion used the approval up");
    assert_eq!(project.json(["champion"])["version"], version(1).get());
}

on_every_backend! {
    an_approval_ends_with_a_change_that_keeps_the_size
}
