//! From an artifact URI to the store that holds it.

use std::path::PathBuf;
use std::sync::Arc;

use super::object::{self, ObjectArtifacts};
use super::{ArtifactStore, LocalAccess, LocalArtifacts};
use crate::environment::Environment;
use crate::rest::ArtifactProxy;
use crate::uri::{ArtifactUri, Location};
use hydra_base::error::{Error, ErrorKind, Result};

/// Turns artifact URIs, which come from a store and are not trusted, into artifact stores.
#[derive(Debug, Clone)]
pub struct ArtifactResolver {
    local: LocalAccess,
    proxy: Option<Arc<ArtifactProxy>>,
    environment: Environment,
}

impl ArtifactResolver {
    /// For a store on this machine, which may name any local directory.
    #[must_use]
    pub fn local() -> Self {
        Self { local: LocalAccess::Anywhere, proxy: None, environment: Environment::default() }
    }

    /// For a tracking server: its artifact proxy, and the local directories that it may name.
    #[must_use]
    pub fn remote(proxy: Arc<ArtifactProxy>, local: LocalAccess) -> Self {
        Self { local, proxy: Some(proxy), environment: Environment::default() }
    }

    /// The same with the credentials and endpoints of object stores from `environment`; without it there are none.
    #[must_use]
    pub fn with_environment(self, environment: &Environment) -> Self {
        Self { environment: environment.clone(), ..self }
    }

    /// The same, with local directories at or below `roots` only.
    #[must_use]
    pub fn within(self, roots: Vec<PathBuf>) -> Self {
        Self { local: LocalAccess::Within(roots), ..self }
    }

    /// Whether the URIs come from a server.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        self.proxy.is_some()
    }

    /// Opens the artifact root that `uri` names. `UnsupportedScheme` for a scheme without a store, `Untrusted`
    /// for a place that this store must not send us to.
    pub fn open(&self, uri: &str) -> Result<Box<dyn ArtifactStore>> {
        let parsed = ArtifactUri::new(uri)?;
        match (parsed.location(), &self.proxy) {
            (Location::Proxied { authority, path }, Some(proxy)) => {
                Ok(Box::new(proxy.open(&parsed, authority.as_deref(), path)?))
            }
            (Location::Local(path), _) => {
                self.local.check(path)?;
                Ok(Box::new(LocalArtifacts::new(uri, path)))
            }
            (Location::Other(scheme), _) if object::SCHEMES.contains(&scheme.as_str()) => {
                Ok(Box::new(ObjectArtifacts::new(uri, &self.environment)?))
            }
            _ => Err(self.unsupported(&parsed)),
        }
    }

    fn unsupported(&self, uri: &ArtifactUri) -> Error {
        let supported = if self.proxy.is_some() {
            "`mlflow-artifacts:`, local paths, `file:`, `s3:`, `gs:`, `wasbs:` and `abfss:`"
        } else {
            "local paths, `file:`, `s3:`, `gs:`, `wasbs:` and `abfss:`"
        };
        Error::new(ErrorKind::UnsupportedScheme, "the URI's scheme is not supported for artifacts")
            .with_context("uri", uri)
            .with_hint(format!("use a scheme that this tracking store supports: {supported}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_store_opens_paths_and_names_what_it_supports() {
        let resolver = ArtifactResolver::local();
        assert_eq!(resolver.open("/tmp/x").expect("a path").uri(), "/tmp/x");
        assert_eq!(resolver.open("file:///tmp/a%20b").expect("a URL").uri(), "file:///tmp/a%20b");
        for uri in ["mlflow-artifacts:/1/x", "ftp://key:secret@host/x", "runs:/abc/model"] {
            let error = resolver.open(uri).expect_err(uri);
            assert_eq!(error.kind(), ErrorKind::UnsupportedScheme, "{uri}");
            assert!(error.hint().is_some_and(|hint| hint.contains("file:")));
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
