//! Whose clock a store has, and whom it knows.

#![expect(missing_docs, reason = "the name of a case is the sentence that it tests")]

use super::Stores;

pub async fn only_a_server_has_a_clock_of_its_own(stores: &Stores) {
    let registry = &stores.backend.registry;
    registry.registered_model(&stores.model().await).await.expect("the model");
    match registry.clock() {
        // The servers of the tests run on this machine.
        Some(clock) => assert_eq!((clock.certain(), registry.atomic().is_none()), (0, true), "{clock:?}"),
        None => assert!(registry.atomic().is_some(), "its answers have no date"),
    }
}

pub async fn a_store_without_users_names_none(stores: &Stores) {
    let registry = &stores.backend.registry;
    for _ in 0..2 {
        assert_eq!(registry.authenticated_user().await.expect("an answer"), None);
    }
}
