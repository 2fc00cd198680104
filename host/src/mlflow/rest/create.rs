//! Creating what MLflow does not create twice by itself.
//!
//! Runs, model versions and logged models have no natural key: sending a create again after its answer was lost
//! makes a second one. So a caller gives each its own [operation id](OPERATION_ID_TAG) as a tag, and after a
//! failure that may have taken effect the store looks for it before it sends again. Without that tag an
//! ambiguous failure is returned as it is. A request that the server is still working on while we look can lead
//! to a duplicate all the same; it then carries the same operation id.

use serde::de::DeserializeOwned;

use super::failure::Failure;
use super::transport::{Call, Transport};
use crate::mlflow::entities::{OPERATION_ID_TAG, Tags};

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
/// earlier attempt created; only if there is nothing is `create` sent again.
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
    loop {
        let failure = match transport.attempt(create, budget.deadline()).await {
            Ok(created) => return Ok(created),
            Err(failure) => failure,
        };
        let ambiguous = failure.may_have_happened();
        if ambiguous && lookup.is_none() {
            return Err(failure.into_ambiguous());
        }
        budget.wait_after(failure).await?;
        if ambiguous
            && let Some(lookup) = lookup
            && let Some(found) = first(transport.json(lookup, &mut budget).await?)
        {
            return Ok(found);
        }
    }
}
