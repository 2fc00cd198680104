//! Compares the age of a version with the minimum.

use example_common::contract::{Context, ModelVersion, PolicyError, Setting, SettingKind, Verdict};
use example_common::{approve, declare, hours_and_minutes, parsed, take_over};

pub fn settings() -> Vec<Setting> {
    vec![declare(
        "min-age",
        SettingKind::Duration,
        Some("24h"),
        "how long a version must be registered before it may become champion",
    )]
}

pub fn promotion(target: &ModelVersion, context: &Context) -> Result<Verdict, PolicyError> {
    let min_age: u64 = parsed(context, "min-age")?;
    // A wrong clock can register a version in the future; its age is 0.
    let age = context.now.saturating_sub(target.created_at);
    if age < min_age {
        return Ok(Verdict::Hold(format!(
            "version {} is {} old; try again in {}",
            target.version,
            hours_and_minutes(age),
            hours_and_minutes(min_age - age)
        )));
    }
    let explanation = format!(
        "version {} is {} old, {} are required",
        target.version,
        hours_and_minutes(age),
        hours_and_minutes(min_age)
    );
    Ok(approve(take_over(target, context), explanation))
}

#[cfg(test)]
mod tests {
    use super::*;
    use example_common::evidence::{context, version};

    const HOUR: u64 = 3_600_000;

    fn decide(created_at: u64, now: u64) -> Verdict {
        let mut context = context(&[("min-age", "86400000")], None);
        context.now = now;
        let mut target = version(2, &[]);
        target.created_at = created_at;
        promotion(&target, &context).unwrap()
    }

    #[test]
    fn a_young_version_is_held_until_its_time() {
        let expected = "version 2 is 23 h 30 min old; try again in 30 min";
        assert_eq!(decide(0, 23 * HOUR + HOUR / 2), Verdict::Hold(expected.to_owned()));
    }

    #[test]
    fn a_version_of_the_right_age_is_approved() {
        assert!(matches!(decide(0, 24 * HOUR), Verdict::Approve(_)));
    }

    #[test]
    fn a_version_from_the_future_is_held() {
        assert!(matches!(decide(50 * HOUR, 24 * HOUR), Verdict::Hold(_)));
    }
}
