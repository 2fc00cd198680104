//! Refusals in the form of each protocol.

use serde_json::json;

use super::rows::{Cause, Refusal};

/// The body of an answer that refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The media type.
    pub(crate) media_type: &'static str,
    /// The body.
    pub(crate) body: String,
}

impl Refusal {
    /// The answer of MLflow's scoring protocol.
    pub(crate) fn mlflow(&self, explain: bool) -> Fault {
        let (cause, says) = (self.cause(), self.says(explain));
        let status = cause.status();
        if status == 415 {
            return Fault { status, media_type: "text/plain; charset=utf-8", body: says };
        }
        // What MLflow's errors begin with, so that what looks for it finds it.
        let (error_code, sqlstate, class, begins) = match cause {
            Cause::Json => (
                "BAD_REQUEST",
                "KAM00",
                "INVALID_PARAMETER_VALUE",
                "Invalid input. Ensure that input is a valid JSON formatted string. ",
            ),
            Cause::Columns | Cause::Ragged | Cause::NoRows => {
                ("INVALID_PARAMETER_VALUE", "KAM01", "SCHEMA_ENFORCEMENT_FAILED", "Failed to predict data: ")
            }
            Cause::Value | Cause::Fraction => (
                "BAD_REQUEST",
                "KAM00",
                "INVALID_PARAMETER_VALUE",
                "Invalid input. Data is not compatible with model signature. ",
            ),
            Cause::Table => (
                "BAD_REQUEST",
                "KAM00",
                "INVALID_PARAMETER_VALUE",
                "Failed to parse input as a Pandas DataFrame. ",
            ),
            Cause::Form | Cause::Depth => {
                ("BAD_REQUEST", "KAM00", "INVALID_PARAMETER_VALUE", "Invalid input. ")
            }
            _ if status < 500 => ("BAD_REQUEST", "KAM00", "INVALID_PARAMETER_VALUE", ""),
            Cause::Internal => ("INTERNAL_ERROR", "XX000", "INTERNAL_ERROR", ""),
            _ => ("TEMPORARILY_UNAVAILABLE", "XX000", "TEMPORARILY_UNAVAILABLE", ""),
        };
        let body = json!({
            "error_code": error_code,
            "message": format!("{begins}{says}"),
            "sqlstate": sqlstate,
            "error_class": class,
        });
        Fault { status, media_type: "application/json", body: body.to_string() }
    }

    /// The answer of both of KServe's protocols.
    pub(crate) fn kserve(&self, explain: bool) -> Fault {
        let body = json!({"error": self.says(explain)}).to_string();
        Fault { status: self.cause().status(), media_type: "application/json", body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_protocol_has_its_form() {
        let refusal = Refusal::because(Cause::Columns, "missing: `age`");
        let fault = refusal.mlflow(false);
        assert_eq!((fault.status, fault.media_type), (400, "application/json"));
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&fault.body).unwrap(),
            json!({
                "error_code": "INVALID_PARAMETER_VALUE",
                "message": "Failed to predict data: the columns are not those of the model",
                "sqlstate": "KAM01",
                "error_class": "SCHEMA_ENFORCEMENT_FAILED",
            })
        );
        assert_eq!(
            refusal.kserve(true).body,
            r#"{"error":"the columns are not those of the model: missing: `age`"}"#
        );
        let fault = Refusal::new(Cause::MediaType).mlflow(false);
        assert_eq!((fault.status, fault.media_type), (415, "text/plain; charset=utf-8"));
        assert!(Refusal::new(Cause::Busy).mlflow(false).body.contains("BAD_REQUEST"));
    }
}
