//! Opens the artifact store of an artifact URI.

use std::path::PathBuf;
use std::sync::Arc;

use crate::artifacts::{ArtifactRoots, ArtifactStore, LocalAccess, LocalArtifacts, MovedArtifacts};
use crate::environment::Environment;
#[cfg(feature = "rest")]
use crate::rest::ArtifactProxy;
use crate::uri::{ArtifactUri, Location};
use hydra_base::error::{Error, ErrorKind, Result};

/// The schemes of object stores, in MLflow's spelling.
const OBJECT_STORES: [&str; 5] = ["s3", "gs", "wasb", "wasbs", "abfss"];

/// Opens artifact stores by URIs that come from a store and are untrusted.
#[derive(Debug, Clone)]
pub(crate) struct ArtifactResolver {
    local: LocalAccess,
    proxy: Option<Arc<ArtifactProxy>>,
    environment: Environment,
    roots: ArtifactRoots,
    /// The directory of a local store, by which one that was moved is recognised.
    home: Option<PathBuf>,
}

impl ArtifactResolver {
    /// For a local store, which may name any local directory.
    pub(crate) fn local() -> Self {
        Self {
            local: LocalAccess::Anywhere,
            proxy: None,
            environment: Environment::default(),
            roots: ArtifactRoots::default(),
            home: None,
        }
    }

    /// For a tracking server: its artifact proxy, and the local directories that it may name.
    #[cfg(feature = "rest")]
    pub(crate) fn remote(proxy: ArtifactProxy, directories: Vec<PathBuf>) -> Self {
        Self { proxy: Some(Arc::new(proxy)), ..Self::local().within(directories) }
    }

    /// The same, with the credentials and endpoints of object stores from `environment`. By default there are none.
    pub(crate) fn with_environment(self, environment: &Environment) -> Self {
        Self { environment: environment.clone(), ..self }
    }

    /// The same, restricted to local directories at or below `roots`.
    pub(crate) fn within(self, roots: Vec<PathBuf>) -> Self {
        Self { local: LocalAccess::Within(roots), ..self }
    }

    /// The same for a local store in the directory `home`.
    pub(crate) fn in_store_at(self, home: Option<PathBuf>) -> Self {
        Self { home, ..self }
    }

    /// The same, with artifact roots that have moved.
    pub(crate) fn with_roots(self, roots: ArtifactRoots) -> Self {
        Self { roots, ..self }
    }

    /// Whether the URIs come from a server.
    pub(crate) fn is_remote(&self) -> bool {
        self.proxy.is_some()
    }

    /// Opens the artifact root at `uri`. `UnsupportedScheme` for a scheme without a store, `Untrusted` for a location
    /// that this store must not name.
    pub(crate) fn open(&self, uri: &ArtifactUri) -> Result<Box<dyn ArtifactStore>> {
        let Some(place) = self.roots.place_of(uri)? else { return self.open_at(uri) };
        let artifacts = match place.location() {
            // The user named this directory, and not the server.
            Location::Local(path) => Box::new(LocalArtifacts::new(place.as_str(), path)),
            _ => self.open_at(&place)?,
        };
        Ok(Box::new(MovedArtifacts::new(uri, artifacts)))
    }

    fn open_at(&self, uri: &ArtifactUri) -> Result<Box<dyn ArtifactStore>> {
        match (uri.location(), &self.proxy) {
            (Location::Proxied { authority, path }, Some(proxy)) => {
                Ok(Box::new(proxy.open(uri, authority.as_deref(), path)?))
            }
            (Location::Local(path), _) => {
                self.local.check(path)?;
                Ok(Box::new(LocalArtifacts::new(uri.as_str(), path).of_store_at(self.home.clone())))
            }
            (Location::Other(scheme), _) if OBJECT_STORES.contains(&scheme.as_str()) => {
                open_object_store(uri, &self.environment)
            }
            _ => Err(self.unsupported(uri)),
        }
    }

    fn unsupported(&self, uri: &ArtifactUri) -> Error {
        let proxied = if self.is_remote() { "`mlflow-artifacts:`, " } else { "" };
        let supported = if cfg!(feature = "object-stores") {
            "local paths, `file:`, `s3:`, `gs:`, `wasbs:` and `abfss:`"
        } else {
            "local paths and `file:`"
        };
        Error::new(ErrorKind::UnsupportedScheme, "the URI's scheme is not supported for artifacts")
            .with_context("uri", uri)
            .with_hint(format!("use a scheme that this tracking store supports: {proxied}{supported}"))
    }
}

#[cfg(feature = "object-stores")]
fn open_object_store(uri: &ArtifactUri, environment: &Environment) -> Result<Box<dyn ArtifactStore>> {
    Ok(Box::new(crate::artifacts::ObjectArtifacts::new(uri.as_str(), environment)?))
}

#[cfg(not(feature = "object-stores"))]
fn open_object_store(uri: &ArtifactUri, _: &Environment) -> Result<Box<dyn ArtifactStore>> {
    Err(crate::errors::left_out(uri, "object-stores"))
}

/// Without the feature `rest` there are no servers, and therefore no proxies.
#[cfg(not(feature = "rest"))]
#[derive(Debug)]
enum ArtifactProxy {}

#[cfg(not(feature = "rest"))]
impl ArtifactProxy {
    fn open(&self, _: &ArtifactUri, _: Option<&str>, _: &str) -> Result<LocalArtifacts> {
        match *self {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(uri: &str) -> Result<String> {
        let credentials = [("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "secret")];
        let resolver = ArtifactResolver::local().with_environment(&credentials.into_iter().collect());
        let opened = resolver.open(&uri.parse().expect(uri));
        opened.map(|root| root.uri().to_owned())
    }

    #[test]
    fn a_local_store_opens_paths_and_names_what_it_supports() {
        for uri in ["/tmp/x", "file:///tmp/a%20b"] {
            assert_eq!(open(uri).expect("a root"), uri);
        }
        for uri in ["mlflow-artifacts:/1/x", "ftp://key:secret@host/x", "runs:/abc/model"] {
            let error = open(uri).expect_err(uri);
            assert_eq!(error.kind(), ErrorKind::UnsupportedScheme, "{uri}");
            assert!(error.hint().is_some_and(|hint| hint.contains("file:")));
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn disabled_object_stores_name_their_feature() {
        let opened = open("s3://bucket/x");
        if cfg!(feature = "object-stores") {
            assert_eq!(opened.expect("a root"), "s3://bucket/x");
        } else {
            let error = opened.expect_err("no object stores");
            assert_eq!(error.kind(), ErrorKind::UnsupportedScheme);
            assert!(error.hint().is_some_and(|hint| hint.contains("object-stores")), "{error:?}");
        }
    }
}
