//! Creating what MLflow does not create twice by itself.
//!
//! Runs, model versions and logged models have no natural key: sending a create again after its answer was lost
//! makes a second one. So a caller gives each its own [operation id](OPERATION_ID_TAG) as a tag, and after a
//! failure that may have taken effect the store looks for it before it sends again. Without that tag an
//! ambiguous failure is returned as it is. A request that the server is still working on while we look can lead
//! to a duplicate all the same; it then carries the same operation id.

use serde::de::DeserializeOwned;

use super::failure::Failure;
use super::retry::RetryBudget;
use super::transport::{Call, Transport};
use crate::entities::{OPERATION_ID_TAG, Tags};

/// The operation id that a caller put among the tags.
pub(super) fn operation_id(tags: &Tags) -> Option<&str> {
    tags.get(OPERATION_ID_TAG).map(String::as_str)
}

/// The filter that finds what carries the operation id; `None` when there is none, or one that a filter cannot quote.
pub(super) fn operation_filter(tags: &Tags) -> Option<String> {
    let id = operation_id(tags).filter(|id| !id.contains(['\'', '\\']))?;
    Some(format!("tags.`{OPERATION_ID_TAG}` = '{id}'"))
}

/// Sends `create`. After an ambiguous failure `lookup` is sent, and `first` takes out of its answer what an
/// earlier attempt created; only if there is nothing is `create` sent again. When attempts or time have run out, one
/// last look, for which time is kept, decides between what was created and an ambiguous failure.
pub(super) async fn create<T, L>(
    transport: &Transport,
    create: &Call,
    lookup: Option<&Call>,
    first: fn(L) -> Option<T>,
) -> Result<T, Failure>
where
    T: DeserializeOwned,
    L: DeserializeOwned,
{
    let mut budget = transport.budget();
    let Some(lookup) = lookup else { return create_unseen(transport, create, &mut budget).await };
    let end = budget.set_aside();
    let mut ambiguous = false;
    loop {
        let failure = match transport.attempt(create, budget.attempt_deadline()).await {
            Ok(created) => return Ok(created),
            Err(failure) => failure,
        };
        ambiguous |= failure.may_have_happened();
        let given_up = match budget.wait_after(failure).await {
            Ok(()) if !ambiguous => continue,
            Ok(()) => match transport.json(lookup, &mut budget).await.map(first) {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => continue,
                Err(failure) => failure,
            },
            Err(failure) if !ambiguous => return Err(failure),
            Err(failure) => failure,
        };
        let found = transport.attempt(lookup, end).await.ok().and_then(first);
        return found.ok_or_else(|| given_up.into_ambiguous());
    }
}

/// Sends a create that nobody can look for: again only while it surely did not happen.
async fn create_unseen<T: DeserializeOwned>(
    transport: &Transport,
    create: &Call,
    budget: &mut RetryBudget,
) -> Result<T, Failure> {
    loop {
        match transport.attempt(create, budget.attempt_deadline()).await {
            Ok(created) => return Ok(created),
            Err(failure) if failure.may_have_happened() => return Err(failure.into_ambiguous()),
            Err(failure) => budget.wait_after(failure).await?,
        }
    }
}
