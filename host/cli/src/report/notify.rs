//! The JSON form of `notify`, and its text for people.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use hydra_base::names::ModelName;
use hydra_base::text::printable;
use hydra_notify::Delivered;

/// `notify catch-up` and `notify test`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct NotifyReport {
    /// `hydra-registry/notify/1`.
    pub schema: &'static str,
    /// The registered model.
    pub model: String,
    /// The receivers.
    pub receivers: Vec<DeliveredReport>,
}

/// What a receiver was told.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DeliveredReport {
    /// Its name in `hydra.toml`.
    pub receiver: String,
    /// The number of events that it took.
    pub sent: usize,
    /// The newest entry that it was told by this command; `None` if it was told none.
    pub entry: Option<u64>,
    /// Why it was not told more.
    pub error: Option<String>,
}

impl NotifyReport {
    /// What the receivers of a model were told.
    #[must_use]
    pub fn new(model: &ModelName, delivered: &[Delivered], malformed: &[hydra_base::Error]) -> Self {
        let told = delivered.iter().map(|one| DeliveredReport {
            receiver: one.receiver.clone(),
            sent: one.sent,
            entry: one.cursor,
            error: one.error.as_ref().map(ToString::to_string),
        });
        let not_told = malformed.iter().map(|error| DeliveredReport {
            receiver: String::new(),
            sent: 0,
            entry: None,
            error: Some(error.to_string()),
        });
        Self {
            schema: "hydra-registry/notify/1",
            model: model.to_string(),
            receivers: told.chain(not_told).collect(),
        }
    }

    /// Whether every receiver took everything.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.receivers.iter().all(|one| one.error.is_none())
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for one in &self.receivers {
            // Writing to a string cannot fail.
            let _ = match (&one.error, one.entry) {
                (Some(error), _) => writeln!(text, "{}", printable(error)),
                (None, Some(entry)) => {
                    writeln!(text, "{}: {} events, up to entry {entry}", one.receiver, one.sent)
                }
                (None, None) => writeln!(text, "{}: {} events", one.receiver, one.sent),
            };
        }
        text
    }
}
