//! Changes of what evaluations measured.

use super::*;
use hydra_policy::{Comparison, Direction, Evaluation, MeasuredMetric, Measurement, Segment};

pub(super) fn evaluation() -> Evaluation {
    let mut evaluation = Evaluation::new("holdout", "d1", 1_000, NOW - 2 * HOUR, Sha256::NONE);
    evaluation.began_at = NOW - 3 * HOUR;
    evaluation.segments = vec![Segment::new("region", Some("north".to_owned()), 400)];
    let mut auc = MeasuredMetric::new("auc", Direction::Higher);
    for segment in [None, Some(0)] {
        for (number, value) in [(2, 0.9), (3, 0.91)] {
            let mut measurement = Measurement::new(version(number), value);
            measurement.segment = segment;
            measurement.interval = Some(Interval::new(value - 0.02, value + 0.02, IntervalMethod::Delong));
            auc.measurements.push(measurement);
        }
        let mut comparison = Comparison::new(version(3), version(2), 0.01);
        comparison.segment = segment;
        comparison.interval = Some(Interval::new(-0.005, 0.025, IntervalMethod::Delong));
        auc.comparisons.push(comparison);
    }
    evaluation.metrics.push(auc);
    evaluation
}

#[test]
fn a_measurement_moves_its_interval_and_its_differences() {
    let mut input = input();
    input.context_mut().evaluations.push(evaluation());
    let lower = |input: &Input, segment: Option<u32>| {
        let metric = &input.context().evaluations[0].metrics[0];
        let compared = metric.comparisons.iter().find(|compared| compared.segment == segment).unwrap();
        compared.interval.unwrap().low.get()
    };
    let found = search(&input, &[], |input| lower(input, None) >= 0.0);
    let shown = flips(&found);
    assert_eq!(shown.len(), 3, "{shown:?}");
    assert_eq!(
        shown[2],
        "approve: the lower bound of the difference in auc of version 3 to version 2 on holdout >= 0"
    );
    let better = &found.flips.iter().find(|flip| flip.what == "auc of version 3 on holdout").unwrap();
    assert_eq!((better.relation, better.to.as_str()), (Relation::AtLeast, "0.915"));
    assert_eq!(
        better.moves,
        [
            Moved::new("its interval", "0.89 to 0.93", "0.895 to 0.935"),
            Moved::new("the difference of version 3 to version 2", "0.01", "0.015"),
            Moved::new("its interval", "-0.005 to 0.025", "0 to 0.03"),
        ]
    );
    let worse = &found.flips.iter().find(|flip| flip.what == "auc of version 2 on holdout").unwrap();
    assert_eq!((worse.relation, worse.to.as_str()), (Relation::AtMost, "0.895"));

    let found = search(&input, &[], |input| lower(input, Some(0)) >= 0.0);
    assert_eq!(found.flips[0].what, "auc of version 2 on holdout where region = north");
}

#[test]
fn an_evaluation_ages_and_has_rows() {
    let mut input = input();
    input.context_mut().evaluations.push(evaluation());
    let found = search(&input, &[], |input| {
        let evaluation = &input.context().evaluations[0];
        assert_eq!(evaluation.measured_at - evaluation.began_at, HOUR, "a measurement takes as long");
        input.context().now - evaluation.measured_at <= HOUR
    });
    assert_eq!(flips(&found), ["approve: the age of the evaluation on holdout <= 1h"]);
    let found = search(&input, &[], |input| input.context().evaluations[0].rows >= 2_500);
    assert_eq!(flips(&found), ["approve: the number of rows of holdout >= 2500"]);
    let found = search(&input, &[], |input| input.context().evaluations[0].segments[0].rows >= 500);
    assert_eq!(flips(&found), ["approve: the number of rows of holdout where region = north >= 500"]);
    let found = search(&input, &[], |input| input.context().evaluations[0].first_hand);
    assert_eq!(flips(&found), ["approve: the evaluation on holdout = measured in this command"]);
}
