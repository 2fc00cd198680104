//! Promotes a version in two steps.

use example_common::contract::{Context, ModelVersion, PolicyError, Setting, SettingKind, Verdict};
use example_common::{approve, declare, has_alias, hours_and_minutes, parsed, set, take_over, unset};

const CHALLENGER: &str = "challenger";

pub fn settings() -> Vec<Setting> {
    vec![declare(
        "min-time",
        SettingKind::Duration,
        Some("0s"),
        "how long a version must be challenger before it may become champion",
    )]
}

pub fn promotion(target: &ModelVersion, context: &Context) -> Result<Verdict, PolicyError> {
    let min_time: u64 = parsed(context, "min-time")?;
    let version = target.version;
    if !has_alias(target, CHALLENGER) {
        let explanation =
            format!("version {version} becomes challenger; promote it again to make it champion");
        return Ok(approve(vec![set(CHALLENGER, version)], explanation));
    }
    if min_time > 0 {
        let Some(since) = challenger_since(version, context) else {
            return Ok(Verdict::Hold(format!(
                "the recorded history does not show when version {version} became challenger"
            )));
        };
        let time = context.now.saturating_sub(since);
        if time < min_time {
            return Ok(Verdict::Hold(format!(
                "version {version} has been challenger for {}; try again in {}",
                hours_and_minutes(time),
                hours_and_minutes(min_time - time)
            )));
        }
    }
    let mut moves = take_over(target, context);
    moves.push(unset(CHALLENGER));
    Ok(approve(moves, format!("version {version}, challenger until now, becomes champion")))
}

/// When the newest recorded move of the alias went to this version.
fn challenger_since(version: u64, context: &Context) -> Option<u64> {
    let newest = context.history.iter().find_map(|transition| {
        let step = transition.moves.iter().rev().find(|step| step.alias == CHALLENGER)?;
        Some((step.version, transition.at))
    });
    newest.filter(|(to, _)| *to == Some(version)).map(|(_, at)| at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use example_common::contract::{AliasMove, Operation, Transition};
    use example_common::evidence::{context, requester, version};

    const HOUR: u64 = 3_600_000;

    fn moves(verdict: Verdict) -> Vec<AliasMove> {
        match verdict {
            Verdict::Approve(approval) => approval.moves,
            other => panic!("{other:?}"),
        }
    }

    fn challenger() -> ModelVersion {
        let mut target = version(2, &[]);
        target.aliases.push(CHALLENGER.to_owned());
        target
    }

    fn became_challenger(version: u64, at: u64) -> Transition {
        Transition {
            operation: Operation::Promote,
            target: Some(version),
            moves: vec![set(CHALLENGER, version)],
            at,
            by: requester("ann"),
            reason: None,
            explanation: String::new(),
            overrides: Vec::new(),
        }
    }

    #[test]
    fn the_first_step_is_staged() {
        let verdict = promotion(&version(2, &[]), &context(&[("min-time", "0")], None)).unwrap();
        assert_eq!(moves(verdict), [set(CHALLENGER, 2)]);
    }

    #[test]
    fn the_second_step_makes_the_champion() {
        let context = context(&[("min-time", "0")], Some(version(1, &[])));
        let verdict = promotion(&challenger(), &context).unwrap();
        assert_eq!(moves(verdict), [set("champion", 2), set("archived", 1), unset(CHALLENGER)]);
    }

    #[test]
    fn a_challenger_waits_its_time() {
        let mut context = context(&[("min-time", "36000000")], None);
        assert!(matches!(promotion(&challenger(), &context).unwrap(), Verdict::Hold(_)));
        context.history = vec![became_challenger(2, 5 * HOUR), became_challenger(2, 0)];
        context.now = 14 * HOUR;
        let held = "version 2 has been challenger for 9 h; try again in 1 h";
        assert_eq!(promotion(&challenger(), &context).unwrap(), Verdict::Hold(held.to_owned()));
        context.now = 15 * HOUR;
        assert!(matches!(promotion(&challenger(), &context).unwrap(), Verdict::Approve(_)));
        context.history.insert(0, became_challenger(3, 6 * HOUR));
        assert!(matches!(promotion(&challenger(), &context).unwrap(), Verdict::Hold(_)));
    }
}
