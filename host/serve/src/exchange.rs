//! What is between a request and its answer in every protocol: the version, admission, rows, scores, and what is counted of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::HeaderMap;

use hydra_base::blocking;

use crate::admission::Taken;
use crate::app::App;
use crate::clients::Running;
use crate::metrics::Protocol;
use crate::protocol::{Cause, Limits, Output, Refusal, Rows, Schema};
use crate::scoring::{Scored, answer_size, is_small, score};
use crate::served::Served;
use crate::shadow::Answered;
use crate::slot::{Arm, Slot};

/// The most bytes of a body that are read as rows without leaving the thread that reads requests: about a millisecond.
const INLINE_BYTES: usize = 128 << 10;

/// The version of a model that a request is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Address {
    /// The model's name; none for the first one.
    pub(crate) model: Option<String>,
    /// The version, if the request names one.
    pub(crate) version: Option<String>,
}

/// A request that is read and scored.
pub(crate) struct Request<'a> {
    pub(crate) protocol: Protocol,
    pub(crate) address: &'a Address,
    pub(crate) headers: &'a HeaderMap,
    /// The bytes to read.
    pub(crate) bytes: usize,
    /// What the request has taken.
    pub(crate) running: &'a Arc<Running>,
}

/// An answered request.
pub(crate) struct Reply<T> {
    /// The answer.
    pub(crate) answer: T,
    /// The version that answered.
    pub(crate) served: Arc<Served>,
    /// Whether it is the champion.
    pub(crate) arm: Arm,
    /// Whether answers of this model say which arm it was.
    pub(crate) has_arms: bool,
}

impl App {
    /// Counts and logs a refusal.
    pub(crate) fn refused(&self, refusal: &Refusal, protocol: Protocol, headers: Option<&HeaderMap>) {
        let cause = refusal.cause();
        self.metrics.refused(cause.label(), protocol);
        let traceparent = headers.and_then(traceparent);
        let (protocol, cause, detail) = (protocol.as_str(), cause, refusal.log());
        if cause.status() >= 500 {
            tracing::warn!(protocol, cause = cause.label(), detail, traceparent, "refused a request");
        } else {
            tracing::debug!(protocol, cause = cause.label(), detail, traceparent, "refused a request");
        }
    }
}

/// Reads the rows of a request with `read`, scores them, and makes the answer with `write`. Work that takes longer than about a
/// millisecond runs on another thread.
pub(crate) async fn answer<T: Send + 'static>(
    app: &Arc<App>,
    request: Request<'_>,
    read: impl Fn(&Schema, &Limits) -> Result<Rows, Refusal> + Send + 'static,
    write: impl FnOnce(&Rows, &Output, &Served) -> Result<T, Refusal> + Send + 'static,
) -> Result<Reply<T>, Refusal> {
    let Request { protocol, address, headers, bytes, running } = request;
    let began = Instant::now();
    let slot = app.slot(address.model.as_deref()).ok_or(Refusal::new(Cause::UnknownModel))?;
    let chosen = match address.version.as_deref() {
        Some(version) => Some(slot.of_version(version).ok_or(Refusal::new(Cause::UnknownVersion))?),
        None => slot.by_headers(headers)?,
    };
    let work = Work { app: app.clone(), slot: slot.clone(), chosen, running: running.clone(), read, write };
    let done = if bytes > INLINE_BYTES {
        off_thread(app, move || work.read().and_then(Ready::finish)).await?
    } else {
        let ready = work.read()?;
        if ready.is_small() { ready.finish()? } else { off_thread(app, move || ready.finish()).await? }
    };
    let Done { answer, served, arm, rows, for_shadow } = done;
    if let (Some(answered), Some(shadow)) = (for_shadow, &slot.shadow) {
        shadow.offer(answered, &app.metrics);
    }
    let (series, took) = (served.series(protocol), began.elapsed().as_secs_f64());
    series.requests.inc();
    series.rows.inc_by(rows as u64);
    series.latency.observe(took);
    tracing::debug!(
        protocol = protocol.as_str(),
        model = &*served.name,
        version = served.label,
        arm = arm.as_str(),
        rows,
        took,
        traceparent = traceparent(headers),
        "answered a request"
    );
    Ok(Reply { answer, served, arm, has_arms: slot.canary.is_some() })
}

/// Runs work that takes longer than a millisecond, as many pieces at a time as there are processors. What waits for them is bounded
/// by the admission.
async fn off_thread<T: Send + 'static>(
    app: &App,
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let permit = app.processors.clone().acquire_owned().await;
    let permit = permit.map_err(|_| Refusal::new(Cause::Draining))?;
    let done = blocking(move || {
        let done = work();
        drop(permit);
        Ok(done)
    });
    done.await.map_err(|error| Refusal::of(Cause::Internal, &error))?
}

/// A request whose body has arrived.
struct Work<R, W> {
    app: Arc<App>,
    slot: Arc<Slot>,
    /// The version that answers; none if the rows decide it.
    chosen: Option<(Arc<Served>, Arm)>,
    running: Arc<Running>,
    read: R,
    write: W,
}

/// A request whose rows were read.
struct Ready<W> {
    app: Arc<App>,
    slot: Arc<Slot>,
    served: Arc<Served>,
    arm: Arm,
    rows: Rows,
    /// The rows among those that are scored.
    counted: Option<Taken>,
    running: Arc<Running>,
    write: W,
}

/// A request that was scored.
struct Done<T> {
    answer: T,
    served: Arc<Served>,
    arm: Arm,
    rows: usize,
    for_shadow: Option<Answered>,
}

impl<R, W> Work<R, W>
where
    R: Fn(&Schema, &Limits) -> Result<Rows, Refusal>,
{
    fn read(self) -> Result<Ready<W>, Refusal> {
        let Self { app, slot, chosen, running, read, write } = self;
        let (served, arm, rows) = match chosen {
            Some((served, arm)) => {
                let rows = read(&served.schema, &app.limits)?;
                (served, arm, rows)
            }
            None => {
                let champion = slot.champion.served().ok_or(Refusal::new(Cause::NotReady))?;
                let rows = read(&champion.schema, &app.limits)?;
                match slot.by_row(&champion, &rows) {
                    Some(canary) => {
                        let rows = read(&canary.schema, &app.limits)?;
                        (canary, Arm::Canary, rows)
                    }
                    None => (champion, Arm::Champion, rows),
                }
            }
        };
        running.hold_rows(rows.len())?;
        let counted = app.rows.take(rows.len());
        Ok(Ready { app, slot, served, arm, rows, counted, running, write })
    }
}

impl<W> Ready<W> {
    fn is_small(&self) -> bool {
        is_small(self.served.model(), &self.rows)
    }

    fn finish<T>(self) -> Result<Done<T>, Refusal>
    where
        W: FnOnce(&Rows, &Output, &Served) -> Result<T, Refusal>,
    {
        let Self { app, slot, served, arm, rows, counted, running, write } = self;
        // Before anything is allocated for the answer, which takes the place of the body.
        running.hold(answer_size(&served.schema, &rows, app.options.limits.answer)?)?;
        let began = Instant::now();
        let scored = score(&served.schema, &rows)?;
        let took = began.elapsed();
        let answer = write(&rows, &scored.output, &served)?;
        drop(counted);
        running.hold_rows(0)?;
        if rows.ignored() > 0 {
            app.metrics.ignored_columns.get_or_create(&served.labels).inc_by(rows.ignored() as u64);
        }
        if let (Some(drift), Some(outputs)) = (&*served.drift.load(), scored.outputs()) {
            drift.count(outputs);
        }
        let count = rows.len();
        let for_shadow = for_shadow(&slot, arm, &served, rows, scored, took);
        Ok(Done { answer, served, arm, rows: count, for_shadow })
    }
}

/// What the shadow scores, if there is one and it can be compared with what was answered.
fn for_shadow(
    slot: &Slot,
    arm: Arm,
    champion: &Arc<Served>,
    rows: Rows,
    scored: Scored,
    took: Duration,
) -> Option<Answered> {
    let shadow = slot.shadow.as_ref().filter(|_| arm == Arm::Champion)?;
    if !shadow.wants(champion) {
        return None;
    }
    let outputs = scored.into_outputs()?;
    Some(Answered { rows, outputs, champion: champion.clone(), took })
}

/// The trace of a request, for log lines: <https://www.w3.org/TR/trace-context/>.
fn traceparent(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get("traceparent")?.to_str().ok()?;
    let is_one = value.len() == 55 && value.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    is_one.then_some(value)
}
