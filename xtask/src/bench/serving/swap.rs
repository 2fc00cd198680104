//! A promotion while requests are answered, and a shadow beside them.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::shell::{run as sh, say};

use super::super::document::{Document, Goal};
use super::super::samples::{Samples, seconds};
use super::super::worker::Worker;
use super::super::{Effort, built};
use super::{CONNECTIONS, Kind, Scoring, compared, free_port};

/// Measures with a local store with two versions of the model. `most` is the throughput with one row.
pub fn run(
    home: &Path,
    load: &mut Worker,
    most: f64,
    effort: Effort,
    document: &mut Document,
) -> Result<Vec<Goal>> {
    let store = home.join("store");
    fs::create_dir_all(&store)?;
    fs::write(store.join("hydra.toml"), "model = \"bench\"\ntracking-uri = \"sqlite:///bench.db\"\n")?;
    let ours = |words: &[&str]| {
        let mut command = Command::new(built("hydra-registry"));
        command.args(words).current_dir(&store).stdout(Stdio::null());
        command
    };
    let done = |words: &[&str]| {
        if ours(words).status()?.success() {
            Ok(())
        } else {
            bail!("`hydra-registry {}` failed", words.join(" "))
        }
    };
    for number in ["1", "2"] {
        done(&["log-candidate", "../bench.txt", "--metric", "rmse=1"])?;
        if number == "1" {
            done(&["promote", number])?;
        }
    }
    let mut start = |extra: &[&str]| -> Result<Scoring> {
        let port = free_port()?;
        let listen = format!("127.0.0.1:{port}");
        let mut command = ours(&["serve", "--listen", &listen, "--poll", "1s"]);
        command.args(extra);
        Scoring::spawn(Kind::Ours, 0, &mut command, port, home, load)
    };
    let (plain, shadowed) = (start(&[])?, start(&["--shadow", "candidate"])?);
    let (turns, time) = if effort == Effort::Full { (7, 5.0) } else { (1, 1.0) };

    say("serving: a shadow");
    let (mut without, mut with) =
        ([Samples::default(), Samples::default()], [Samples::default(), Samples::default()]);
    for _ in 0..turns {
        for (server, samples) in [(&plain, &mut without), (&shadowed, &mut with)] {
            let found = load.measure(&server.paced("mlflow", most / 3.0, CONNECTIONS, time))?;
            samples[0].push(found[0]);
            samples[1].push(found[1]);
        }
    }
    drop(shadowed);

    say("serving: promotions under load");
    let (mut usual, mut swapped, mut failed, mut versions) =
        (Samples::default(), Samples::default(), 0.0, 0.0_f64);
    for turn in 0..turns {
        usual.push(load.measure(&plain.paced("mlflow", most / 2.0, CONNECTIONS, 6.0))?[4]);
        let target = if turn % 2 == 0 { "2" } else { "1" };
        let promotion = thread::scope(|scope| {
            let promotion = scope.spawn(|| {
                thread::sleep(Duration::from_secs(2));
                // As if another machine promoted: the command does not take the processors from the server.
                let mut promotion = Command::new("nice");
                promotion.args(["-n", "19"]).arg(built("hydra-registry")).args(["promote", target]);
                sh(promotion.current_dir(&store).stdout(Stdio::null()))
            });
            let found = load.measure(&plain.paced("mlflow", most / 2.0, CONNECTIONS, 6.0));
            (promotion.join(), found)
        });
        let (Ok(promoted), found) = promotion else { bail!("the promotion panicked") };
        promoted?;
        let found = found?;
        swapped.push(found[5]);
        failed += found[2];
        versions = versions.max(found[3]);
    }
    document.paragraph(&format!(
        "A promotion at half of the greatest throughput: the p99 of the second of the swap, or of the second before it if that is \
         greater, is {}; that of a second is usually {}; {failed} requests failed, and {versions} versions answered. With a shadow at a third of it: p50 {}, without {}; p99 {}, without {}.",
        seconds(swapped.median()),
        seconds(usual.median()),
        seconds(with[0].median()),
        seconds(without[0].median()),
        seconds(with[1].median()),
        seconds(without[1].median()),
    ));
    say(format!("serving: p50 with a shadow {}", compared(&with[0], &without[0])));
    Ok(vec![
        Goal::at_most("failed requests in promotions at half of the throughput", 0.0, failed, ""),
        Goal::at_most(
            "p99 of the second of a swap, compared with the usual",
            3.0,
            swapped.median() / usual.median(),
            " ×",
        ),
        Goal::at_most(
            "p50 with a shadow, compared with none",
            1.1,
            with[0].median() / without[0].median(),
            " ×",
        ),
        Goal::at_most(
            "p99 with a shadow, compared with none",
            1.5,
            with[1].median() / without[1].median(),
            " ×",
        ),
    ])
}
