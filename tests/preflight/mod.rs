//! No version becomes champion whose model cannot be loaded, on any backend.

mod commands;
mod cost;

use std::error::Error as _;

use hydra_base::Sha256;
use hydra_base::error::Error;
use hydra_base::names::Version;
use hydra_mlflow::entities::{NewModelVersion, Tags};
use hydra_models::candidate::SHA256_TAG;
use hydra_policy::{Change, Input, OverrideKind};
use hydra_registry::{Alias, DecisionRequest, ErrorKind, ModelRegistry, Outcome, Target};

use crate::support::backends::{Backend, Uploaded, fresh_name, sound_files};
use crate::support::{root, version};

const ELSEWHERE: &str = "flavors:\n  lightgbm:\n    data: ../../secret.lgb\n";
const XGBOOST: &str = "flavors:\n  xgboost:\n    data: model.xgb\n";

async fn open(backend: &Backend) -> ModelRegistry {
    let options = backend.options(&fresh_name("preflight"));
    ModelRegistry::connect_or_create(options).await.expect("an open registry")
}

async fn register(registry: &ModelRegistry, new: &NewModelVersion) -> Version {
    registry.backend().registry.create_model_version(new).await.expect("a version").version
}

/// A version with a sound model, with that tag for its digest.
async fn register_sound(backend: &Backend, registry: &ModelRegistry, sha256: Option<&str>) -> Version {
    let tags: Tags = sha256.map(|sha256| (SHA256_TAG.to_owned(), sha256.to_owned())).into_iter().collect();
    let sound = backend.sound_version(registry.backend(), registry.model()).await;
    register(registry, &sound.tags(tags)).await
}

/// A version on a file system that this program does not know.
async fn register_unknown(registry: &ModelRegistry) -> Version {
    register(registry, &NewModelVersion::new(registry.model().clone(), "dbfs:/model")).await
}

/// A version of these files.
async fn upload(
    backend: &Backend,
    registry: &ModelRegistry,
    files: &[(&str, Vec<u8>)],
) -> (Version, Uploaded) {
    let uploaded = backend.upload(registry.backend(), files).await;
    (register(registry, &uploaded.version_of(registry.model())).await, uploaded)
}

/// The versions behind `champion` and `archived`, and the number of entries in the ledger.
async fn state(registry: &ModelRegistry) -> (Option<u64>, Option<u64>, usize) {
    let stores = registry.backend();
    let aliases = stores.registry.registered_model(registry.model()).await.expect("the model").aliases;
    let on = |alias: Alias| aliases.get(&alias).map(|version| version.get());
    let ledger = registry.existing_ledger().await.expect("an answer");
    let entries = match ledger {
        Some(ledger) => ledger.history(None, None).await.expect("a history").len(),
        None => 0,
    };
    (on(Alias::CHAMPION), on(Alias::ARCHIVED), entries)
}

/// The refusal of a request that changes nothing.
async fn refused(registry: &ModelRegistry, request: DecisionRequest) -> Error {
    let before = state(registry).await;
    let error = request.await.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Unloadable, "{error:?}");
    assert_eq!(state(registry).await, before, "nothing moved, and nothing was recorded");
    error
}

fn cause(error: &Error) -> String {
    error.source().expect("a cause").to_string()
}

fn changed(mut files: Vec<(&'static str, Vec<u8>)>, name: &str, change: impl Fn(&mut Vec<u8>)) -> Files {
    files.iter_mut().filter(|(file, _)| *file == name).for_each(|(_, bytes)| change(bytes));
    files
}

type Files = Vec<(&'static str, Vec<u8>)>;

/// Every kind of version that cannot be loaded, with a part of the reason.
async fn unsound_versions(backend: &Backend, registry: &ModelRegistry) -> Vec<(Version, &'static str)> {
    let sound = sound_files();
    let without = |name: &str| -> Files { sound.iter().filter(|(file, _)| *file != name).cloned().collect() };
    let mut versions = Vec::new();
    for (files, why) in [
        (without("MLmodel"), "there is no MLmodel at"),
        (without("model.lgb"), "there is no model.lgb at"),
        (changed(sound.clone(), "MLmodel", |bytes| *bytes = XGBOOST.into()), "no lightgbm flavor"),
        (changed(sound.clone(), "MLmodel", |bytes| *bytes = ELSEWHERE.into()), "the data path of `MLmodel`"),
        (changed(sound.clone(), "MLmodel", |bytes| bytes.truncate(20)), "no lightgbm flavor"),
        (changed(sound.clone(), "MLmodel", |bytes| *bytes = b"flavors: [".to_vec()), "damaged YAML"),
        (changed(sound.clone(), "model.lgb", |bytes| bytes.truncate(bytes.len() / 2)), "kind: InvalidModel"),
        (changed(sound.clone(), "model.lgb", Vec::clear), "kind: InvalidModel"),
        (changed(sound.clone(), "MLmodel", |bytes| bytes.resize(2 << 20, b' ')), "larger than 1048576 bytes"),
    ] {
        versions.push((upload(backend, registry, &files).await.0, why));
    }
    for tag in [Sha256::of(b"another model").to_string().as_str(), "?"] {
        versions.push((register_sound(backend, registry, Some(tag)).await, "is not the logged one"));
    }
    // Sources that never existed.
    versions.push((register_unknown(registry).await, "scheme is not supported"));
    let mut uploaded = backend.upload(registry.backend(), &[]).await;
    uploaded.source.push_str("/nowhere");
    let nowhere = uploaded.version_of(registry.model());
    versions.push((register(registry, &nowhere).await, "there is no MLmodel at"));
    versions
}

async fn unsound_versions_are_not_promoted(backend: &Backend) {
    let registry = open(backend).await;
    let unsound = unsound_versions(backend, &registry).await;
    let sound = register_sound(backend, &registry, None).await;
    registry.promote(sound).await.expect("a promotion");
    for (version, why) in unsound {
        for request in [registry.promote(version), registry.promote(version).dry_run()] {
            let error = refused(&registry, request).await;
            assert!(
                error.message().starts_with(&format!("version {version} cannot become champion")),
                "{error}"
            );
            let chain = format!("{:?}", error.source());
            assert!(chain.contains(why), "version {version}, {why}: {chain}");
            let hint = error.hint().expect("a hint");
            assert!(
                hint.contains(&format!("`hydra-registry promote {version} --allow-unloadable`")),
                "{hint}"
            );
        }
        registry
            .backend()
            .registry
            .set_alias(registry.model(), &Alias::CANDIDATE, version)
            .await
            .expect("set");
        refused(&registry, registry.promote(Target::Candidate)).await;
        // `doctor` finds it beforehand.
        let findings = registry.diagnose().await.expect("a diagnosis");
        let found = findings.iter().find(|finding| finding.code() == "unreadable-model").expect("found");
        assert!(found.to_string().contains("`candidate`"), "{found}");
    }
    // What has no digest is read, and the entry says which digest was found.
    let history = registry.ledger().await.expect("a ledger").ledger().history(Some(1), None).await;
    let decided = history.expect("a history").remove(0).0.entry.decided.expect("a decision");
    let (_, model) = &sound_files()[0];
    assert_eq!(decided.model_sha256, Some(Sha256::of(model).to_string()));
}

async fn a_rollback_goes_to_no_unsound_version(backend: &Backend) {
    let registry = open(backend).await;
    let mut disks = Vec::new();
    for number in 1..=4 {
        let (found, uploaded) = upload(backend, &registry, &sound_files()).await;
        assert_eq!(found, version(number));
        registry.promote(found).await.expect("a promotion");
        disks.push(uploaded.disk);
    }
    // Champion 4, archived 3. The files of 3 and 2 are lost after they were opened.
    let lost = |number: usize| std::fs::remove_file(disks[number - 1].join("model.lgb")).expect("removed");
    lost(3);
    lost(2);
    for request in [
        registry.rollback(Target::PolicyChoice),
        registry.rollback(version(3)),
        registry.rollback(version(3)).dry_run(),
    ] {
        let error = refused(&registry, request).await;
        assert!(cause(&error).starts_with("there is no model.lgb at"), "{error:?}");
        let hint = error.hint().expect("a hint");
        assert!(hint.starts_with("`hydra-registry rollback --to 1` returns to the nearest former"), "{hint}");
        assert!(hint.contains("`hydra-registry rollback --to 3 --allow-unloadable`"), "{hint}");
    }
    // The emergency.
    let forced = registry.rollback(version(3)).allow_unloadable().await.expect("a rollback");
    assert_eq!((forced.outcome, state(&registry).await.0), (Outcome::Done, Some(3)));
    assert_eq!(forced.overrides.into_iter().collect::<Vec<_>>(), [OverrideKind::UnloadableModel]);
    for _ in 0..2 {
        let findings = registry.diagnose().await.expect("a diagnosis");
        let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(findings.iter().any(|found| found.contains("version 3 (`champion`)")), "{findings:?}");
    }
    // The way on that the hint names. Leaving a version that cannot be loaded needs no override.
    let back = registry.rollback(version(1)).await.expect("a rollback");
    assert!(back.overrides.is_empty() && back.model_changes.is_empty(), "{back:?}");
    assert_eq!(state(&registry).await.0, Some(1));
    // Where every former champion is broken, that is said.
    lost(4);
    let error = refused(&registry, registry.rollback(version(4))).await;
    assert!(
        error.hint().is_some_and(|hint| hint.contains("no other former champion was found")),
        "{error:?}"
    );
    // Restored files count at once.
    let (_, model) = &sound_files()[0];
    std::fs::write(disks[3].join("model.lgb"), model).expect("restored");
    registry.rollback(version(4)).await.expect("a rollback");
}

/// An override that nothing needs is not on record.
async fn an_override_is_recorded_only_if_it_was_needed(backend: &Backend) {
    let registry = open(backend).await;
    let sound = register_sound(backend, &registry, None).await;
    let done = registry.promote(sound).allow_unloadable().await.expect("a promotion");
    assert!(done.outcome == Outcome::Done && done.overrides.is_empty(), "{done:?}");
    let unsound = register_unknown(&registry).await;
    let tried = registry.promote(unsound).allow_unloadable().dry_run().await.expect("a decision");
    assert_eq!(tried.overrides.into_iter().collect::<Vec<_>>(), [OverrideKind::UnloadableModel]);
    assert_eq!(tried.model_sha256, None);
}

/// The same trees return probabilities as a booster and labels as a classifier.
async fn what_changes_for_users_is_reported(backend: &Backend) {
    let registry = open(backend).await;
    let files = |case: &str, name: &'static str| -> Files {
        let directory = root().join("tests/fixtures/models").join(case);
        [name, "MLmodel"].map(|name| (name, std::fs::read(directory.join(name)).expect("a file"))).to_vec()
    };
    for (case, name, expected) in [
        ("binary_int/booster", "model.lgb", vec![]),
        ("binary_int/booster", "model.lgb", vec![]),
        ("binary_int/skops", "model.skops", vec![Change::Output, Change::Classes]),
        ("multi_str/skops", "model.skops", vec![Change::Classes]),
        ("binary_cat/booster", "model.lgb", vec![Change::Output, Change::Classes, Change::Columns]),
    ] {
        let (version, _) = upload(backend, &registry, &files(case, name)).await;
        let tried = registry.promote(version).dry_run().await.expect("a decision");
        let done = registry.promote(version).await.expect("a promotion");
        for transition in [tried, done] {
            let kinds: Vec<Change> = transition.model_changes.iter().map(|change| change.kind()).collect();
            assert_eq!(kinds, expected, "{case}: {:?}", transition.model_changes);
        }
    }
    let back = registry.rollback(Target::PolicyChoice).await.expect("a rollback");
    let reported: Vec<String> = back.model_changes.iter().map(ToString::to_string).collect();
    assert_eq!(reported[0], "`predict` answers label instead of probability");
    assert!(reported[1].starts_with("the classes change from none to "), "{reported:?}");
    let columns = "the input columns change: added f0, f1, f2, f3, f4, removed num, city, tier, zeros";
    assert_eq!(reported[2], columns);
}

/// A sound model of the size of `sound_files`, whose bytes are others.
fn other_model() -> Vec<u8> {
    let (_, model) = &sound_files()[0];
    let mut other = model.clone();
    let values = model.windows(11).position(|bytes| bytes == b"leaf_value=").expect("values");
    let point = model[values..].iter().position(|byte| *byte == b'.').expect("a value");
    let digit = &mut other[values + point + 1];
    *digit = if *digit == b'9' { b'1' } else { *digit + 1 };
    other
}

/// Without a digest, a version is the bytes that are there now.
async fn a_version_without_a_digest_is_decided_on_as_it_is(backend: &Backend) {
    let registry = open(backend).await;
    let first = register_sound(backend, &registry, None).await;
    registry.promote(first).await.expect("a promotion");
    let (changed, uploaded) = upload(backend, &registry, &sound_files()).await;
    let before = registry.promote(changed).dry_run().await.expect("a decision");
    let approved = registry.approve(changed).await.expect("an approval");
    assert_eq!(approved.sha256, before.model_sha256);
    std::fs::write(uploaded.disk.join("model.lgb"), other_model()).expect("a change");
    let found = Some(Sha256::of(&other_model()).to_string());
    assert_eq!(registry.promote(changed).dry_run().await.expect("a decision").model_sha256, found);
    let done = registry.promote(changed).await.expect("a promotion");
    assert_eq!((done.outcome, &done.model_sha256), (Outcome::Done, &found));
    let ledger = registry.existing_ledger().await.expect("an answer").expect("a ledger");
    let entry = ledger.history(Some(1), None).await.expect("a history").remove(0).0.entry;
    assert_eq!(entry.decided.as_ref().expect("a decision").model_sha256, found);
    // The approval was of the other bytes, and the policy did not receive it.
    let input = ledger.input(&ledger.history(Some(1), None).await.expect("a history")[0].0).await;
    let input = Input::from_json(&input.expect("an input")).expect("an input");
    assert!(input.target().expect("a target").approvals.is_empty(), "{input:?}");
}

/// The doctor reads the files, also those that were opened before, and later decisions use what it finds.
async fn the_doctor_reads_the_files(backend: &Backend) {
    let registry = open(backend).await;
    let (_, model) = &sound_files()[0];
    let logged = (SHA256_TAG.to_owned(), Sha256::of(model).to_string());
    let mut disks = Vec::new();
    for _ in 0..2 {
        let uploaded = backend.upload(registry.backend(), &sound_files()).await;
        let new = uploaded.version_of(registry.model()).tags([logged.clone()].into());
        registry.promote(register(&registry, &new).await).await.expect("a promotion");
        disks.push(uploaded.disk);
    }
    let codes = async || -> Vec<&'static str> {
        registry.diagnose().await.expect("a diagnosis").iter().map(|finding| finding.code()).collect()
    };
    assert_eq!(codes().await, [] as [&str; 0]);
    std::fs::write(disks[0].join("model.lgb"), other_model()).expect("a change");
    assert_eq!(codes().await, ["unreadable-model"]);
    let error = refused(&registry, registry.rollback(Target::PolicyChoice)).await;
    assert!(cause(&error).contains("is not the logged one"), "{error:?}");
    // In an emergency, the entry names the bytes that are there.
    let forced = registry.rollback(Target::PolicyChoice).allow_unloadable().await.expect("a rollback");
    assert_eq!(forced.model_sha256, Some(Sha256::of(&other_model()).to_string()));
    std::fs::write(disks[0].join("model.lgb"), model).expect("restored");
    assert_eq!(codes().await, [] as [&str; 0]);
}

/// A champion from before the ledger began is a way back, too.
async fn the_way_back_is_searched_in_the_whole_ledger(backend: &Backend) {
    let registry = open(backend).await;
    let mut disks = Vec::new();
    for number in 1..=3 {
        let (found, uploaded) = upload(backend, &registry, &sound_files()).await;
        disks.push(uploaded.disk);
        if number == 1 {
            let stores = registry.backend();
            stores.registry.set_alias(registry.model(), &Alias::CHAMPION, found).await.expect("set");
        } else {
            registry.promote(found).await.expect("a promotion");
        }
    }
    std::fs::remove_file(disks[1].join("model.lgb")).expect("removed");
    let error = refused(&registry, registry.rollback(Target::PolicyChoice)).await;
    let hint = error.hint().expect("a hint");
    assert!(hint.starts_with("`hydra-registry rollback --to 1` returns to the nearest former"), "{hint}");
    registry.rollback(version(1)).await.expect("the way that the hint names");
}

macro_rules! on_every_backend {
    ($($case:ident)+) => {
        on_every_backend! { @on rest: Backend::rest(); $($case)+ }
        on_every_backend! { @on file: Backend::file(); $($case)+ }
        on_every_backend! { @on sqlite: Backend::sqlite(); $($case)+ }
        on_every_backend! { @on memory: Backend::memory(); $($case)+ }
    };
    (@on $module:ident: $open:expr; $($case:ident)+) => {
        mod $module {
            use crate::support::backends::Backend;

            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                super::$case(&$open).await;
            })+
        }
    };
}

// Below the macro, which it uses.
mod approvals;
mod disturbed;

on_every_backend! {
    unsound_versions_are_not_promoted
    a_rollback_goes_to_no_unsound_version
    an_override_is_recorded_only_if_it_was_needed
    what_changes_for_users_is_reported
    a_version_without_a_digest_is_decided_on_as_it_is
    the_doctor_reads_the_files
    the_way_back_is_searched_in_the_whole_ledger
}
