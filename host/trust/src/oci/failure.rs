//! The errors of registries.

use reqwest::StatusCode;
use serde::Deserialize;

use super::credentials::{PASSWORD_VARIABLE, REGISTRY_VARIABLE, USERNAME_VARIABLE};
use super::reference::Reference;
use hydra_base::error::{Error, ErrorKind};
use hydra_base::text::{QUOTED_CHARS, excerpt};

/// The error of a status.
pub(super) fn of_status(status: StatusCode, body: &[u8], reference: &Reference, is_known: bool) -> Error {
    #[derive(Deserialize)]
    struct Body {
        errors: Vec<Details>,
    }
    #[derive(Deserialize)]
    struct Details {
        code: String,
        #[serde(default)]
        message: String,
    }
    let log_in = format!(
        "log in (`docker login {registry}`, `podman login {registry}`), or set `{REGISTRY_VARIABLE}`, `{USERNAME_VARIABLE}` \
         and `{PASSWORD_VARIABLE}`",
        registry = reference.registry()
    );
    let (kind, message, hint) = match status {
        StatusCode::UNAUTHORIZED if is_known => {
            (ErrorKind::Unauthenticated, "the registry refuses the credentials", Some(log_in))
        }
        StatusCode::UNAUTHORIZED => {
            (ErrorKind::Unauthenticated, "the registry asks for credentials", Some(log_in))
        }
        StatusCode::FORBIDDEN => {
            (ErrorKind::PermissionDenied, "the registry does not permit the request", None)
        }
        StatusCode::NOT_FOUND => {
            (ErrorKind::PolicyArtifactNotFound, "the registry does not have the artifact", None)
        }
        StatusCode::TOO_MANY_REQUESTS => (ErrorKind::RateLimited, "the registry asks to slow down", None),
        status if status.is_server_error() => (ErrorKind::Server, "the registry failed", None),
        _ => (ErrorKind::RegistryProtocol, "the registry refuses the request", None),
    };
    let mut error = Error::new(kind, message)
        .with_context("reference", reference)
        .with_context("status", status.as_u16())
        .with_retryable(matches!(kind, ErrorKind::RateLimited | ErrorKind::Server));
    if let Some(first) =
        serde_json::from_slice::<Body>(body).ok().and_then(|body| body.errors.into_iter().next())
    {
        error = error.with_context("code", excerpt(first.code, QUOTED_CHARS));
        if !first.message.is_empty() {
            error = error.with_context("message", excerpt(first.message, QUOTED_CHARS * 2));
        }
    }
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// The error of a request without an answer, or of an answer that broke off.
pub(super) fn of_transport(error: reqwest::Error, reference: &Reference) -> Error {
    let (kind, message) = if error.is_timeout() {
        (ErrorKind::Timeout, "the registry did not answer in time")
    } else if error.is_builder() {
        (ErrorKind::RegistryProtocol, "the registry names an address that cannot be asked")
    } else {
        (ErrorKind::Unreachable, "the registry cannot be reached")
    };
    let speaks_no_tls = format!("{error:?}").contains("InvalidContentType");
    // The address may hold a signature of a store.
    let error = Error::new(kind, message)
        .with_context("registry", reference.registry())
        .with_retryable(kind != ErrorKind::RegistryProtocol)
        .with_source(error.without_url());
    if speaks_no_tls {
        return error.with_hint(
            "the registry answers without TLS; ask it so with `--oci-plain-http`, if the network is yours",
        );
    }
    error
}

/// The error of an answer that no registry gives.
pub(super) fn protocol(message: &str, reference: &Reference) -> Error {
    Error::new(ErrorKind::RegistryProtocol, message.to_owned())
        .with_context("registry", reference.registry())
        .with_hint("check that the reference names an OCI registry")
}
