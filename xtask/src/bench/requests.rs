//! What each request of a promotion and of a rollback costs a server with one worker, for hydra-registry and for Python.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::setup::MLFLOW;
use crate::shell::say;

use super::document::Document;
use super::samples::digits;
use super::server::Server;
use super::{Effort, built, interpreter, script};

/// A line of `request_costs.py`: the requests of one contender with the same route.
struct Cost {
    operation: String,
    contender: String,
    route: String,
    /// How often one was measured.
    measured: u32,
    /// The number of times that the operation was measured.
    rounds: u32,
    /// The median of their times.
    ms: f64,
}

impl Cost {
    /// The number of requests of one operation, on average.
    fn count(&self) -> f64 {
        f64::from(self.measured) / f64::from(self.rounds)
    }
}

/// Measures with a program that passes one request at a time, and adds one table per operation.
pub fn run(
    server: &Server,
    home: &Path,
    model: &Path,
    effort: Effort,
    document: &mut Document,
) -> Result<()> {
    say("registry: the costs of single requests");
    let rounds = if effort == Effort::Full { "9" } else { "1" };
    let home = home.join("requests");
    fs::create_dir_all(&home)?;
    fs::write(home.join("hydra.toml"), "")?;
    fs::write(home.join("config.json"), r#"{"seed": 7}"#)?;
    let mut command = Command::new(interpreter(MLFLOW));
    command.arg(script("request_costs.py")).arg(&server.url).arg(built("hydra-registry")).arg(model);
    let output = command.arg(&home).arg(rounds).output().context("cannot start Python")?;
    if !output.status.success() {
        bail!("request_costs.py failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let text = String::from_utf8(output.stdout)?;
    let costs: Vec<Cost> = text.lines().map(read).collect::<Result<_>>()?;
    document.paragraph("### Single requests, one worker");
    document.paragraph(
        "The time of each request at the server with one worker, without waiting for another request. *Ours* and \
         *Python's* are the requests of one operation on average, *measured* is how often a request was measured, and *ms* is the \
         median of its times multiplied by the requests of one operation. It shows what is left between our promotion and rollback and Python's alias \
         moves: the requests for the ledger and the evidence, which Python does not send.",
    );
    for operation in ["promote", "rollback"] {
        let costs: Vec<&Cost> = costs.iter().filter(|cost| cost.operation == operation).collect();
        table(operation, &costs, document);
    }
    Ok(())
}

fn read(line: &str) -> Result<Cost> {
    let words: Vec<&str> = line.split('\t').collect();
    let [operation, contender, route, measured, rounds, ms] = words[..] else {
        bail!("not a line of costs: `{line}`")
    };
    Ok(Cost {
        operation: operation.to_owned(),
        contender: contender.to_owned(),
        route: route.to_owned(),
        measured: measured.parse()?,
        rounds: rounds.parse()?,
        ms: ms.parse()?,
    })
}

fn table(operation: &str, costs: &[&Cost], document: &mut Document) {
    let mut routes: Vec<&str> = costs.iter().map(|cost| cost.route.as_str()).collect();
    routes.sort_unstable();
    routes.dedup();
    let cells = |contender: &str, route: Option<&str>| {
        let of = |cost: &&&Cost| cost.contender == contender && route.is_none_or(|route| cost.route == route);
        let of: Vec<&&Cost> = costs.iter().filter(of).collect();
        let measured: u32 = of.iter().map(|cost| cost.measured).sum();
        let count: f64 = of.iter().map(|cost| cost.count()).sum();
        let ms: f64 = of.iter().map(|cost| cost.count() * cost.ms).sum();
        // The average number is whole for all requests but those of rare work, such as a checkpoint.
        let count = (count * 10.0).round() / 10.0;
        if measured == 0 {
            [(); 3].map(|()| "–".to_owned())
        } else {
            [count.to_string(), measured.to_string(), digits(ms)]
        }
    };
    let rows: Vec<Vec<String>> = routes
        .iter()
        .map(|route| (format!("`{route}`"), Some(*route)))
        .chain([("all".to_owned(), None)])
        .map(|(what, route)| {
            [vec![what], cells("ours", route).to_vec(), cells("python", route).to_vec()].concat()
        })
        .collect();
    document.table(&[operation, "ours", "measured", "ms", "Python's", "measured", "ms"], &rows);
}
