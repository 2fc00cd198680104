//! Scoring with one engine. `benchmarks/python/scoring.py` answers the same requests with other engines.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use hydra_lightgbm::Model;
use hydra_lightgbm::loaded::ModelLimits;
use hydra_lightgbm::matrix::Matrix;
use hydra_lightgbm::text::{Limits, TextModel};
use lightgbm3::Booster;

use crate::{Worker, memory, timed};

/// An engine that scores rows with a model.
pub trait Engine {
    /// Reads a model from LightGBM's text, ready to score.
    fn load(&mut self, text: &Path) -> Result<()>;

    /// The raw scores of rows, computed by `threads` threads.
    fn batch(&mut self, rows: &[f64], width: usize, threads: usize) -> Result<Vec<f64>>;

    /// The contributions of the features to the raw scores of rows, computed by one thread.
    fn contributions(&mut self, rows: &[f64], width: usize) -> Result<Vec<f64>>;

    /// The raw score of one row.
    fn row(&mut self, row: &[f64]) -> Result<f64>;
}

/// hydra-registry's own scorer.
#[derive(Default)]
pub struct Native {
    model: Option<Model>,
}

/// LightGBM through lightgbm3, which builds it without OpenMP, so with one thread.
#[derive(Default)]
pub struct LightGbm {
    booster: Option<Booster>,
}

const NOT_LOADED: &str = "no model is loaded";

impl Engine for Native {
    fn load(&mut self, text: &Path) -> Result<()> {
        self.model = None;
        let text = fs::read(text)?;
        self.model =
            Some(Model::from_artifact("model.lgb", "lightgbm.Booster", &text, &ModelLimits::default())?);
        Ok(())
    }

    fn batch(&mut self, rows: &[f64], width: usize, threads: usize) -> Result<Vec<f64>> {
        let model = self.model.take().context(NOT_LOADED)?.with_threads(threads);
        let scores = model.raw_scores(&Matrix::from_rows(rows, width)?);
        self.model = Some(model);
        Ok(scores?)
    }

    fn contributions(&mut self, rows: &[f64], width: usize) -> Result<Vec<f64>> {
        let model = self.model.take().context(NOT_LOADED)?.with_threads(1);
        let contributions = model.contributions(&Matrix::from_rows(rows, width)?);
        self.model = Some(model);
        Ok(contributions?)
    }

    fn row(&mut self, row: &[f64]) -> Result<f64> {
        let mut score = [0.0];
        self.model.as_ref().context(NOT_LOADED)?.raw_row(row, &mut score)?;
        Ok(score[0])
    }
}

impl Engine for LightGbm {
    fn load(&mut self, text: &Path) -> Result<()> {
        self.booster = None;
        self.booster = Some(Booster::from_string(&fs::read_to_string(text)?)?);
        Ok(())
    }

    fn batch(&mut self, rows: &[f64], width: usize, threads: usize) -> Result<Vec<f64>> {
        ensure!(threads == 1, "lightgbm3 is built without OpenMP");
        Ok(self.booster.as_ref().context(NOT_LOADED)?.raw_scores(rows, i32::try_from(width)?, true)?)
    }

    fn contributions(&mut self, rows: &[f64], width: usize) -> Result<Vec<f64>> {
        Ok(self.booster.as_ref().context(NOT_LOADED)?.predict_contrib(rows, i32::try_from(width)?, true)?)
    }

    fn row(&mut self, row: &[f64]) -> Result<f64> {
        Ok(self.batch(row, row.len(), 1)?[0])
    }
}

/// An engine, a model's directory, and its rows.
pub struct Session<E> {
    engine: E,
    text: PathBuf,
    rows: Vec<f64>,
    expected: Vec<f64>,
    /// LightGBM's contributions for the first rows, where they are measured.
    contributions: Vec<f64>,
    width: usize,
    next: usize,
}

impl<E: Engine> Session<E> {
    /// A session for the model in `directory`, which is loaded later.
    pub fn new(engine: E, directory: &str) -> Result<Self> {
        let directory = Path::new(directory);
        let (rows, expected) = (numbers(&directory.join("rows.f64"))?, numbers(&directory.join("raw.f64"))?);
        ensure!(rows.len().is_multiple_of(expected.len()), "the rows are not whole");
        let width = rows.len() / expected.len();
        let contributions = directory.join("contributions.f64");
        let contributions = if contributions.exists() { numbers(&contributions)? } else { Vec::new() };
        ensure!(contributions.len().is_multiple_of(width + 1), "the contributions are not whole rows");
        let text = directory.join("model.txt");
        Ok(Self { engine, text, rows, expected, contributions, width, next: 0 })
    }

    /// Scores single rows for a given time and returns the mean time of one row.
    fn rows_for(&mut self, seconds: f64) -> Result<f64> {
        let (start, mut count) = (Instant::now(), 0.0);
        loop {
            for _ in 0..64 {
                let row = &self.rows[self.next * self.width..][..self.width];
                std::hint::black_box(self.engine.row(std::hint::black_box(row))?);
                self.next = (self.next + 1) % self.expected.len();
            }
            count += 64.0;
            let taken = start.elapsed().as_secs_f64();
            if taken >= seconds {
                return Ok(taken / count);
            }
        }
    }

    /// The contributions of the first rows, and the time of one row.
    fn contributions(&mut self) -> Result<(Vec<f64>, f64)> {
        let rows = self.contributions.len() / (self.width + 1);
        ensure!(rows > 0, "the contributions of this model are not measured");
        let first = &self.rows[..rows * self.width];
        let (contributions, seconds) = timed(|| self.engine.contributions(first, self.width))?;
        Ok((contributions, seconds / rows as f64))
    }

    /// The greatest difference from LightGBM's contributions, as a share of the largest contribution of the row.
    fn check_contributions(&mut self) -> Result<f64> {
        let (ours, _) = self.contributions()?;
        ensure!(ours.len() == self.contributions.len(), "there are {} contributions", ours.len());
        let rows = ours.chunks_exact(self.width + 1).zip(self.contributions.chunks_exact(self.width + 1));
        let differences = rows.map(|(ours, expected)| {
            let largest = expected[..self.width].iter().map(|value| value.abs()).fold(0.0, f64::max);
            let apart = ours.iter().zip(expected).map(|(ours, expected)| (ours - expected).abs());
            apart.fold(0.0, f64::max) / largest
        });
        Ok(differences.fold(0.0, f64::max))
    }

    /// The greatest difference from LightGBM's scores, and the number of scores that are not equal bit for bit.
    fn check(&mut self) -> Result<Vec<f64>> {
        let mut scores = self.engine.batch(&self.rows, self.width, 1)?;
        for (row, score) in self.rows.chunks_exact(self.width).zip(&mut scores).take(1000) {
            let alone = self.engine.row(row)?;
            ensure!(alone.to_bits() == score.to_bits(), "a row scores {alone} alone and {score} in a batch");
        }
        let pairs = || scores.iter().zip(&self.expected);
        let greatest = pairs().map(|(score, expected)| (score - expected).abs()).fold(0.0, f64::max);
        let different = pairs().filter(|(score, expected)| score.to_bits() != expected.to_bits()).count();
        Ok(vec![greatest, different as f64])
    }
}

impl<E: Engine> Worker for Session<E> {
    fn answer(&mut self, what: &str, arguments: &[&str]) -> Result<Vec<f64>> {
        match (what, arguments) {
            ("prepare", []) => Ok(Vec::new()),
            ("read", []) => {
                let text = fs::read(&self.text)?;
                let (model, seconds) = timed(|| Ok(TextModel::parse(&text, &Limits::default())?))?;
                std::hint::black_box(model);
                Ok(vec![seconds])
            }
            ("load", []) => Ok(vec![timed(|| self.engine.load(&self.text))?.1]),
            ("batch", threads @ ([] | [_])) => {
                let threads = threads.first().map_or(Ok(1), |threads| threads.parse())?;
                let (scores, seconds) = timed(|| self.engine.batch(&self.rows, self.width, threads))?;
                std::hint::black_box(scores);
                Ok(vec![seconds])
            }
            ("rows", [seconds]) => Ok(vec![self.rows_for(seconds.parse()?)?]),
            ("check", []) => self.check(),
            ("contributions", []) => Ok(vec![self.contributions()?.1]),
            ("check-contributions", []) => Ok(vec![self.check_contributions()?]),
            ("memory", []) => Ok(vec![memory::peak()?]),
            _ => bail!("no such request"),
        }
    }
}

/// Reads a file of little-endian doubles.
fn numbers(path: &Path) -> Result<Vec<f64>> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let (numbers, rest) = bytes.as_chunks();
    ensure!(rest.is_empty(), "{} does not contain integers", path.display());
    Ok(numbers.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect())
}
