//! How the JSON Schemas of reports describe values of crates that have no schemas, and the schemas of all reports, which a test
//! writes to `docs/schemas`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// Declares types that only stand for a schema.
macro_rules! described {
    ($($(#[doc = $doc:literal])+ $name:ident = $schema:tt;)+) => {
        $(
            $(#[doc = $doc])+
            pub enum $name {}

            impl JsonSchema for $name {
                fn schema_name() -> Cow<'static, str> {
                    stringify!($name).into()
                }

                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    json_schema!($schema)
                }
            }
        )+
    };
}

described! {
    /// The identity of a policy.
    Identity = {
        "type": "object",
        "description": "name and version as the policy says them, and the SHA-256 of its component",
        "properties": {
            "name": { "type": "string" },
            "version": { "type": "string" },
            "sha256": { "type": "string", "pattern": "^[0-9a-f]{64}$" }
        },
        "required": ["name", "version", "sha256"]
    };
    /// What a component was built from and with.
    Build = {
        "type": "object",
        "properties": {
            "language": { "type": "string" },
            "tools": { "type": "object", "additionalProperties": { "type": "string" } },
            "sources": { "type": "string", "pattern": "^[0-9a-f]{64}$" }
        },
        "required": ["language", "tools", "sources"]
    };
    /// The outcome of a request.
    OutcomeName = { "type": "string", "enum": ["done", "staged", "unchanged", "rejected", "held"] };
    /// The answer of a policy of a panel.
    AnswerName = { "type": "string", "enum": ["approve", "reject", "hold", "error"] };
    /// Why an evaluation is left out.
    FlawName = {
        "type": "string",
        "enum": [
            "malformed-tag", "missing", "unreadable", "too-large", "altered", "unsupported", "malformed", "other-dataset",
            "not-measured", "other-model", "too-many"
        ]
    };
    /// An evaluation that the host found for a decision.
    Note = {
        "type": "object",
        "properties": {
            "dataset": { "type": "string" },
            "sha256": { "type": "string" },
            "first_hand": { "type": "boolean" },
            "flaw": { "type": "string" }
        },
        "required": ["dataset"]
    };
    /// What changes for the users of the predictions.
    ChangeOfModel = {
        "type": "object",
        "properties": {
            "change": { "type": "string", "enum": ["output", "classes", "columns"] },
            "from": {},
            "to": {},
            "outputs": { "type": "object" },
            "added": { "type": "array", "items": { "type": "string" } },
            "removed": { "type": "array", "items": { "type": "string" } },
            "now_categories": { "type": "array", "items": { "type": "string" } },
            "now_numbers": { "type": "array", "items": { "type": "string" } }
        },
        "required": ["change"]
    };
    /// An entry of the ledger as it is stored.
    LedgerEntry = {
        "type": "object",
        "description": "the entry as it is stored; docs/formats.md describes its parts; 64-bit numbers are decimal strings",
        "properties": {
            "schema": { "type": "integer", "minimum": 1 },
            "ledger": { "type": "string" },
            "operation": { "type": "string" },
            "operation_id": { "type": "string" },
            "base": { "type": "string" },
            "previous": { "type": ["string", "null"] },
            "target": { "type": "string" },
            "actor": { "type": "string" },
            "reason": { "type": "string" },
            "at": { "type": "string" },
            "expires": { "type": "string" },
            "explanation": { "type": "string" },
            "before": { "type": "object" },
            "after": { "type": "object" },
            "side": { "type": "object" },
            "decided": { "type": "object" },
            "origin": { "type": "object" },
            "bridge": { "type": "object" },
            "standing": { "type": "object" },
            "user": { "type": "string" },
            "clock_ms": { "type": "string" },
            "overrides": { "type": "array", "items": { "type": "string" } },
            "subject": { "type": "object" },
            "quarantines": { "type": "array", "items": { "type": "string" } },
            "activation": { "type": "object" },
            "archive": { "type": "object" },
            "host": { "type": "string" }
        },
        "required": ["schema", "ledger", "operation", "operation_id", "base", "actor", "at", "explanation", "before", "after"]
    };
    /// The document of an evaluation.
    EvaluationDocument = {
        "type": "object",
        "description": "the evaluation as it is recorded; docs/formats.md describes its parts",
        "properties": {
            "schema": { "type": "integer", "minimum": 1 },
            "kind": { "type": "string", "enum": ["holdout", "shadow"] },
            "dataset": { "type": "object" },
            "began_at": { "type": "string" },
            "measured_at": { "type": "string" },
            "host": { "type": "string" },
            "task": { "type": "string" },
            "classes": { "type": "array", "items": { "type": "string" } },
            "settings": { "type": "object" },
            "baseline": { "type": "string" },
            "versions": { "type": "array", "items": { "type": "object" } },
            "segments": { "type": "array", "items": { "type": "object" } },
            "measurements": { "type": "array", "items": { "type": "object" } },
            "comparisons": { "type": "array", "items": { "type": "object" } },
            "agreements": { "type": "array", "items": { "type": "object" } }
        },
        "required": ["schema", "kind", "dataset", "measured_at", "baseline", "versions", "measurements", "comparisons"]
    };
    /// The limits of a decision.
    Limits = { "type": "object", "description": "the limits by name; 64-bit numbers are decimal strings" };
    /// A change that flips a verdict.
    FlipOfVerdict = {
        "type": "object",
        "properties": {
            "kind": { "type": "string" },
            "what": { "type": "string" },
            "from": { "type": ["string", "null"] },
            "relation": { "type": "string", "enum": ["at-least", "at-most", "exactly", "any"] },
            "to": { "type": "string" },
            "until": { "type": ["string", "null"] },
            "verdict": { "type": "string", "enum": ["approve", "reject", "hold"] },
            "explanation": { "type": "string" },
            "moves": { "type": "array", "items": { "type": "object" } }
        },
        "required": ["kind", "what", "relation", "to", "verdict", "explanation", "moves"]
    };
    /// A move of an alias.
    MoveOfAlias = {
        "type": "object",
        "properties": { "alias": { "type": "string" }, "version": { "type": ["string", "null"] } },
        "required": ["alias"]
    };
    /// A problem of an entry.
    FlawOfEntry = {
        "type": "object",
        "properties": { "entry": { "type": "integer" }, "what": { "type": "string" } },
        "required": ["entry", "what"]
    };
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use schemars::generate::SchemaSettings;
    use serde_json::{Value, json};

    use super::*;
    use crate::commands::config::{ConfigCheckReport, ConfigReport};
    use crate::evaluate::EvaluationReport;
    use crate::policy::compile::CompileReport;
    use crate::policy::report::{
        BenchReport, BuildReport, CheckReport, InspectReport, NewReport, RunReport, TestReport,
    };
    use crate::policy::sharing::{PullReport, PushReport};
    use crate::policy::signing::{SignReport, VerifyReport as SignaturesReport};
    use crate::policy::what_if::report::WhatIfReport;
    use crate::predict::PredictionReport;
    use crate::report::*;

    fn schema<T: JsonSchema>() -> Value {
        let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
        generator.into_root_schema_for::<T>().to_value()
    }

    /// The schema of an item of `list`, of which some fields are only there if the caller asks for them.
    fn version() -> Value {
        let mut schema = schema::<ListedReport>();
        let required = schema["required"].as_array_mut().expect("the required fields");
        required.retain(|name| name != "metrics" && name != "evaluations");
        schema
    }

    /// The schema of the list that the command `of` prints, with items of this schema.
    fn list(mut schema: Value, field: &str, of: &str) -> Value {
        let definitions = schema.as_object_mut().and_then(|schema| schema.remove("$defs"));
        let mut whole = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "description": format!("`{of}`; with `--output jsonl`, each item is a document of its own"),
            "type": "object",
            "properties": {
                "schema": {},
                "model": { "type": "string", "description": "The registered model." },
                field: { "type": "array", "items": schema }
            },
            "required": ["schema", "model", field]
        });
        if let (Some(definitions), Some(whole)) = (definitions, whole.as_object_mut()) {
            whole.insert("$defs".to_owned(), definitions);
        }
        whole
    }

    /// The schema of what a command prints about several models.
    fn several(item: Value, of: &str) -> Value {
        let mut whole = list(item, "models", of);
        if let Some(properties) = whole["properties"].as_object_mut() {
            properties.remove("model");
        }
        whole["required"] = json!(["schema", "models"]);
        whole
    }

    /// Every report, by the name in its `schema` field.
    fn schemas() -> Vec<(&'static str, Value)> {
        let all = vec![
            ("active-policies", several(schema::<ActivePolicyReport>(), "policy active")),
            ("active-policy", schema::<ActivePolicyReport>()),
            ("backtest", schema::<BacktestReport>()),
            ("candidate", schema::<CandidateReport>()),
            ("champion", schema::<ChampionReport>()),
            ("champion-as-of", schema::<AsOfReport>()),
            ("config", schema::<ConfigReport>()),
            ("config-check", schema::<ConfigCheckReport>()),
            ("copy", schema::<CopyReport>()),
            ("diff", schema::<DiffReport>()),
            ("doctor", schema::<DoctorReport>()),
            ("doctor-models", schema::<DoctorsReport>()),
            ("download", schema::<DownloadReport>()),
            ("entry", schema::<EntryReport>()),
            ("entry-details", schema::<EntryDetailsReport>()),
            ("error", schema::<ErrorReport>()),
            ("evaluation", schema::<EvaluationReport>()),
            ("history", list(schema::<EntryReport>(), "entries", "history")),
            ("ledger-export", schema::<ExportReport>()),
            ("ledger-head", schema::<HeadReport>()),
            ("model-version", schema::<ModelVersionReport>()),
            ("model-sign", schema::<SignReport>()),
            ("model-verify", schema::<SignaturesReport>()),
            ("note", schema::<NoteReport>()),
            ("notify", schema::<NotifyReport>()),
            ("policy-bench", schema::<BenchReport>()),
            ("policy-build", schema::<BuildReport>()),
            ("policy-build-check", schema::<CheckReport>()),
            ("policy-compile", schema::<CompileReport>()),
            ("policy-inspect", schema::<InspectReport>()),
            ("policy-new", schema::<NewReport>()),
            ("policy-pull", schema::<PullReport>()),
            ("policy-push", schema::<PushReport>()),
            ("policy-run", schema::<RunReport>()),
            ("policy-sign", schema::<SignReport>()),
            ("policy-statement", schema::<PolicyStatementReport>()),
            ("policy-statements", several(schema::<PolicyStatementReport>(), "policy activate")),
            ("policy-test", schema::<TestReport>()),
            ("policy-verify", schema::<SignaturesReport>()),
            ("policy-what-if", schema::<WhatIfReport>()),
            ("prediction", schema::<PredictionReport>()),
            ("statement", schema::<StatementReport>()),
            ("status", schema::<StatusReport>()),
            ("transition", schema::<TransitionReport>()),
            ("verify", schema::<VerifyReport>()),
            ("version", version()),
            ("versions", list(version(), "versions", "list")),
        ];
        let named = |(name, mut schema): (&'static str, Value)| {
            schema["$id"] = format!("urn:hydra-registry:{name}:1").into();
            schema["properties"]["schema"] = json!({ "const": format!("hydra-registry/{name}/1") });
            (name, schema)
        };
        all.into_iter().map(named).collect()
    }

    /// `HYDRA_UPDATE=1` rewrites the files.
    #[test]
    fn the_schemas_in_docs_are_those_of_the_reports() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schemas");
        let update = std::env::var_os("HYDRA_UPDATE").is_some();
        if update {
            fs::create_dir_all(&directory).expect("a directory");
        }
        let mut known = Vec::new();
        for (name, schema) in schemas() {
            let file = format!("{name}.json");
            let text = serde_json::to_string_pretty(&schema).expect("JSON") + "\n";
            if update {
                fs::write(directory.join(&file), &text).expect("a file");
            }
            let found = fs::read_to_string(directory.join(&file)).unwrap_or_default();
            assert_eq!(found, text, "set HYDRA_UPDATE=1 to rewrite docs/schemas/{file}");
            known.push(file);
        }
        let files =
            fs::read_dir(&directory).expect("the schemas").map(|file| file.expect("a file").file_name());
        for file in files {
            let file = file.to_string_lossy().into_owned();
            assert!(known.contains(&file), "no report has the schema docs/schemas/{file}");
        }
    }
}
