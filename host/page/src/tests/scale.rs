//! Long ledgers.

use std::time::Instant;

use hydra_lifecycle::ledger::history::Step;
use hydra_policy::VerdictKind;

use super::{evidence, history, now, promotion, refusal, valid};
use crate::history::{Found, LINES};
use crate::page::history_page;

/// A ledger in which every third decision is a refusal with a long explanation.
fn steps(count: u64) -> impl Iterator<Item = Step> {
    (1..=count).rev().map(|number| {
        let mut record = match number % 3 {
            0 => refusal(number, number, number + 7, VerdictKind::Reject),
            1 => refusal(number, number, number + 7, VerdictKind::Hold),
            _ => promotion(number, number, number + 1),
        };
        record.entry.explanation = "auc \"0.913\" < 0.92 & log_loss > 0.3; ".repeat(50);
        valid(record)
    })
}

#[test]
fn ten_thousand_entries_are_a_page_of_five_megabytes() {
    let mut history = history(steps(10_000));
    for number in 9_801..=10_000 {
        let record = refusal(number, number, 3, VerdictKind::Reject);
        let found: Found = Ok(Box::new(evidence(&record, 4_000)));
        history.evidence.insert(number, found);
    }
    let start = Instant::now();
    let page = history_page(&history, &now(10_000)).expect("a page");
    let (took, bytes) = (start.elapsed(), page.len());
    // `cargo test --workspace --release --lib -- ten_thousand_entries_are --nocapture` shows it; machines differ, so nothing is asserted.
    println!("10,000 entries, 200 of them with 4,000 figures each: {bytes} bytes, {took:?} after reading");
    assert!(bytes <= 5_000_000, "{bytes} bytes");
    assert_eq!(page.matches("<details class=\"e ").count(), 10_000);
    assert_eq!(page.matches("<details class=\"fold\">").count(), 19);
}

#[test]
fn a_longer_ledger_lists_its_newest_entries_and_counts_the_others() {
    let count = LINES as u64 + 2_500;
    let history = history(steps(count));
    let page = history_page(&history, &now(1)).expect("a page");
    assert!(page.len() < 5_000_000, "{}", page.len());
    assert!(page.contains("older entries are not listed here"), "the rest is counted");
}
