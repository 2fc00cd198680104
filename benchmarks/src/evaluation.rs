//! Evaluations of two models on the rows of a Parquet file.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use hydra_base::names::DatasetName;
use hydra_evaluation::{Columns, Evaluation, Metric, Request, Subject, evaluate};
use hydra_tables::RowFiles;

use crate::{Worker, memory, timed};

/// The directory that `evaluation.py make` writes.
pub struct Session {
    home: PathBuf,
}

impl Session {
    pub fn new(directory: &str) -> Self {
        Self { home: directory.into() }
    }

    /// From the files to the document's bytes.
    fn evaluated(&self, weight: Option<&str>, resamples: u32, threads: usize) -> Result<Evaluation> {
        let model = |number: usize| Subject::open(&self.home.join(format!("model-{number}.txt")));
        let mut columns = Columns::new("label");
        columns.weight = weight.map(str::to_owned);
        let mut request = Request::new(DatasetName::new("rows")?, columns);
        request.metrics = Some(vec![Metric::Auc, Metric::LogLoss]);
        request.resamples = resamples;
        request.threads = threads;
        let files = RowFiles::open(&self.home.join("rows.parquet"), None)?;
        let evaluated = evaluate(vec![model(0)?, model(1)?], 0, files, &request, &|_| ())?;
        evaluated.evaluation.to_json()?;
        Ok(evaluated.evaluation)
    }
}

impl Worker for Session {
    /// `measure plain|weighted RESAMPLES THREADS`: the seconds, and the AUC and the log loss of the first model. `memory`: the peak
    /// memory of this process in bytes.
    fn answer(&mut self, what: &str, arguments: &[&str]) -> Result<Vec<f64>> {
        match (what, arguments) {
            ("measure", [weights, resamples, threads]) => {
                let weight = (*weights == "weighted").then_some("weight");
                let (evaluation, seconds) =
                    timed(|| self.evaluated(weight, resamples.parse()?, threads.parse()?))?;
                let value = |name: &str| {
                    let found = evaluation.measurements.iter().find(|one| one.metric == name);
                    found.map(|one| one.value).with_context(|| format!("{name} was not measured"))
                };
                Ok(vec![seconds, value("auc")?, value("log_loss")?])
            }
            ("memory", []) => Ok(vec![memory::peak()?]),
            _ => bail!("no such request"),
        }
    }
}
