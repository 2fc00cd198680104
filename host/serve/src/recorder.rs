//! Records how far the shadow agrees with the champion, so that policies see it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use tokio::time::sleep;

use hydra_base::Sha256;
use hydra_base::error::Result;
use hydra_base::names::DatasetName;
use hydra_base::time::now;
use hydra_evaluation::{Evaluation, LIVE_DATASETS, VersionId};
use hydra_registry::mlflow::entities::DatasetInput;
use hydra_registry::{ModelRegistry, RecordedEvaluation};

use crate::served::described;
use crate::shadow::{Compared, Pairs, Side};

/// How often the evaluations are written again.
const PAUSE: Duration = Duration::from_secs(15 * 60);

/// The most characters of a dataset's name.
const NAME_CHARS: usize = 100;

/// Records what was counted of the pairs of versions of one model: one run for each pair, which is written again.
pub(crate) struct Recorder {
    registry: ModelRegistry,
    instance: String,
    pairs: Arc<Pairs>,
    recorded: Vec<Recorded>,
}

/// A pair that was recorded.
struct Recorded {
    versions: [Side; 2],
    rows: u64,
    evaluation: RecordedEvaluation,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("instance", &self.instance).finish_non_exhaustive()
    }
}

impl Recorder {
    /// A recorder of the process that calls itself `instance`.
    pub(crate) fn new(registry: ModelRegistry, instance: &str, pairs: Arc<Pairs>) -> Self {
        Self { registry, instance: instance.to_owned(), pairs, recorded: Vec::new() }
    }

    /// Records every 15 minutes, and when `stop` is set.
    pub(crate) async fn record(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            let is_last = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => true,
                () = sleep(PAUSE) => false,
            };
            for pair in self.pairs.all() {
                self.record_pair(&pair).await;
            }
            if is_last {
                return;
            }
        }
    }

    async fn record_pair(&mut self, pair: &Compared) {
        let rows = pair.agreement.rows();
        let known = self.recorded.iter().position(|recorded| recorded.versions == pair.versions);
        let former = known.map(|index| &self.recorded[index]);
        if rows == 0 || former.is_some_and(|former| former.rows == rows) {
            return;
        }
        let written = match self.evaluation(pair) {
            Ok((evaluation, dataset)) => {
                let former = former.map(|former| &former.evaluation);
                self.registry.record_evaluation_again(&evaluation, &dataset, former).await
            }
            Err(error) => Err(error),
        };
        match written {
            Ok(evaluation) => {
                let [champion, challenger] =
                    pair.versions.map(|side| side.version.map(|version| version.get()));
                tracing::info!(champion, challenger, rows, run = %evaluation.run_id, "recorded the shadow's agreement");
                let recorded = Recorded { versions: pair.versions, rows, evaluation };
                match known {
                    Some(index) => self.recorded[index] = recorded,
                    None => self.recorded.push(recorded),
                }
            }
            Err(error) => {
                tracing::warn!(error = described(&error), rows, "cannot record the shadow's agreement");
            }
        }
    }

    /// The document, and what MLflow says of its rows.
    fn evaluation(&self, pair: &Compared) -> Result<(Evaluation, DatasetInput)> {
        let name = DatasetName::new(dataset_name(&self.instance))?;
        let id = |side: Side| match side.version {
            Some(version) => VersionId::Registered(version),
            None => VersionId::File(side.sha256.to_string()),
        };
        let [champion, challenger] = pair.versions;
        // Live rows have no bytes: what identifies them is who saw which of them.
        let identity =
            format!("{}\n{}\n{}\n{}", self.instance, champion.sha256, challenger.sha256, pair.since);
        let digest = Sha256::of(identity.as_bytes());
        let evaluation = pair.agreement.evaluation(
            (name, digest),
            pair.task,
            pair.classes.clone(),
            [(id(champion), champion.sha256), (id(challenger), challenger.sha256)],
            [pair.since, now()],
        );
        let record = &evaluation.dataset;
        let source = json!({"tags": {"mlflow.source.name": self.instance}}).to_string();
        let dataset =
            DatasetInput::new(record.name.as_str(), record.short_digest(), "code", source).context("shadow");
        Ok((evaluation, dataset))
    }
}

/// The name of the dataset of an instance: `shadow-` and the instance, with `_` for characters that names do not have.
fn dataset_name(instance: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let name = LIVE_DATASETS.chars().chain(instance.chars().map(allowed));
    name.take(NAME_CHARS).collect()
}
