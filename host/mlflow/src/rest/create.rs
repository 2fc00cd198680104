//! Creates entities that MLflow would create twice.
//!
//! Runs, model versions and LoggedModels have no natural key: repeating a create after its answer was lost creates a
//! second one. So a caller puts an [operation id](OPERATION_ID_TAG) into the tags, and after a failure that may have
//! taken effect the store looks for the tag before it repeats the request. Without the tag, an ambiguous failure is
//! returned. A duplicate is still possible if the server processes the first request after the lookup; it then has the
//! same operation id.

use serde::de::DeserializeOwned;

use super::failure::Failure;
use super::retry::RetryBudget;
use super::transport::{Call, Transport};
use crate::entities::{OPERATION_ID_TAG, Tags};

/// The operation id in the caller's tags.
pub(super) fn operation_id(tags: &Tags) -> Option<&str> {
    tags.get(OPERATION_ID_TAG).map(String::as_str)
}

/// The filter that finds the operation id; `None` without an id, or for an id that a filter cannot quote.
pub(super) fn operation_filter(tags: &Tags) -> Option<String> {
    let id = operation_id(tags).filter(|id| !id.contains(['\'', '\\']))?;
    Some(format!("tags.`{OPERATION_ID_TAG}` = '{id}'"))
}

/// Sends `create`. After an ambiguous failure, sends `lookup`, and `first` extracts the entity that an earlier attempt
/// created; only if there is none, sends `create` again. When attempts or time run out, a last lookup, for which time
/// is reserved, decides between the entity and an ambiguous failure.
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

/// Sends a create without a lookup. Repeats it only while it certainly had no effect.
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
