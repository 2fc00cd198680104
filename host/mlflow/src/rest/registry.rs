//! Registered models, versions and aliases over REST.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::RestStore;
use super::create::{create, operation_filter, operation_id};
use super::pages::{Asked, check_descending};
use super::transport::Call;
use super::wire::{
    self, DownloadUriAnswer, Empty, ModelVersionAnswer, ModelVersionsAnswer, RegisteredModelAnswer,
    RegisteredModelsAnswer, UserAnswer,
};
use crate::clock::ClockDifference;
use crate::entities::{
    ModelFilter, ModelVersion, NewModelVersion, OPERATION_ID_TAG, Page, RegisteredModel, Tags,
};
use crate::rules;
use crate::store::RegistryStore;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{Alias, Key, ModelName, Version};
use hydra_base::time::now;

#[async_trait]
impl RegistryStore for RestStore {
    async fn create_registered_model(
        &self,
        name: &ModelName,
        tags: &Tags,
        description: &str,
    ) -> Result<RegisteredModel> {
        let body = json!({ "name": name, "tags": wire::tag_entries(tags), "description": description });
        match self.call::<RegisteredModelAnswer>(&Call::post("registered-models/create", body)).await {
            Ok(answer) => answer.registered_model.into_entity(name),
            Err(failure) if failure.kind() == ErrorKind::AlreadyExists => {
                // A repeated request finds the model that its first attempt created.
                let Some(operation) = operation_id(tags) else { return Err(failure.into()) };
                let found = self.registered_model(name).await?;
                let is_own = found.tags.get(OPERATION_ID_TAG).is_some_and(|id| id == operation);
                if is_own { Ok(found) } else { Err(failure.into()) }
            }
            Err(failure) => Err(failure.into()),
        }
    }

    async fn registered_model(&self, name: &ModelName) -> Result<RegisteredModel> {
        let call = Call::get("registered-models/get", vec![("name", name.to_string())]);
        let answer: RegisteredModelAnswer = self.model_call(&call).await?;
        answer.registered_model.into_entity(name)
    }

    async fn registered_models(
        &self,
        filter: &ModelFilter,
        page_size: usize,
        page_token: Option<&str>,
    ) -> Result<Page<RegisteredModel>> {
        let request = "GET registered-models/search";
        let search = |items: usize| {
            let mut query = vec![
                ("filter", model_filter(filter)),
                ("max_results", items.to_string()),
                ("order_by", "name ASC".to_owned()),
            ];
            query.extend(page_token.map(|token| ("page_token", token.to_owned())));
            Call::get("registered-models/search", query)
        };
        let (answer, items) = self.page::<RegisteredModelsAnswer>(page_size, search).await?;
        let asked = Asked { request, items, token: page_token };
        let next = asked.next(answer.registered_models.len(), answer.next_page_token)?;
        let mut items = Vec::with_capacity(answer.registered_models.len());
        for model in answer.registered_models {
            // Old servers take names that no command can name.
            let Ok(name) = ModelName::new(model.name()) else { continue };
            items.push(model.into_entity(&name)?);
        }
        items.retain(|model| filter.matches(model));
        Ok(Page { items, next })
    }

    async fn set_registered_model_tag(&self, name: &ModelName, key: &Key, value: &str) -> Result<()> {
        let body = json!({ "name": name, "key": key, "value": value });
        self.upsert(&Call::post("registered-models/set-tag", body))
            .await
            .map_err(|failure| failure.into_error(ErrorKind::ModelNotFound))
    }

    async fn delete_registered_model(&self, name: &ModelName) -> Result<()> {
        self.delete(
            &Call::delete("registered-models/delete", json!({ "name": name })),
            ErrorKind::ModelNotFound,
        )
        .await
    }

    async fn create_model_version(&self, version: &NewModelVersion) -> Result<ModelVersion> {
        let name = &version.name;
        let mut body = json!({
            "name": name,
            "source": version.source,
            "tags": wire::tag_entries(&version.tags),
            "description": version.description,
        });
        if let Some(run) = &version.run_id {
            body["run_id"] = json!(run);
        }
        if let Some(model) = &version.model_id {
            body["model_id"] = json!(model);
        }
        let lookup = operation_filter(&version.tags)
            .zip(name_filter(name))
            .map(|(operation, name)| search(format!("{name} and {operation}"), 1));
        let first = |found: ModelVersionsAnswer| {
            found.model_versions.into_iter().next().map(|model_version| ModelVersionAnswer { model_version })
        };
        let call = Call::post("model-versions/create", body);
        let sent = now();
        let created = create(&self.transport, &call, lookup.as_ref(), first).await;
        let answer = created.map_err(|failure| failure.into_error(ErrorKind::ModelNotFound))?;
        let created = answer.model_version.into_entity(name)?;
        self.transport.clock.note_creation(sent, created.created_at);
        Ok(created)
    }

    fn clock(&self) -> Option<ClockDifference> {
        self.transport.clock.difference()
    }

    fn lists_aliases(&self) -> bool {
        self.lists_aliases.load(Ordering::Relaxed)
    }

    async fn authenticated_user(&self) -> Result<Option<String>> {
        let ask = || async {
            match self.call::<UserAnswer>(&Call::get("users/current", Vec::new())).await {
                Ok(answer) => Ok(answer.into_name()),
                // A server without authentication or of an older release, or something in front of it that knows no users.
                Err(failure) if names_no_user(failure.kind()) => Ok(None),
                Err(failure) => Err(failure.into()),
            }
        };
        self.user.get_or_try_init(ask).await.cloned()
    }

    async fn model_version(&self, name: &ModelName, version: Version) -> Result<ModelVersion> {
        let query = vec![("name", name.to_string()), ("version", version.to_string())];
        let answer: ModelVersionAnswer = self.version_call(&Call::get("model-versions/get", query)).await?;
        answer.model_version.into_entity(name)
    }

    async fn model_versions(
        &self,
        name: &ModelName,
        below: Option<Version>,
        page_size: usize,
        page_token: Option<&str>,
    ) -> Result<Page<ModelVersion>> {
        let mut filter = searchable(name)?;
        // MLflow's own tokens are offsets: a version created between two pages would be listed twice.
        let below: Option<Version> = rules::parse_page_token(page_token)?.or(below);
        if let Some(below) = below {
            filter = format!("{filter} and version_number < {below}");
        }
        let (mut answer, items) =
            self.page::<ModelVersionsAnswer>(page_size, |items| search(filter.clone(), items)).await?;
        let asked = Asked { request: SEARCH, items, token: None };
        let more = asked.next(answer.model_versions.len(), answer.next_page_token.take())?.is_some();
        let items = self.listed(answer, name)?;
        let Ok(highest) = below.map(|below| Version::new(below.get() - 1)).transpose() else {
            // There is no version below the first.
            return Ok(Page { items: Vec::new(), next: None });
        };
        check_descending(SEARCH, items.iter().map(|item| item.version), Version::FIRST, highest)?;
        let next = items.last().filter(|_| more).map(|oldest| oldest.version.to_string());
        Ok(Page { items, next })
    }

    async fn versions_between(
        &self,
        name: &ModelName,
        lowest: Version,
        highest: Version,
    ) -> Result<Vec<ModelVersion>> {
        rules::check_range(lowest, highest)?;
        let numbers = format!("version_number >= {lowest} and version_number <= {highest}");
        // More than there can be: a server reads tags by a second query with the same limit, and what is appended meanwhile
        // would push the oldest versions out of it.
        let limit = usize::try_from(highest.get().saturating_sub(lowest.get())).unwrap_or(usize::MAX);
        let call = search(format!("{} and {numbers}", searchable(name)?), limit.saturating_add(2));
        let versions = match self.call::<ModelVersionsAnswer>(&call).await {
            Err(failure) if failure.kind() == ErrorKind::AnswerSize && lowest < highest => {
                return self.versions_one_by_one(name, lowest, highest).await;
            }
            answer => self.listed(answer?, name)?,
        };
        check_descending(SEARCH, versions.iter().map(|version| version.version), lowest, Some(highest))?;
        Ok(versions)
    }

    async fn set_version_tag(
        &self,
        name: &ModelName,
        version: Version,
        key: &Key,
        value: &str,
    ) -> Result<()> {
        let body = json!({ "name": name, "version": version.to_string(), "key": key, "value": value });
        self.upsert(&Call::post("model-versions/set-tag", body))
            .await
            .map_err(|failure| failure.into_error(ErrorKind::VersionNotFound))
    }

    async fn delete_version_tag(&self, name: &ModelName, version: Version, key: &Key) -> Result<()> {
        let body = json!({ "name": name, "version": version.to_string(), "key": key });
        self.version_call::<Empty>(&Call::delete("model-versions/delete-tag", body)).await?;
        Ok(())
    }

    async fn delete_model_version(&self, name: &ModelName, version: Version) -> Result<()> {
        let body = json!({ "name": name, "version": version.to_string() });
        self.delete(&Call::delete("model-versions/delete", body), ErrorKind::VersionNotFound).await
    }

    async fn set_alias(&self, name: &ModelName, alias: &Alias, version: Version) -> Result<()> {
        let body = json!({ "name": name, "alias": alias, "version": version.to_string() });
        self.upsert(&Call::post("registered-models/alias", body))
            .await
            .map_err(|failure| failure.into_error(ErrorKind::VersionNotFound))
    }

    async fn delete_alias(&self, name: &ModelName, alias: &Alias) -> Result<()> {
        let call = Call::delete("registered-models/alias", json!({ "name": name, "alias": alias }));
        self.model_call::<Empty>(&call).await?;
        Ok(())
    }

    async fn version_by_alias(&self, name: &ModelName, alias: &Alias) -> Result<Option<ModelVersion>> {
        let query = vec![("name", name.to_string()), ("alias", alias.to_string())];
        match self.call::<ModelVersionAnswer>(&Call::get("registered-models/alias", query)).await {
            Ok(answer) => answer.model_version.into_entity(name).map(Some),
            // The server's answer if the alias is not set; up to 3.1 also if the model does not exist.
            Err(failure) if failure.kind() == ErrorKind::InvalidArgument => Ok(None),
            // Either the model does not exist, or the alias dangles.
            Err(failure) if failure.kind() == ErrorKind::NotFound => {
                match self.registered_model(name).await {
                    Err(error) if error.kind() == ErrorKind::ModelNotFound => Ok(None),
                    Ok(_) => Err(failure.into_error(ErrorKind::VersionNotFound)),
                    Err(error) => Err(error),
                }
            }
            Err(failure) => Err(failure.into()),
        }
    }

    async fn download_uri(&self, name: &ModelName, version: Version) -> Result<String> {
        let query = vec![("name", name.to_string()), ("version", version.to_string())];
        let answer: DownloadUriAnswer =
            self.version_call(&Call::get("model-versions/get-download-uri", query)).await?;
        Ok(answer.artifact_uri)
    }
}

impl RestStore {
    /// The versions of a range whose answer is too large.
    async fn versions_one_by_one(
        &self,
        name: &ModelName,
        lowest: Version,
        highest: Version,
    ) -> Result<Vec<ModelVersion>> {
        let mut found = Vec::new();
        for number in (lowest.get()..=highest.get()).rev() {
            match self.model_version(name, Version::new(number)?).await {
                Ok(version) => found.push(ModelVersion { aliases: Vec::new(), ..version }),
                Err(error) if error.kind() == ErrorKind::VersionNotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// The versions of a listing, which shows what kind of store the server has.
    fn listed(&self, answer: ModelVersionsAnswer, name: &ModelName) -> Result<Vec<ModelVersion>> {
        if answer.has_aliases() {
            self.lists_aliases.store(true, Ordering::Relaxed);
        }
        answer.into_entities(name)
    }

    /// A call about a registered model: `NotFound` becomes `ModelNotFound`.
    async fn model_call<T: serde::de::DeserializeOwned>(&self, call: &Call) -> Result<T> {
        self.call(call).await.map_err(|failure| failure.into_error(ErrorKind::ModelNotFound))
    }

    /// A call about a version: `NotFound` becomes `VersionNotFound`.
    async fn version_call<T: serde::de::DeserializeOwned>(&self, call: &Call) -> Result<T> {
        self.call(call).await.map_err(|failure| failure.into_error(ErrorKind::VersionNotFound))
    }

    /// Deletes once. If an attempt had no answer and the next one finds nothing, the first one succeeded.
    async fn delete(&self, call: &Call, missing: ErrorKind) -> Result<()> {
        let mut budget = self.transport.budget();
        let mut may_be_done = false;
        loop {
            match self.transport.attempt::<Value>(call, budget.attempt_deadline()).await {
                Ok(_) => return Ok(()),
                Err(failure) if may_be_done && failure.kind() == ErrorKind::NotFound => return Ok(()),
                Err(failure) => {
                    may_be_done |= failure.may_have_happened();
                    budget.wait_after(failure).await.map_err(|failure| failure.into_error(missing))?;
                }
            }
        }
    }
}

/// The name of a [`search`] in errors.
const SEARCH: &str = "GET model-versions/search";

/// Sorts versions, newest first.
fn search(filter: String, items: usize) -> Call {
    let query = vec![
        ("filter", filter),
        ("max_results", items.to_string()),
        // The newest servers sort by time by default, which does not follow the numbers.
        ("order_by", "version_number DESC".to_owned()),
    ];
    Call::get("model-versions/search", query)
}

/// [`name_filter`], or why there is none.
fn searchable(name: &ModelName) -> Result<String> {
    name_filter(name).ok_or_else(|| {
        Error::new(ErrorKind::InvalidName, "cannot search a server for a name with both kinds of quotes")
            .with_context("model", name)
    })
}

/// A filter that finds at least what `filter` shows. `LIKE` has no escapes either: what it would read differently, and
/// quotes, become `_`, which stands for any character.
fn model_filter(filter: &ModelFilter) -> String {
    let like = |text: &str, wild: bool| -> String {
        let like = |c: char| match c {
            '*' if wild => '%',
            '?' if wild => '_',
            '%' | '\'' | '"' | '\\' => '_',
            c => c,
        };
        text.chars().map(like).collect()
    };
    match filter {
        ModelFilter::Tag(key, value) => format!("tags.`{key}` LIKE '{}'", like(value, false)),
        ModelFilter::Name(pattern) => format!("name LIKE '{}'", like(pattern.as_str(), true)),
    }
}

/// The filter for a model's name. MLflow's filters have no escapes, only two kinds of quotes.
fn name_filter(name: &ModelName) -> Option<String> {
    let quote = ['\'', '"'].into_iter().find(|quote| !name.as_str().contains(*quote))?;
    Some(format!("name={quote}{name}{quote}"))
}

/// Whether a failure says that the server has no answer to the question who is asking.
fn names_no_user(kind: ErrorKind) -> bool {
    use ErrorKind::{BadRequest, InvalidArgument, NotFound, PermissionDenied, Protocol, Unsupported};
    matches!(kind, BadRequest | InvalidArgument | NotFound | PermissionDenied | Protocol | Unsupported)
}
