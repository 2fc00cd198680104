//! Load on scoring servers: keep-alive connections over HTTP/1.1, one thread each, the same for every server.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::{Worker, grpc};

/// The time limit of one answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends the requests in the files of a directory.
pub struct Session {
    directory: std::path::PathBuf,
}

/// A connection that is kept.
struct Connection {
    address: String,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

/// What one connection, or all of them, saw.
#[derive(Default)]
struct Seen {
    /// The latencies, in seconds.
    latencies: Vec<f64>,
    /// For each latency the second of the measurement in which its request was due.
    seconds: Vec<u64>,
    failed: u64,
    /// For each header `x-hydra-version` the second of its first answer.
    versions: BTreeMap<String, u64>,
}

impl Session {
    pub fn new(directory: &str) -> Self {
        Self { directory: directory.into() }
    }

    fn request(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.directory.join(name);
        std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// All connections send the request again and again, each after the answer to the one before.
    fn closed(&self, address: &str, name: &str, connections: usize, time: Duration) -> Result<(Seen, f64)> {
        let request = self.request(name)?;
        let start = Instant::now();
        let seen = on_each(connections, |_| {
            let (mut connection, mut seen) = (Connection::new(address), Seen::default());
            while start.elapsed() < time {
                connection.ask(&request, Instant::now(), start.elapsed().as_secs(), &mut seen);
            }
            seen
        })?;
        Ok((seen, start.elapsed().as_secs_f64()))
    }

    /// The connections share a fixed rate of requests. A latency counts from when the request was due, so that a server that stops for
    /// a while does not hide that.
    fn paced(
        &self,
        address: &str,
        name: &str,
        rate: f64,
        connections: usize,
        time: Duration,
    ) -> Result<Seen> {
        let request = self.request(name)?;
        let every = Duration::from_secs_f64(connections as f64 / rate);
        let start = Instant::now();
        on_each(connections, |number| {
            let (mut connection, mut seen) = (Connection::new(address), Seen::default());
            let mut due = start + every.mul_f64(number as f64 / connections as f64);
            while due < start + time {
                thread::sleep(due.saturating_duration_since(Instant::now()));
                connection.ask(&request, due, due.duration_since(start).as_secs(), &mut seen);
                due += every;
            }
            seen
        })
    }
}

/// Runs the work on so many threads.
fn on_each(threads: usize, work: impl Fn(usize) -> Seen + Sync) -> Result<Seen> {
    let work = &work;
    let all = thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|number| scope.spawn(move || work(number))).collect();
        running.into_iter().map(thread::ScopedJoinHandle::join).collect::<Vec<_>>()
    });
    let mut seen = Seen::default();
    for one in all {
        let Ok(one) = one else { bail!("a connection panicked") };
        seen.latencies.extend(one.latencies);
        seen.seconds.extend(one.seconds);
        seen.failed += one.failed;
        for (version, second) in one.versions {
            seen.saw(version, second);
        }
    }
    Ok(seen)
}

impl Seen {
    /// Notes an answer by a version in a second.
    fn saw(&mut self, version: String, second: u64) {
        let first = self.versions.entry(version).or_insert(second);
        *first = second.min(*first);
    }

    /// The p99 of the requests of each second.
    fn by_second(&self) -> BTreeMap<u64, f64> {
        let mut by_second: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
        for (second, latency) in self.seconds.iter().zip(&self.latencies) {
            by_second.entry(*second).or_default().push(*latency);
        }
        let p99 = |latencies| Self { latencies, ..Self::default() }.quantile(0.99);
        by_second.into_iter().map(|(second, latencies)| (second, p99(latencies))).collect()
    }

    /// The median of the p99 of the seconds; NaN without answers.
    fn usual_second(&self) -> f64 {
        Self { latencies: self.by_second().into_values().collect(), ..Self::default() }.quantile(0.5)
    }

    /// The p99 of the second in which another version began to answer, or of the one before, in which that version was made ready, if
    /// that is greater; NaN if no version began.
    fn second_of_change(&self) -> f64 {
        let began = self.versions.values().max().filter(|_| self.versions.len() > 1);
        let Some(&began) = began else { return f64::NAN };
        self.by_second().range(began.saturating_sub(1)..=began).fold(f64::NAN, |most, (_, p99)| p99.max(most))
    }

    /// The latency below which this share of the answers came, in seconds; NaN without answers.
    fn quantile(&mut self, share: f64) -> f64 {
        self.latencies.sort_by(f64::total_cmp);
        let place =
            ((self.latencies.len() as f64 * share) as usize).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(place).copied().unwrap_or(f64::NAN)
    }
}

impl Connection {
    fn new(address: &str) -> Self {
        Self { address: address.to_owned(), stream: None, buffer: vec![0; 1 << 16] }
    }

    /// Sends a request of a second and reads the answer. A failure closes the connection.
    fn ask(&mut self, request: &[u8], due: Instant, second: u64, seen: &mut Seen) {
        match self.exchange(request) {
            Ok((200, version)) => {
                seen.latencies.push(due.elapsed().as_secs_f64());
                seen.seconds.push(second);
                if let Some(version) = version {
                    seen.saw(version, second);
                }
            }
            Ok(_) => seen.failed += 1,
            Err(_) => {
                seen.failed += 1;
                self.stream = None;
            }
        }
    }

    fn exchange(&mut self, request: &[u8]) -> Result<(u16, Option<String>)> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(&self.address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            self.stream = Some(stream);
        }
        let stream = self.stream.as_mut().context("there is no connection")?;
        stream.write_all(request)?;
        let mut filled = 0;
        let head = loop {
            if let Some(end) = find(&self.buffer[..filled], b"\r\n\r\n") {
                break end + 4;
            }
            if filled == self.buffer.len() {
                bail!("the head of the answer is too long");
            }
            match stream.read(&mut self.buffer[filled..])? {
                0 => bail!("the server closed the connection"),
                read => filled += read,
            }
        };
        let text = std::str::from_utf8(&self.buffer[..head])?.to_owned();
        let status = text.split(' ').nth(1).context("no status")?.parse()?;
        let header = |name: &str| {
            text.lines().skip(1).find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        let version = header("x-hydra-version");
        let length: usize = header("content-length").context("the answer has no length")?.parse()?;
        let mut left = (head + length).checked_sub(filled).context("the answer is longer than its length")?;
        while left > 0 {
            let most = left.min(self.buffer.len());
            match stream.read(&mut self.buffer[..most])? {
                0 => bail!("the answer ended early"),
                read => left -= read,
            }
        }
        Ok((status, version))
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

impl Worker for Session {
    /// `closed ADDRESS FILE CONNECTIONS SECONDS`: requests per second, p50, p99, failures. `paced ADDRESS FILE RATE CONNECTIONS SECONDS`:
    /// p50, p99, failures, versions that answered, the median p99 of a second, the p99 of the second in which the version changed or
    /// of the one before it, if that is greater. `grpc ADDRESS FILE SECONDS`: calls per second, p50, p99. `ready ADDRESS FILE`: the
    /// seconds until an answer comes with status 200, trying again at once.
    fn answer(&mut self, what: &str, arguments: &[&str]) -> Result<Vec<f64>> {
        match (what, arguments) {
            ("closed", [address, name, connections, seconds]) => {
                let time = Duration::from_secs_f64(seconds.parse()?);
                let (mut seen, took) = self.closed(address, name, connections.parse()?, time)?;
                Ok(vec![
                    seen.latencies.len() as f64 / took,
                    seen.quantile(0.5),
                    seen.quantile(0.99),
                    seen.failed as f64,
                ])
            }
            ("paced", [address, name, rate, connections, seconds]) => {
                let time = Duration::from_secs_f64(seconds.parse()?);
                let mut seen = self.paced(address, name, rate.parse()?, connections.parse()?, time)?;
                let (usual, change) = (seen.usual_second(), seen.second_of_change());
                Ok(vec![
                    seen.quantile(0.5),
                    seen.quantile(0.99),
                    seen.failed as f64,
                    seen.versions.len() as f64,
                    usual,
                    change,
                ])
            }
            ("grpc", [address, name, seconds]) => {
                let time = Duration::from_secs_f64(seconds.parse()?);
                let (latencies, took) = grpc::closed(address, self.request(name)?, time)?;
                let mut seen = Seen { latencies, ..Seen::default() };
                Ok(vec![seen.latencies.len() as f64 / took, seen.quantile(0.5), seen.quantile(0.99)])
            }
            ("ready", [address, name]) => {
                let request = self.request(name)?;
                let start = Instant::now();
                while start.elapsed() < Duration::from_mins(2) {
                    if matches!(Connection::new(address).exchange(&request), Ok((200, _))) {
                        return Ok(vec![start.elapsed().as_secs_f64()]);
                    }
                    thread::sleep(Duration::from_millis(1));
                }
                bail!("the server at {address} does not answer")
            }
            ("memory", [process]) => Ok(vec![resident(process)?]),
            _ => bail!("no such request"),
        }
    }
}

/// The resident memory of a process in bytes, from Linux's `/proc`.
fn resident(process: &str) -> Result<f64> {
    let status = std::fs::read_to_string(Path::new("/proc").join(process).join("status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no memory in /proc")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse().context("the memory is not a number")?;
    Ok(kib * 1024.0)
}
