//! Counts of promotions, and the hours of a place.

use super::*;
use example_common::contract::{AliasMove, Transition};
use example_common::evidence::{self, requester, version};

/// Monday, 2026-11-23, 00:00 UTC.
const MONDAY: u64 = 1_795_392_000_000;

fn context(now: u64, given: &[(&str, &str)]) -> Context {
    let mut settings =
        vec![("weekdays", "mon,tue,wed,thu,fri"), ("hours", "00:00 to 24:00"), ("utc-offset", "0")];
    settings.retain(|(key, _)| given.iter().all(|(other, _)| other != key));
    settings.extend(given);
    let mut context = evidence::context(&settings, None);
    context.now = now;
    context
}

fn decide(now: u64, given: &[(&str, &str)]) -> Verdict {
    promotion(&version(2, &[]), &context(now, given)).unwrap()
}

#[track_caller]
fn assert_held(verdict: &Verdict, words: &str) {
    assert_eq!(*verdict, Verdict::Hold(words.to_owned()));
}

fn promoted(alias: &str, at: u64) -> Transition {
    Transition {
        operation: Operation::Promote,
        target: Some(1),
        moves: vec![AliasMove { alias: alias.to_owned(), version: Some(1) }],
        at,
        by: requester("ann"),
        reason: None,
        explanation: String::new(),
        overrides: Vec::new(),
    }
}

#[test]
fn promotions_are_counted_up_to_the_limit() {
    let at = |day, week| {
        let mut context = context(MONDAY, &[("per-day", "1"), ("per-week", "3")]);
        (context.activity.promotions_last_day, context.activity.promotions_last_week) = (day, week);
        promotion(&version(2, &[]), &context).unwrap()
    };
    let Verdict::Approve(approval) = at(0, 2) else { panic!("not approved") };
    assert_eq!(
        approval.explanation,
        "version 2 becomes champion within the budget; 0 promotions in 24 hours, at most 1; 2 promotions in 7 days, at most 3"
    );
    assert_held(&at(1, 2), "1 promotion in 24 hours, at most 1");
    assert_held(&at(0, 3), "3 promotions in 7 days, at most 3");
    assert_held(&at(2, 4), "2 promotions in 24 hours, at most 1; 4 promotions in 7 days, at most 3");
}

#[test]
fn the_history_shows_when_a_promotion_fits_again() {
    let mut context = context(MONDAY + 20 * HOUR, &[("per-day", "2"), ("per-month", "0")]);
    context.activity.promotions_last_day = 2;
    // Promotions of a challenger, and the newest champion, do not matter.
    context.history =
        [("challenger", 19), ("champion", 18), ("challenger", 10), ("champion", 6), ("champion", 1)]
            .map(|(alias, hour)| promoted(alias, MONDAY + hour * HOUR))
            .to_vec();
    let words = |context: &Context| match promotion(&version(2, &[]), context).unwrap() {
        Verdict::Hold(words) => words,
        other => panic!("{other:?}"),
    };
    // A limit of 0 never ends.
    assert_eq!(words(&context), "2 promotions in 24 hours, at most 2; 0 promotions in 30 days, at most 0");
    context.settings.retain(|entry| entry.key != "per-month");
    assert_eq!(words(&context), "2 promotions in 24 hours, at most 2; try again in 10 h");
    // By then it is Saturday.
    context.now += 4 * 24 * HOUR;
    for past in &mut context.history {
        past.at += 4 * 24 * HOUR;
    }
    assert_eq!(words(&context), "2 promotions in 24 hours, at most 2; try again in 52 h");
    context.history.clear();
    assert_eq!(words(&context), "2 promotions in 24 hours, at most 2");
}

#[test]
fn weekends_and_hours_are_those_of_the_place() {
    let zone = [("utc-offset", "60"), ("hours", "09:00 to 16:00")];
    let at = |hour| decide(MONDAY + hour * HOUR, &zone);
    assert_held(
        &at(7),
        "it is 08:00 o'clock, promotions are from 09:00 to 16:00 (UTC+01:00); try again in 1 h",
    );
    assert!(matches!(at(8), Verdict::Approve(_)));
    assert!(matches!(decide(MONDAY + 15 * HOUR - 1, &zone), Verdict::Approve(_)));
    assert_held(
        &at(15),
        "it is 16:00 o'clock, promotions are from 09:00 to 16:00 (UTC+01:00); try again in 17 h",
    );
    // Friday 23:30 UTC is Saturday in Berlin, and Sunday 23:00 UTC is Monday.
    let berlin = [("utc-offset", "60")];
    let saturday = MONDAY + 4 * 24 * HOUR + 23 * HOUR + HOUR / 2;
    assert_held(
        &decide(saturday, &berlin),
        "there are no promotions on sat (UTC+01:00); try again in 47 h 30 min",
    );
    assert!(matches!(decide(MONDAY - HOUR, &berlin), Verdict::Approve(_)));
    assert_held(
        &decide(MONDAY, &[("utc-offset", "-210")]),
        "there are no promotions on sun (UTC-03:30); try again in 3 h 30 min",
    );
}

#[test]
fn holidays_are_closed_in_one_year_or_in_all() {
    // 2026-11-23 is a Monday.
    for holidays in ["11-23", "2026-11-23", "2026-12-25,11-23"] {
        let held = "11-23 is a holiday (UTC); try again in 12 h";
        assert_held(&decide(MONDAY + 12 * HOUR, &[("holidays", holidays)]), held);
    }
    assert!(matches!(decide(MONDAY, &[("holidays", "2025-11-23,11-24")]), Verdict::Approve(_)));
    let all_week = [("weekdays", "tue"), ("holidays", "2026-11-24,12-01")];
    assert_held(&decide(MONDAY, &all_week), "there are no promotions on mon (UTC); try again in 360 h");
}

#[test]
fn what_never_opens_names_no_time() {
    let days: Vec<String> =
        (1..=12).flat_map(|month| (1..=28).map(move |day| format!("{month:02}-{day:02}"))).collect();
    let holidays = format!(
        "{},01-29,01-30,01-31,02-29,03-29,03-30,03-31,04-29,04-30,05-29,05-30,05-31,06-29,06-30,07-29,07-30,07-31,08-29,08-30,08-31,09-29,09-30,10-29,10-30,10-31,11-29,11-30,12-29,12-30,12-31",
        days.join(",")
    );
    assert_held(&decide(MONDAY, &[("holidays", &holidays)]), "11-23 is a holiday (UTC)");
}

#[test]
fn unusable_settings_are_errors() {
    for (key, value) in [
        ("per-day", "-1"),
        ("per-week", "4294967296"),
        ("weekdays", "monday"),
        ("weekdays", ""),
        ("hours", "16:00 to 09:00"),
        ("hours", "9 to 16"),
        ("hours", "09:00 to 09:00"),
        ("holidays", "2026-02-30"),
        ("holidays", "13-01"),
        ("holidays", "easter"),
    ] {
        // Also at a time at which nothing else would be asked.
        for now in [MONDAY, MONDAY - 24 * HOUR] {
            let decided = promotion(&version(2, &[]), &context(now, &[(key, value)]));
            assert!(
                matches!(&decided, Err(PolicyError::InvalidSettings(words)) if words.contains(key)),
                "{decided:?}"
            );
        }
    }
}

#[test]
fn any_time_is_decided() {
    for now in [0, 1, u64::MAX] {
        for offset in ["-1080", "0", "1080"] {
            let given = [("utc-offset", offset), ("holidays", "01-01"), ("hours", "09:00 to 10:00")];
            let Verdict::Hold(words) = decide(now, &given) else { continue };
            assert!(words.len() <= 1_000, "{words}");
        }
    }
}
