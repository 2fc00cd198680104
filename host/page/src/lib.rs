//! The history of a model's champion as one HTML page that needs nothing else: no server, no network.
//!
//! [`read`] reads a ledger and the archived evidence of its newest decisions; [`history_page`] draws it, and [`server_page`]
//! the state of a server. All text of
//! other programs is cut and made printable by [`hydra_base::text`], and escaped by the templates. A page allows its own script
//! and style by their digests and nothing else.

mod chart;
mod evidence;
mod figures;
mod frame;
mod history;
mod line;
mod measured;
mod page;
mod reading;
mod scale;
mod server;
#[cfg(test)]
mod tests;
mod text;
mod timeline;

pub use frame::content_security_policy;
pub use history::{Extent, History};
pub use page::{Now, history_page};
pub use reading::read;
pub use server::{ServedModel, ServedSeat, ServerState, server_page};
