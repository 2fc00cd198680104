//! A model with half a year of history, as a team leaves it.

use std::fmt::Write as _;

use crate::support::binary::{Outcome, Project};
use crate::support::example_policy;

/// Milliseconds of a day.
const DAY: i64 = 86_400_000;

/// The name of the model.
pub const MODEL: &str = "churn";

/// Labelled rows about customers: whether they left depends on their months, their charges and chance.
fn customers(first: u64, count: u64) -> String {
    let mut csv = "tenure,charges,contract,support_calls,usage,churned\n".to_owned();
    for row in first..first + count {
        // A linear congruential generator is enough for rows, and the same everywhere.
        let mut state = row.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / f64::from(1_u32 << 31)
        };
        let (tenure, charges) = ((random() * 72.0).floor(), 20.0 + random() * 100.0);
        let (contract, calls, usage) = ((random() * 3.0).floor(), (random() * 6.0).floor(), random() * 50.0);
        let leaning = (charges - 60.0) / 30.0 - tenure / 24.0 + calls / 2.0 - contract + 0.5;
        let left = u8::from(1.0 / (1.0 + (-leaning).exp()) > random());
        writeln!(csv, "{tenure},{charges:.2},{contract},{calls},{usage:.1},{left}").expect("text");
    }
    csv
}

/// The project, with commands on days of the past.
pub struct Story {
    /// The project.
    pub project: Project,
}

impl Story {
    /// A project without versions.
    fn new() -> Self {
        let project = Project::new(None, MODEL);
        project.file("train.csv", customers(1, 4_000));
        project.file("spring.csv", customers(100_000, 1_500));
        for policy in ["metric-gate", "soak-time"] {
            let component = std::fs::read(example_policy(policy)).expect("a component");
            project.file(&format!("{policy}.wasm"), component);
        }
        Self { project }
    }

    /// Runs a command as somebody, some days ago.
    pub fn on(&self, days_ago: f64, actor: &str, line: &str) -> Outcome {
        let words: Vec<String> =
            line.split(' ').map(|word| word.replace('_', " ").replace('~', "_")).collect();
        let shift = -(days_ago * DAY as f64) as i64;
        let mut command = self.project.command(words);
        command.env("HYDRA_ACTOR", actor).env("HYDRA_CLOCK_WRONG_BY", shift.to_string());
        let outcome: Outcome = command.output().expect("the binary runs").into();
        assert!(matches!(outcome.code, 0 | 1 | 3), "{line}: {}", outcome.err);
        outcome
    }

    fn train(&self, days_ago: f64, leaves: u32, rounds: u32) {
        let line = format!(
            "log-candidate --train train.csv --label churned --param num~leaves={leaves} --param n~estimators={rounds} --tag team=retention"
        );
        self.on(days_ago, "nightly", &line);
    }

    /// The whole story: promotions, refusals, holds, rollbacks, a quarantine, a move outside of the ledger, evaluations.
    pub fn told() -> Self {
        let story = Self::new();
        let gate = "--policy metric-gate.wasm --set metric=auc --set margin=0.001";
        let evaluated = "--evaluate spring.csv --label churned --resamples 200";
        let panel =
            "--policy metric-gate.wasm --policy soak-time.wasm --set metric=auc --set soak-time.min-age=48h";
        story.train(180.0, 3, 4);
        story.on(179.5, "ann@example.org", "promote --reason the_first_model");
        story.train(165.0, 5, 10);
        story.on(164.6, "ann@example.org", &format!("{gate} promote --reason weekly_retrain {evaluated}"));
        story.train(150.0, 5, 8);
        story.on(149.9, "nightly", &format!("{gate} promote --reason weekly_retrain {evaluated}"));
        story.train(136.0, 7, 20);
        story.on(135.9, "nightly", &format!("{panel} promote --reason weekly_retrain"));
        story.on(133.0, "nightly", &format!("{panel} promote --reason weekly_retrain {evaluated}"));
        story.train(120.0, 15, 30);
        story.on(119.9, "nightly", &format!("{gate} promote --reason weekly_retrain {evaluated}"));
        story.train(101.0, 31, 60);
        story.on(100.5, "ben@example.org", &format!("{gate} promote --reason a_larger_model {evaluated}"));
        story.on(
            97.0,
            "oncall",
            "rollback --quarantine --reason wrong_scores_in_the_north,_see_incident_412",
        );
        story.train(80.0, 15, 40);
        story.on(79.9, "nightly", &format!("{gate} promote --reason weekly_retrain {evaluated}"));
        story.train(64.0, 11, 40);
        story.on(63.8, "nightly", &format!("{gate} promote --reason weekly_retrain {evaluated}"));
        story
    }
}
