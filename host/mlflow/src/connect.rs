//! From tracking and registry URIs to stores: one table from scheme to constructor.

use std::path::PathBuf;
use std::sync::Arc;

use crate::artifacts::{ArtifactResolver, ArtifactStore, LocalAccess};
use crate::environment::{self, Environment};
use crate::file::FileStore;
use crate::rest::{ArtifactProxy, RestConfig, RestStore};
use crate::sqlite::SqliteStore;
use crate::store::{RegistryStore, TrackingStore};
use crate::uri::{ArtifactUri, Location, ModelUri, TrackingUri};
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{DEFAULT_WORKSPACE, Workspace};
use hydra_base::text::{QUOTED_CHARS, excerpt};

/// The stores behind a tracking URI and a registry URI.
#[derive(Debug, Clone)]
pub struct Backend {
    /// Experiments, runs and logged models.
    pub tracking: Arc<dyn TrackingStore>,
    /// Registered models, versions and aliases.
    pub registry: Arc<dyn RegistryStore>,
    /// Opens the artifact URIs that the tracking store names.
    pub artifacts: ArtifactResolver,
}

/// A kind of store: the schemes that name it, how to write its URI, and its constructor.
struct Scheme {
    names: &'static [&'static str],
    example: &'static str,
    open: fn(&TrackingUri, &Environment) -> Result<Backend>,
}

static SCHEMES: &[Scheme] = &[
    Scheme { names: &["http", "https"], example: "http(s)://host:port", open: open_rest },
    Scheme { names: &["sqlite"], example: "sqlite:///mlflow.db", open: open_sqlite },
    Scheme { names: &["file"], example: "file:///path/to/mlruns", open: open_file },
];

impl Backend {
    /// The stores at `tracking_uri`, with the registry of `registry_uri` where that is another one. Servers are
    /// not contacted yet. `UnsupportedScheme` lists the schemes there are.
    pub fn connect(
        tracking_uri: &TrackingUri,
        registry_uri: Option<&TrackingUri>,
        environment: &Environment,
    ) -> Result<Self> {
        let mut backend = open(tracking_uri, environment)?;
        backend.artifacts = backend.artifacts.with_environment(environment);
        if let Some(registry_uri) = registry_uri.filter(|uri| *uri != tracking_uri) {
            let registry = open(registry_uri, environment)?;
            if registry.artifacts.is_remote() && !backend.artifacts.is_remote() {
                // The tracking store is ours, but the registry's word must not lead to just any local directory.
                let mut roots = environment.paths(environment::ALLOWED_ARTIFACT_ROOTS);
                roots.extend(directory_of(tracking_uri));
                backend.artifacts = backend.artifacts.within(roots);
            }
            backend.registry = registry.registry;
        }
        Ok(backend)
    }

    /// Opens the artifact root that `uri` names; `runs:/…` and `models:/…` are looked up in the stores first.
    pub async fn artifact_store(&self, uri: &str) -> Result<Box<dyn ArtifactStore>> {
        let mut resolved = uri.to_owned();
        // A version's source may be another model URI, which leads to an artifact URI.
        for _ in 0..4 {
            let Location::Model(model) = ArtifactUri::new(resolved.as_str())?.location().clone() else {
                return self.artifacts.open(&resolved);
            };
            resolved = match model {
                ModelUri::Run(run, path) => {
                    ArtifactUri::new(self.tracking.run(&run).await?.artifact_uri)?.join(&path)
                }
                ModelUri::LoggedModel(id) => self.tracking.logged_model(&id).await?.artifact_uri,
                ModelUri::Version(name, version) => self.registry.download_uri(&name, version).await?,
                ModelUri::Alias(name, alias) => {
                    let found = self.registry.version_by_alias(&name, &alias).await?.ok_or_else(|| {
                        Error::new(ErrorKind::VersionNotFound, format!("the alias `{alias}` is not set"))
                            .with_context("model", &name)
                    })?;
                    self.registry.download_uri(&name, found.version).await?
                }
            };
        }
        Err(Error::new(ErrorKind::Protocol, "the model URI refers to itself")
            .with_context("uri", crate::uri::redact(uri)))
    }
}

fn open(uri: &TrackingUri, environment: &Environment) -> Result<Backend> {
    if let Some(scheme) = SCHEMES.iter().find(|scheme| scheme.names.contains(&uri.scheme())) {
        return (scheme.open)(uri, environment);
    }
    let examples: Vec<_> = SCHEMES.iter().map(|scheme| format!("`{}`", scheme.example)).collect();
    Err(Error::new(
        ErrorKind::UnsupportedScheme,
        format!("the scheme of the store is not supported: `{}`", uri.scheme()),
    )
    .with_context("uri", uri)
    .with_hint(format!("use one of: {}", examples.join(", "))))
}

fn open_rest(uri: &TrackingUri, environment: &Environment) -> Result<Backend> {
    let config = RestConfig::new(uri, environment)?;
    let store = Arc::new(RestStore::new(config));
    let proxy = ArtifactProxy::new(&store, environment.list(environment::ALLOWED_ARTIFACT_HOSTS));
    let local = LocalAccess::Within(environment.paths(environment::ALLOWED_ARTIFACT_ROOTS));
    Ok(Backend {
        tracking: store.clone(),
        registry: store,
        artifacts: ArtifactResolver::remote(Arc::new(proxy), local),
    })
}

fn open_sqlite(uri: &TrackingUri, environment: &Environment) -> Result<Backend> {
    let store = SqliteStore::open(uri.sqlite_path()?)?;
    Ok(local(match workspace_of_database(environment)? {
        Some(workspace) => store.in_workspace(workspace),
        None => store,
    }))
}

/// The workspace that MLflow itself would use in a database: without the switch it knows only `default`.
fn workspace_of_database(environment: &Environment) -> Result<Option<Workspace>> {
    let named = environment.get(environment::WORKSPACE).map(str::trim).filter(|name| !name.is_empty());
    match (environment.flag_or(environment::ENABLE_WORKSPACES, false)?, named) {
        (true, Some(name)) => Workspace::new(name).map(Some),
        (true, None) => {
            Err(Error::new(ErrorKind::Config, "workspaces are enabled, but the name of one is missing")
                .with_hint(format!("set {}, for example to `default`", environment::WORKSPACE)))
        }
        (false, Some(name)) if name != DEFAULT_WORKSPACE => {
            tracing::warn!(
                workspace = excerpt(name, QUOTED_CHARS),
                "ignoring MLFLOW_WORKSPACE: a local database uses it only with MLFLOW_ENABLE_WORKSPACES=true"
            );
            Ok(None)
        }
        (false, _) => Ok(None),
    }
}

fn open_file(uri: &TrackingUri, _environment: &Environment) -> Result<Backend> {
    Ok(local(FileStore::open(uri.file_path()?)?))
}

/// The directory that a local store and, by default, its artifacts are in.
fn directory_of(uri: &TrackingUri) -> Option<PathBuf> {
    let path = match uri.sqlite_path() {
        Ok(database) => std::path::absolute(database).ok()?.parent()?.to_path_buf(),
        Err(_) => uri.file_path().ok()?,
    };
    std::path::absolute(path).ok()
}

fn local<S: TrackingStore + RegistryStore + 'static>(store: S) -> Backend {
    let store = Arc::new(store);
    Backend { tracking: store.clone(), registry: store, artifacts: ArtifactResolver::local() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_scheme_lists_those_there_are() {
        let uri = TrackingUri::new("postgresql://ann:hunter2@db/mlflow").expect("a URI");
        let error = Backend::connect(&uri, None, &Environment::default()).expect_err("no such store");
        assert_eq!(error.kind(), ErrorKind::UnsupportedScheme);
        assert!(error.hint().is_some_and(|hint| hint.contains("http(s)://host:port")));
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    #[test]
    fn a_database_has_workspaces_where_they_are_enabled() {
        let of = |variables: &[(&str, &str)]| {
            let found = workspace_of_database(&variables.iter().copied().collect());
            found.map(|workspace| workspace.map(String::from)).map_err(|error| error.kind())
        };
        let (on, name) = (environment::ENABLE_WORKSPACES, environment::WORKSPACE);
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&[(name, "team-a")]), Ok(None), "as MLflow does");
        assert_eq!(of(&[(on, "true"), (name, " team-a ")]), Ok(Some("team-a".into())));
        assert_eq!(of(&[(on, "true")]), Err(ErrorKind::Config));
        assert_eq!(of(&[(on, "true"), (name, "Team'A")]), Err(ErrorKind::InvalidName));
    }

    #[test]
    fn a_remote_registry_never_leads_out_of_a_local_tracking_store() {
        let home = tempfile::tempdir().expect("a directory");
        let inside = home.path().join("mlruns/1/x").display().to_string();
        let outside = home.path().join("elsewhere/x").display().to_string();
        let tracking = TrackingUri::new(home.path().join("mlruns").display().to_string()).expect("a path");
        std::fs::create_dir(home.path().join("mlruns")).expect("a directory");
        let registry = TrackingUri::new("http://registry.example").expect("an address");
        let open = |registry: Option<&TrackingUri>, variables: &[(&str, &str)], uri: &str| {
            let environment = variables.iter().copied().collect();
            let backend = Backend::connect(&tracking, registry, &environment).expect("stores");
            backend.artifacts.open(uri).map(|root| root.uri().to_owned()).map_err(|error| error.kind())
        };
        assert_eq!(open(None, &[], &outside), Ok(outside.clone()));
        assert_eq!(open(Some(&registry), &[], &inside), Ok(inside));
        assert_eq!(open(Some(&registry), &[], &outside), Err(ErrorKind::Untrusted));
        let home = home.path().to_str().expect("a path");
        let allowed = [(environment::ALLOWED_ARTIFACT_ROOTS, home)];
        assert_eq!(open(Some(&registry), &allowed, &outside), Ok(outside));
    }
}
