//! The Rust side of the benchmarks: `cargo xtask bench` measures hydra-registry as a library, and lightgbm3, with it.
//!
//! A worker reads requests from standard input, one per line, and answers each with a line: `ok` and numbers, or `no`
//! and a reason. The worker measures the times; `cargo xtask bench` sends the requests, so that the workers take turns.
//! The Python workers in `python/` use the same protocol.

mod evaluation;
mod grpc;
mod load;
mod memory;
mod policy;
mod registry;
mod scoring;

use std::io::{BufRead as _, Write as _};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

/// A subject that a worker measures.
trait Worker {
    /// Carries out a request and returns the measurements, in seconds unless the request defines another unit.
    fn answer(&mut self, what: &str, arguments: &[&str]) -> Result<Vec<f64>>;
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let worker: Box<dyn Worker> = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["scoring", "native", directory] => {
            Box::new(scoring::Session::new(scoring::Native::default(), directory)?)
        }
        ["scoring", "lightgbm", directory] => {
            Box::new(scoring::Session::new(scoring::LightGbm::default(), directory)?)
        }
        ["registry", uri, model, file, cache] => Box::new(registry::Session::open(uri, model, file, cache)?),
        ["policy"] => Box::new(policy::Session::new()?),
        ["load", directory] => Box::new(load::Session::new(directory)),
        ["evaluation", directory] => Box::new(evaluation::Session::new(directory)),
        _ => bail!(
            "bench-worker scoring ENGINE DIRECTORY | registry URI MODEL FILE CACHE | policy | load DIRECTORY | evaluation DIRECTORY"
        ),
    };
    serve(worker)
}

fn serve(mut worker: Box<dyn Worker>) -> Result<()> {
    let mut answers = std::io::stdout().lock();
    for request in std::io::stdin().lock().lines() {
        let request = request.context("cannot read a request")?;
        let mut words = request.split_whitespace();
        let Some(what) = words.next() else { continue };
        match worker.answer(what, &words.collect::<Vec<_>>()) {
            Ok(numbers) => {
                let numbers: Vec<String> = numbers.iter().map(f64::to_string).collect();
                writeln!(answers, "ok {}", numbers.join(" "))?;
            }
            Err(error) => writeln!(answers, "no {}", format!("{error:#}").replace('\n', " "))?,
        }
        answers.flush()?;
    }
    Ok(())
}

/// Runs a closure and returns its result and its duration in seconds.
fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, f64)> {
    let start = Instant::now();
    let made = work()?;
    Ok((made, start.elapsed().as_secs_f64()))
}
