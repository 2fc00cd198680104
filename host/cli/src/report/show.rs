//! The text of `history show`; its JSON form is that of a line of `history export`.

use std::fmt::Write as _;

use super::ledger::{EntryReport, ExportReport};
use hydra_base::Result;
use hydra_base::names::ModelName;
use hydra_base::text::printable;
use hydra_lifecycle::ledger::chain::Record;
use hydra_lifecycle::ledger::decision::DecisionDocument;
use hydra_lifecycle::ledger::history::{Fate, Step};

/// One number of the ledger, for people: as `history` shows it with the `answers` of a panel, and with what only programs need
/// otherwise.
pub fn step_text(model: &ModelName, step: &Step, answers: Result<Option<DecisionDocument>>) -> String {
    match step {
        Step::Valid { record, fate } => {
            EntryReport::new(model, record, *fate, answers).text() + &details(record)
        }
        Step::Void(record) => {
            let text = EntryReport::new(model, record, Fate::Aborted, answers).text();
            text + "       it lost a race: another entry was first, and this one never counted\n"
                + &details(record)
        }
        Step::Newer { .. } | Step::Damaged { .. } => {
            let report = ExportReport::new(step);
            let flaw = report.flaw.as_deref().map(printable).unwrap_or_default();
            format!("{:>5}  {}: {flaw}\n", report.number, report.state)
        }
    }
}

fn details(record: &Record) -> String {
    let entry = &record.entry;
    let mut text = String::new();
    // Writing to a string cannot fail.
    let mut line = |name: &str, value: &dyn std::fmt::Display| {
        let _ = writeln!(text, "       {name:<10}  {}", printable(&value.to_string()));
    };
    line("sha256", &record.digest);
    line("follows", &format!("entry {}", entry.base));
    line("request", &entry.operation_id);
    line("written by", &entry.host);
    if let Some(user) = &entry.user {
        line("user", user);
    }
    for rule in &entry.overrides {
        line("sets aside", rule);
    }
    if let Some(activation) = &entry.activation {
        line("policy", &activation.panel_sha256);
        line("asks for", &format!("{} approvals before it changes", activation.approvals));
    }
    if let Some(standing) = &entry.standing {
        line("standing", &standing.sha256);
    }
    if let Some(decided) = &entry.decided {
        let usage = &decided.usage;
        let elapsed = usage.elapsed.as_micros();
        line("input", &decided.input_sha256);
        line("evidence", &decided.evidence_sha256);
        if let Some(sha256) = &decided.model_sha256 {
            line("model", sha256);
        }
        line("used", &format!("{} fuel, {elapsed} us, {} bytes of memory", usage.fuel, usage.memory));
        line("of", &decided.budget);
    }
    text
}
