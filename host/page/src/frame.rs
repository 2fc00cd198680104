//! What all pages have around their contents: the style, the script, and the policy that allows these two and nothing else.

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hydra_base::Sha256;
use hydra_base::error::{Error, ErrorKind, Result};

/// The style of all pages.
const STYLE: &str = include_str!("../assets/style.css");

/// The script of all pages.
const SCRIPT: &str = include_str!("../assets/script.js");

/// The style, the script and the policy of a page.
#[derive(Debug)]
pub(crate) struct Frame {
    pub style: &'static str,
    pub script: &'static str,
    pub policy: String,
    pub release: &'static str,
}

/// The frame of a page.
pub(crate) fn frame() -> Frame {
    Frame {
        style: STYLE,
        script: SCRIPT,
        policy: content_security_policy(),
        release: env!("CARGO_PKG_VERSION"),
    }
}

/// The text of a page.
pub(crate) fn rendered(page: &impl Template) -> Result<String> {
    page.render().map_err(|error| Error::new(ErrorKind::Internal, "cannot write the page").with_source(error))
}

/// The Content-Security-Policy of all pages: they load nothing, send nothing, and run no other script and style than their own.
#[must_use]
pub fn content_security_policy() -> String {
    let hash = |text: &str| STANDARD.encode(Sha256::of(text.as_bytes()).as_bytes());
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        hash(SCRIPT),
        hash(STYLE)
    )
}
