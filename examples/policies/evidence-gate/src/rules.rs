//! Judges the evaluations in which candidate and champion were measured on the same rows.

mod findings;
mod judging;
mod settings;

use example_common::contract::{Context, Evaluation, EvaluationKind, ModelVersion, PolicyError, Verdict};
use example_common::words::Excerpt;
use example_common::{approve, take_over};

use findings::Findings;
use judging::Judge;
pub use settings::settings;
use settings::{Dataset, Settings};

pub fn promotion(target: &ModelVersion, context: &Context) -> Result<Verdict, PolicyError> {
    let settings = Settings::read(context)?;
    let mut findings = Findings::default();
    for dataset in &settings.datasets {
        if !context.evaluations.iter().any(|evaluation| dataset.is(evaluation)) {
            findings.missing(dataset.missing(&context.evaluations));
        }
    }
    let champion = context.champion.as_ref().map(|champion| champion.version);
    let mut judged = 0;
    for evaluation in context.evaluations.iter().filter(|evaluation| settings.counts(evaluation)) {
        let judge = Judge { settings: &settings, evaluation, target: target.version, champion };
        judge.judge(context.now, &mut findings);
        judged += 1;
    }
    if judged == 0 && settings.datasets.is_empty() {
        findings.missing(format_args!(
            "no evaluation on labelled rows includes version {}{}; run `hydra-registry evaluate`",
            target.version,
            champion.map(|version| format!(" and the champion, version {version}")).unwrap_or_default()
        ));
    }
    if champion.is_none() {
        findings.met("there is no champion to compare with");
    }
    Ok(match findings.into_outcome() {
        Ok(met) => approve(take_over(target, context), met),
        Err(verdict) => verdict,
    })
}

impl Settings<'_> {
    /// Whether an evaluation is judged: if it is of a dataset that the settings name, or, if they name none, on labelled rows.
    fn counts(&self, evaluation: &Evaluation) -> bool {
        if self.datasets.is_empty() {
            return evaluation.kind == EvaluationKind::Holdout;
        }
        self.datasets.iter().any(|dataset| dataset.is(evaluation))
    }
}

impl Dataset<'_> {
    fn is(&self, evaluation: &Evaluation) -> bool {
        self.name.is_none_or(|name| name == evaluation.dataset)
            && self.digest.is_none_or(|digest| digest == evaluation.dataset_digest)
    }

    /// What is missing if no evaluation is of this dataset.
    fn missing(&self, evaluations: &[Evaluation]) -> String {
        let digest = |digest| Excerpt(digest, 40);
        let Some(name) = self.name else {
            let wanted = digest(self.digest.unwrap_or_default());
            return format!("there is no evaluation on a dataset with the digest {wanted}");
        };
        let shown = Excerpt(name, 100);
        match evaluations.iter().find(|evaluation| evaluation.dataset == name).zip(self.digest) {
            Some((other, wanted)) => {
                let found = digest(&other.dataset_digest);
                format!("{shown} has the digest {found}, wanted {}", digest(wanted))
            }
            None => format!("there is no evaluation on {shown}"),
        }
    }
}

#[cfg(test)]
mod tests;
