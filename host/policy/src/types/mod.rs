//! The contract as domain types: the evidence for a policy, and its answer. One set of types serves every version of the
//! contract; the modules `since_v…` convert it.
//!
//! Their JSON form is what the ledger archives and what case files contain. It survives canonical JSON (RFC 8785)
//! without loss: 64-bit integers and the numbers that JSON cannot write (NaN, infinities, negative zero) are strings,
//! and everything keyed is a sorted map, so equal evidence gives equal bytes. Reading is more lenient than writing: small
//! integers may be plain numbers, and lists and optional fields may be left out. Fields that came with version 0.2 of the
//! contract are not written if they have their default, so that inputs of earlier releases keep their bytes.
//!
//! `docs/policy-case.schema.json` quotes the docs of these types.

mod context;
mod evaluation;
mod facts;
mod transition;
mod verdict;
mod version;

pub use context::{Activity, Context, Panel, PanelRole, TargetOrigin};
pub use evaluation::{
    Agreement, Comparison, Direction, Evaluation, EvaluationKind, Interval, IntervalMethod, MeasuredMetric,
    Measurement, Quantile, Segment,
};
pub use facts::{Change, ModelFacts, ModelFormat, ModelState, OutputKind, SignatureColumn, Signer};
pub use transition::{Operation, OverrideKind, Transition};
pub use verdict::{Approval, Verdict, VerdictKind};
pub use version::{ApprovalRecord, ModelVersion, QuarantineRecord, RunData};

/// Whether a field has its default, so that its JSON leaves it out.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
