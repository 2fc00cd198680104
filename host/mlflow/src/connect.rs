//! Opens stores by their tracking and registry URIs; one table maps schemes to constructors.
//!
//! ```
//! use hydra_base::names::ModelName;
//! use hydra_mlflow::connect::Backend;
//! use hydra_mlflow::entities::Tags;
//! use hydra_mlflow::environment::Environment;
//! use hydra_mlflow::uri::TrackingUri;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> hydra_base::Result<()> {
//! # let home = tempfile::tempdir().expect("a directory");
//! # let path = home.path().join("mlruns").display().to_string();
//! let uri = TrackingUri::new(path)?;
//! let backend = Backend::connect(&uri, None, &Environment::of_process())?;
//! let model = ModelName::new("churn")?;
//! backend.registry.create_registered_model(&model, &Tags::new(), "scores customers").await?;
//! assert!(backend.registry.registered_model(&model).await?.aliases.is_empty());
//! # Ok(())
//! # }
//! ```

use std::path::PathBuf;
use std::sync::Arc;

use crate::artifacts::{ArtifactRoots, ArtifactStore};
use crate::environment::{self, Environment};
use crate::file::FileStore;
use crate::resolver::ArtifactResolver;
use crate::store::{RegistryStore, TrackingStore};
use crate::uri::{ArtifactUri, Location, ModelUri, TrackingUri};
use hydra_base::error::{Error, ErrorKind, Result};

/// The stores of a tracking URI and a registry URI.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Backend {
    /// Experiments, runs and LoggedModels.
    pub tracking: Arc<dyn TrackingStore>,
    /// Registered models, versions and aliases.
    pub registry: Arc<dyn RegistryStore>,
    artifacts: ArtifactResolver,
}

/// A kind of store: its schemes, the form of its URI, and its constructor.
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
    /// A backend of stores that are opened already. Their artifact URIs may name any local directory, and object stores
    /// with the credentials of [`with_environment`](Self::with_environment).
    #[must_use]
    pub fn new(tracking: Arc<dyn TrackingStore>, registry: Arc<dyn RegistryStore>) -> Self {
        Self { tracking, registry, artifacts: ArtifactResolver::local() }
    }

    /// A backend of one value that implements both traits; see [`new`](Self::new).
    #[must_use]
    pub fn of<S: TrackingStore + RegistryStore + 'static>(store: S) -> Self {
        let store = Arc::new(store);
        Self::new(store.clone(), store)
    }

    /// The same stores, with the credentials and endpoints of object stores from `environment`.
    #[must_use]
    pub fn with_environment(self, environment: &Environment) -> Self {
        Self { artifacts: self.artifacts.with_environment(environment), ..self }
    }

    /// Whether the artifacts of runs are those of a server.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        self.artifacts.is_remote()
    }

    /// The same stores, with artifact roots that have moved.
    #[must_use]
    pub fn with_artifact_roots(self, roots: ArtifactRoots) -> Self {
        Self { artifacts: self.artifacts.with_roots(roots), ..self }
    }

    /// The stores at `tracking_uri`; the registry is at `registry_uri`, if that is given. Sends no request yet.
    /// `UnsupportedScheme` lists the supported schemes.
    pub fn connect(
        tracking_uri: &TrackingUri,
        registry_uri: Option<&TrackingUri>,
        environment: &Environment,
    ) -> Result<Self> {
        let mut backend = open(tracking_uri, environment)?.with_environment(environment);
        if !backend.artifacts.is_remote() {
            backend.artifacts = backend.artifacts.in_store_at(parent_of(tracking_uri));
        }
        if let Some(registry_uri) = registry_uri.filter(|uri| *uri != tracking_uri) {
            let registry = open(registry_uri, environment)?;
            if registry.artifacts.is_remote() && !backend.artifacts.is_remote() {
                // A local tracking store is trusted, but a remote registry must not name arbitrary local directories.
                let mut roots = environment.paths(environment::ALLOWED_ARTIFACT_ROOTS);
                roots.extend(directory_of(tracking_uri));
                backend.artifacts = backend.artifacts.within(roots);
            }
            backend.registry = registry.registry;
        }
        Ok(backend)
    }

    /// Opens the artifact root at `uri`, which may come from a server. `runs:/…` and `models:/…` are first looked up in
    /// the stores. `UnsupportedScheme` for a scheme without an artifact store, `Untrusted` for a host or a local
    /// directory that a server must not name.
    pub async fn artifact_store(&self, uri: &ArtifactUri) -> Result<Box<dyn ArtifactStore>> {
        let mut resolved = uri.clone();
        // A version's source may be another model URI, which leads to an artifact URI.
        for _ in 0..4 {
            let Location::Model(model) = resolved.location() else { return self.artifacts.open(&resolved) };
            resolved = match model {
                ModelUri::Run(run, path) => {
                    ArtifactUri::new(self.tracking.run(run).await?.artifact_uri)?.join(path)?
                }
                ModelUri::LoggedModel(id) => self.tracking.logged_model(id).await?.artifact_uri.parse()?,
                ModelUri::Version(name, version) => {
                    self.registry.download_uri(name, *version).await?.parse()?
                }
                ModelUri::Alias(name, alias) => {
                    let found = self.registry.version_by_alias(name, alias).await?.ok_or_else(|| {
                        Error::new(ErrorKind::VersionNotFound, format!("the alias `{alias}` is not set"))
                            .with_context("model", name)
                    })?;
                    self.registry.download_uri(name, found.version).await?.parse()?
                }
            };
        }
        Err(Error::new(ErrorKind::Protocol, "the model URI refers to itself").with_context("uri", uri))
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

#[cfg(feature = "rest")]
fn open_rest(uri: &TrackingUri, environment: &Environment) -> Result<Backend> {
    use crate::rest::{ArtifactProxy, RestConfig, RestStore};

    let store = Arc::new(RestStore::new(RestConfig::new(uri, environment)?));
    let proxy = ArtifactProxy::new(&store, environment.list(environment::ALLOWED_ARTIFACT_HOSTS));
    let directories = environment.paths(environment::ALLOWED_ARTIFACT_ROOTS);
    Ok(Backend {
        tracking: store.clone(),
        registry: store,
        artifacts: ArtifactResolver::remote(proxy, directories),
    })
}

#[cfg(not(feature = "rest"))]
fn open_rest(uri: &TrackingUri, _: &Environment) -> Result<Backend> {
    Err(crate::errors::left_out(uri, "rest"))
}

#[cfg(feature = "sqlite")]
fn open_sqlite(uri: &TrackingUri, environment: &Environment) -> Result<Backend> {
    let store = crate::sqlite::SqliteStore::open(uri.sqlite_path()?)?;
    Ok(Backend::of(match crate::sqlite::workspace_of_database(environment)? {
        Some(workspace) => store.in_workspace(workspace),
        None => store,
    }))
}

#[cfg(not(feature = "sqlite"))]
fn open_sqlite(uri: &TrackingUri, _: &Environment) -> Result<Backend> {
    Err(crate::errors::left_out(uri, "sqlite"))
}

fn open_file(uri: &TrackingUri, _: &Environment) -> Result<Backend> {
    Ok(Backend::of(FileStore::open(uri.file_path()?)?))
}

/// The directory that a local store is in: that of a database, and that around the directory of a file store.
fn parent_of(uri: &TrackingUri) -> Option<PathBuf> {
    let path = uri.sqlite_path().or_else(|_| uri.file_path()).ok()?;
    Some(std::path::absolute(path).ok()?.parent()?.to_path_buf())
}

/// The directory of a local store and, by default, of its artifacts.
fn directory_of(uri: &TrackingUri) -> Option<PathBuf> {
    let path = match uri.sqlite_path() {
        Ok(database) => std::path::absolute(database).ok()?.parent()?.to_path_buf(),
        Err(_) => uri.file_path().ok()?,
    };
    std::path::absolute(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_scheme_lists_the_known_ones() {
        let uri = TrackingUri::new("postgresql://ann:hunter2@db/mlflow").expect("a URI");
        let error = Backend::connect(&uri, None, &Environment::default()).expect_err("no such store");
        assert_eq!(error.kind(), ErrorKind::UnsupportedScheme);
        assert!(error.hint().is_some_and(|hint| hint.contains("http(s)://host:port")));
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    #[test]
    fn a_disabled_scheme_names_its_feature() {
        for (uri, feature, built_in) in [
            ("http://server.example", "rest", cfg!(feature = "rest")),
            ("sqlite:///no/such/mlflow.db", "sqlite", cfg!(feature = "sqlite")),
        ] {
            let connected = Backend::connect(&uri.parse().expect(uri), None, &Environment::default());
            match connected {
                Ok(_) => assert!(built_in, "{uri}"),
                Err(error) => {
                    assert!(!built_in, "{error:?}");
                    assert_eq!(error.kind(), ErrorKind::UnsupportedScheme);
                    assert!(error.hint().is_some_and(|hint| hint.contains(feature)), "{error:?}");
                }
            }
        }
    }

    #[cfg(feature = "rest")]
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
            let root = backend.artifacts.open(&uri.parse().expect(uri));
            root.map(|root| root.uri().to_owned()).map_err(|error| error.kind())
        };
        assert_eq!(open(None, &[], &outside), Ok(outside.clone()));
        assert_eq!(open(Some(&registry), &[], &inside), Ok(inside));
        assert_eq!(open(Some(&registry), &[], &outside), Err(ErrorKind::Untrusted));
        let home = home.path().to_str().expect("a path");
        let allowed = [(environment::ALLOWED_ARTIFACT_ROOTS, home)];
        assert_eq!(open(Some(&registry), &allowed, &outside), Ok(outside));
    }
}
