//! The search along one scale: where a verdict flips between values that were tried, and the bisection in between.

use hydra_policy::VerdictKind;

use super::scale::Scale;

/// The most decisions that a bisection asks.
pub(super) const MOST_STEPS: usize = 24;

/// How many values are tried that are simpler than the result of a bisection.
const MOST_SIMPLER: usize = 3;

/// Two neighbouring values, between which the verdict flips.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bracket {
    /// The value with the present verdict, or with another one than `verdict`; `None` if every value tried flips it.
    pub near: Option<f64>,
    /// The value with the new verdict.
    pub far: f64,
    /// The new verdict.
    pub verdict: VerdictKind,
    /// The value next tried in the same direction with another verdict, or with none.
    pub until: Option<f64>,
}

/// A value that was tried, with the verdict, or none if the policy failed.
pub(super) type Tried = (f64, Option<VerdictKind>);

/// Where the verdict flips, in each direction from the present value at most once, the smaller value first. `tried` is in
/// ascending order. An approval counts more than other verdicts, unless the present verdict is one.
pub(super) fn brackets(present: VerdictKind, base: Option<f64>, tried: &[Tried]) -> Vec<Bracket> {
    let split = base.map_or(0, |base| tried.partition_point(|(value, _)| *value < base));
    let base = base.map(|base| (base, Some(present)));
    let up: Vec<Tried> = base.into_iter().chain(tried[split..].iter().copied()).collect();
    let down: Vec<Tried> = base.into_iter().chain(tried[..split].iter().rev().copied()).collect();
    let found = [bracket(present, &down), bracket(present, &up)];
    let found: Vec<Bracket> = found.into_iter().flatten().collect();
    match found.as_slice() {
        // Without a present value there is one direction only. The run of values that flip may end and not begin.
        [Bracket { near: None, far, verdict, until: Some(_) }] if base.is_none() => {
            let last = up.iter().take_while(|(_, kind)| *kind == Some(*verdict)).last();
            let until = up.iter().find(|(_, kind)| *kind != Some(*verdict));
            let near = until.map(|(value, _)| *value);
            vec![Bracket {
                near,
                far: last.map_or(*far, |(value, _)| *value),
                verdict: *verdict,
                until: None,
            }]
        }
        _ => found,
    }
}

fn bracket(present: VerdictKind, path: &[Tried]) -> Option<Bracket> {
    let differs = |kind: Option<VerdictKind>| kind.filter(|kind| *kind != present);
    let wanted =
        path.iter().position(|(_, kind)| *kind == Some(VerdictKind::Approve) && differs(*kind).is_some());
    let first = wanted.or_else(|| path.iter().position(|(_, kind)| differs(*kind).is_some()))?;
    let (far, verdict) = path.get(first).and_then(|(value, kind)| Some((*value, (*kind)?)))?;
    let near = first.checked_sub(1).and_then(|index| path.get(index)).map(|(value, _)| *value);
    let until = path[first..].iter().find(|(_, kind)| *kind != Some(verdict)).map(|(value, _)| *value);
    Some(Bracket { near, far, verdict, until })
}

/// Narrows a bracket down. `flips` asks the policy about a value; `None` ends the search early, and the result is a value that
/// flips in any case.
pub(super) fn narrow(
    scale: Scale,
    base: Option<f64>,
    bracket: Bracket,
    mut flips: impl FnMut(f64) -> Option<bool>,
) -> f64 {
    let Bracket { near: Some(mut near), mut far, .. } = bracket else { return bracket.far };
    let mut simplified = 0;
    for _ in 0..MOST_STEPS {
        let middle = scale.between(near, far, base);
        simplified += usize::from(middle.is_none());
        let simplest =
            || scale.simplest(near, far).filter(|value| *value != far && simplified <= MOST_SIMPLER);
        let Some(value) = middle.or_else(simplest) else { break };
        match flips(value) {
            Some(true) => far = value,
            Some(false) => near = value,
            None => break,
        }
    }
    far
}

#[cfg(test)]
mod tests {
    use super::*;
    use VerdictKind::{Approve, Hold, Reject};

    fn tried(verdict: impl Fn(f64) -> Option<VerdictKind>, values: &[f64]) -> Vec<Tried> {
        values.iter().map(|value| (*value, verdict(*value))).collect()
    }

    #[test]
    fn the_first_flip_in_each_direction_counts() {
        let window = |value: f64| Some(if (1.0..3.0).contains(&value) { Hold } else { Reject });
        let found = brackets(Hold, Some(2.0), &tried(window, &[0.0, 1.0, 3.0, 4.0]));
        let bracket = |near, far| Bracket { near: Some(near), far, verdict: Reject, until: None };
        assert_eq!(found, [bracket(1.0, 0.0), bracket(2.0, 3.0)]);
        assert_eq!(brackets(Hold, Some(2.0), &tried(|_| Some(Hold), &[0.0, 4.0])), []);
        assert_eq!(
            brackets(Hold, Some(2.0), &tried(|_| None, &[0.0, 4.0])),
            [],
            "a failure is not a verdict"
        );
    }

    #[test]
    fn an_approval_further_away_counts_more_than_a_hold() {
        let rule = |value: f64| {
            Some(if value > 3.0 {
                Approve
            } else if value > 1.0 {
                Hold
            } else {
                Reject
            })
        };
        let found = brackets(Reject, Some(0.0), &tried(rule, &[1.0, 2.0, 3.0, 4.0]));
        assert_eq!(found, [Bracket { near: Some(3.0), far: 4.0, verdict: Approve, until: None }]);
        let found = brackets(Approve, Some(4.0), &tried(rule, &[1.0, 2.0, 3.0]));
        assert_eq!(found, [Bracket { near: Some(4.0), far: 3.0, verdict: Hold, until: Some(1.0) }]);
    }

    #[test]
    fn what_is_absent_has_no_direction() {
        let values = [0.0, 1.0, 2.0];
        let at_least = |value: f64| Some(if value >= 1.0 { Approve } else { Reject });
        let at_most = |value: f64| Some(if value <= 1.0 { Approve } else { Reject });
        let found = |rule: &dyn Fn(f64) -> Option<VerdictKind>| brackets(Hold, None, &tried(rule, &values));
        assert_eq!(found(&at_least), [Bracket { near: Some(0.0), far: 1.0, verdict: Approve, until: None }]);
        assert_eq!(found(&at_most), [Bracket { near: Some(2.0), far: 1.0, verdict: Approve, until: None }]);
        assert_eq!(
            found(&|_| Some(Approve)),
            [Bracket { near: None, far: 0.0, verdict: Approve, until: None }]
        );
    }

    #[test]
    fn bisection_finds_the_simplest_threshold() {
        let mut asked = 0;
        let mut threshold = |scale, base, near: f64, far: f64, flips: &dyn Fn(f64) -> bool| {
            asked = 0;
            let bracket = Bracket { near: Some(near), far, verdict: Approve, until: None };
            let found = narrow(scale, base, bracket, |value| {
                asked += 1;
                Some(flips(value))
            });
            assert!(asked <= MOST_STEPS && flips(found), "{asked} {found}");
            scale.show(found)
        };
        assert_eq!(threshold(Scale::Number, Some(0.91), 0.91, 1.0, &|value| value >= 0.912), "0.912");
        assert_eq!(threshold(Scale::Number, Some(0.91), 0.91, 1.0, &|value| value - 0.9 >= 0.012), "0.912");
        let below = threshold(Scale::Number, Some(0.95), 0.95, 0.0, &|value| value < 0.9);
        assert!(below.starts_with("0.8999"), "{below}");
        assert_eq!(threshold(Scale::Number, Some(30.0), 30.0, 0.0, &|value| value <= 27.5), "27.5");
        assert_eq!(threshold(Scale::Count, Some(3.0), 3.0, 1e9, &|value| value >= 1_000.0), "1000");
        assert_eq!(threshold(Scale::Span, Some(1.5e6), 1.5e6, 3e9, &|value| value >= 86_400_000.0), "1d");
        let bracket = Bracket { near: Some(0.0), far: 1.0, verdict: Approve, until: None };
        assert!((narrow(Scale::Number, Some(0.0), bracket, |_| None) - 1.0).abs() < f64::EPSILON);
    }
}
