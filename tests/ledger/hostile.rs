//! Hostile policies on real stores: each gives an error of the expected kind, and changes neither aliases nor ledger.

use hydra_policy::Policy;
use hydra_registry::{ErrorKind, ModelRegistry, PolicySource, Target};

use super::{aliases, assert_sound, registry};
use crate::support::backends::{Backend, fresh_name};
use crate::support::version;
use hydra_test_guests as guests;

/// Guests that break a guard, a limit or the contract in a promotion or while they are loaded.
const GUESTS: [(&str, ErrorKind); 22] = [
    ("champion_elsewhere", ErrorKind::Guard),
    ("missing_version", ErrorKind::Guard),
    ("archived_champion", ErrorKind::Guard),
    ("illegal_alias", ErrorKind::Guard),
    ("moves_twice", ErrorKind::Guard),
    ("removes_champion", ErrorKind::Guard),
    ("infinite_loop", ErrorKind::PolicyFuel),
    ("start_loops", ErrorKind::PolicyFuel),
    ("recursion", ErrorKind::PolicyTrap),
    ("unreachable", ErrorKind::PolicyTrap),
    ("out_of_bounds", ErrorKind::PolicyTrap),
    ("divides_by_zero", ErrorKind::PolicyTrap),
    ("memory_bomb", ErrorKind::PolicyMemory),
    ("table_bomb", ErrorKind::PolicyMemory),
    ("million_moves", ErrorKind::PolicyAnswer),
    ("shared_string", ErrorKind::PolicyAnswer),
    ("invalid_utf8", ErrorKind::PolicyProtocol),
    ("bad_discriminant", ErrorKind::PolicyProtocol),
    ("wild_pointer", ErrorKind::PolicyProtocol),
    ("nameless", ErrorKind::PolicyProtocol),
    ("reports_error", ErrorKind::PolicyError),
    ("imports_wasi", ErrorKind::PolicyIncompatible),
];

/// A rollback may make any existing version the champion, so the guards accept this guest's answer.
const FAIR_IN_A_ROLLBACK: [&str; 1] = ["champion_elsewhere"];

async fn hostile_policies_move_nothing(backend: &Backend, names: &[&str]) {
    let model = fresh_name("hostile");
    let honest = registry(backend, &model).await;
    for number in [1, 2] {
        honest.promote_to_champion(version(number)).await.expect("a promotion");
    }
    let before = assert_sound(&honest).await.len();
    let files = tempfile::tempdir().expect("a directory");
    for (name, kind) in GUESTS.iter().filter(|(name, _)| names.is_empty() || names.contains(name)) {
        let open = async |text: &str| {
            let file = files.path().join(format!("{name}.wasm"));
            std::fs::write(&file, guests::component_of(name, text, Policy::default_bytes())).expect("a file");
            let options = backend
                .options(&model)
                .with_policy(PolicySource::File(file))
                .with_budget([("fuel", "50_000_000"), ("wall-clock", "1m")]);
            ModelRegistry::connect_or_create(options).await
        };
        let text = guests::read(name);
        let refused = match open(&text).await {
            Ok(registry) => registry.promote_to_champion(version(3)).await.expect_err(name),
            Err(error) => error,
        };
        assert_eq!(refused.kind(), *kind, "{name}: {refused:?}");

        // With the two exports swapped, the guest attacks a rollback.
        let swapped = text
            .replace("#decide-promotion", "#swapped")
            .replace("#decide-rollback", "#decide-promotion")
            .replace("#swapped", "#decide-rollback");
        if !FAIR_IN_A_ROLLBACK.contains(name) {
            let refused = match open(&swapped).await {
                Ok(registry) => registry.rollback(Target::PolicyChoice).await.expect_err(name),
                Err(error) => error,
            };
            assert_eq!(refused.kind(), *kind, "{name}: {refused:?}");
        }
        assert_eq!(aliases(&honest).await, (Some(2), Some(1)), "{name} moved an alias");
    }
    assert_eq!(assert_sound(&honest).await.len(), before, "something was recorded");
    honest.rollback(Target::PolicyChoice).await.expect("an honest rollback after all that");
    assert_eq!(aliases(&honest).await, (Some(1), Some(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_policies_move_nothing_in_memory() {
    hostile_policies_move_nothing(&Backend::memory(), &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_policies_move_nothing_in_a_database() {
    hostile_policies_move_nothing(&Backend::sqlite(), &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_policies_move_nothing_on_rest() {
    hostile_policies_move_nothing(&Backend::rest(), &["illegal_alias", "unreachable", "memory_bomb"]).await;
}
