//! The life of a server: it listens, opens the models, follows their aliases, and ends when it is asked to.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use hydra_base::blocking;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_notify::Notifier;
use hydra_registry::ModelRegistry;

use crate::admission::Room;
use crate::alarm::Alarm;
use crate::app::App;
use crate::connections::{Connections, SPARE};
use crate::file::open_file;
use crate::files::connections_for;
use crate::follower::{Follower, Following, Role};
use crate::metrics::Metrics;
use crate::notify::notify;
use crate::options::{ServeOptions, Source};
use crate::past::Past;
use crate::recorder::Recorder;
use crate::reload::keep_fresh;
use crate::served::{Seat, Served};
use crate::shadow::{Shadow, Worker};
use crate::slot::Slot;
use crate::tls::Tls;
use crate::tokens::Tokens;
use crate::{grpc, http};

/// The part of the time at the end that is kept for the rows that wait for a shadow and for the recording of it.
const LAST_RECORDING: u32 = 3;

/// A server that listens and has not begun to answer.
#[derive(Debug)]
pub struct Server {
    app: Arc<App>,
    http: TcpListener,
    grpc: Option<TcpListener>,
    tls: Option<Arc<Tls>>,
    tokens: Option<Arc<Tokens>>,
    followers: Vec<Follower>,
    files: Vec<(Arc<Slot>, PathBuf)>,
    workers: Vec<Worker>,
    recorders: Vec<Recorder>,
    alarms: Vec<Alarm>,
}

impl Server {
    /// Listens, and reads certificates and tokens. No model is opened, and the registry is not asked.
    ///
    /// [`ErrorKind::ServeOptions`] for options that contradict each other, [`ErrorKind::InvalidCertificate`] and
    /// [`ErrorKind::InvalidTokens`] for files that cannot be used, [`ErrorKind::AddressUnavailable`].
    pub async fn bind(sources: Vec<Source>, mut options: ServeOptions) -> Result<Self> {
        options.check()?;
        options.limits.connections = connections_for(options.limits.connections, SPARE);
        check_names(&sources)?;
        let tls = options.tls.as_ref().map(Tls::read).transpose()?.map(Arc::new);
        let tokens = options.token_file.as_deref().map(Tokens::read).transpose()?.map(Arc::new);
        let http = listen(options.listen).await?;
        let grpc = match options.grpc {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        let metrics = Arc::new(Metrics::new());
        let mut built = Built::new(&options, &metrics);
        for source in &sources {
            built.add(source);
        }
        let Built { slots, followers, files, workers, recorders, alarms, .. } = built;
        let app = Arc::new(App::new(options, slots, metrics, tokens.clone()));
        Ok(Self { app, http, grpc, tls, tokens, followers, files, workers, recorders, alarms })
    }

    /// The address of HTTP.
    pub fn address(&self) -> Result<SocketAddr> {
        address(&self.http)
    }

    /// The address of gRPC, if the server has one.
    pub fn grpc_address(&self) -> Result<Option<SocketAddr>> {
        self.grpc.as_ref().map(address).transpose()
    }

    /// Answers requests until `stop` is ready, then ends the running ones.
    ///
    /// Fails like opening the models, if the first champion of one of them cannot be served, and with [`ErrorKind::InvalidCanary`] if
    /// that does not have the feature which is the key of the canary. Later trouble is reported by the routes about the server's state,
    /// and the version that is served stays.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) -> Result<()> {
        let Self { app, http, grpc, tls, tokens, followers, files, workers, recorders, alarms } = self;
        let (end, ended) = watch::channel(false);
        let (open, mut all_closed) = mpsc::channel(1);
        let spare = Room::new(SPARE);
        let connections =
            Connections { app: app.clone(), tls: tls.clone(), spare, stop: ended.clone(), open };
        tracing::info!(
            http = address(&http)?.to_string(),
            grpc = grpc.as_ref().map(address).transpose()?.map(|address| address.to_string()),
            tls = tls.is_some(),
            tokens = tokens.is_some(),
            "listening"
        );
        let mut tasks = JoinSet::new();
        tasks.spawn(connections.clone().accept(http, http::router(&app)));
        if let Some(grpc) = grpc {
            tasks.spawn(connections.clone().accept(grpc, grpc::router(&app)));
        }
        drop(connections);
        if let Some(tls) = tls {
            tasks.spawn(keep_fresh(tls, ended.clone()));
        }
        if let Some(tokens) = tokens {
            tasks.spawn(keep_fresh(tokens, ended.clone()));
        }
        for worker in workers {
            tokio::spawn(worker.work());
        }
        let mut stop = std::pin::pin!(stop);
        let opened = tokio::select! {
            () = &mut stop => None,
            opened = open_all(&app, followers, files) => Some(opened?),
        };
        if let Some(followers) = opened {
            notify("READY=1");
            for follower in followers {
                tasks.spawn(follower.follow(ended.clone()));
            }
            for alarm in alarms {
                tasks.spawn(alarm.watch(app.options.poll, ended.clone()));
            }
            let (finish, finished) = watch::channel(false);
            let recorders: Vec<_> = recorders
                .into_iter()
                .map(|recorder| tokio::spawn(recorder.record(finished.clone())))
                .collect();
            stop.await;
            let drain = app.options.drain;
            let last = Instant::now() + drain;
            let kept = if recorders.is_empty() { Duration::ZERO } else { drain / LAST_RECORDING };
            end_all(&app, &end, &mut all_closed, drain.saturating_sub(kept)).await;
            if !recorders.is_empty() {
                let half = Instant::now() + last.saturating_duration_since(Instant::now()) / 2;
                if timeout_at(half, shadows_are_idle(&app)).await.is_err() {
                    tracing::warn!("the shadow has not scored all rows");
                }
            }
            finish.send_replace(true);
            if timeout_at(last, join_all(recorders)).await.is_err() {
                tracing::warn!("the last recording of a shadow took too long");
            }
        } else {
            end_all(&app, &end, &mut all_closed, app.options.drain).await;
        }
        tasks.abort_all();
        Ok(())
    }
}

/// Waits until no row waits for a shadow.
async fn shadows_are_idle(app: &App) {
    let shadows = || app.slots.iter().filter_map(|slot| slot.shadow.as_ref());
    while !shadows().all(Shadow::is_idle) {
        sleep(Duration::from_millis(10)).await;
    }
}

/// Ends the running requests: waits for them no longer than `drain`.
async fn end_all(app: &App, end: &watch::Sender<bool>, all_closed: &mut mpsc::Receiver<()>, drain: Duration) {
    notify("STOPPING=1");
    tracing::info!(
        running = app.clients.running(),
        "ending: no new connections, running requests are answered"
    );
    app.drain();
    end.send_replace(true);
    // It is closed once no connection holds a sender any more.
    if timeout(drain, all_closed.recv()).await.is_err() {
        tracing::warn!(running = app.clients.running(), "requests were still running at the end");
    }
}

/// Opens every model. The first champion of each must be there; a shadow or a canary may come later.
async fn open_all(
    app: &Arc<App>,
    mut followers: Vec<Follower>,
    files: Vec<(Arc<Slot>, PathBuf)>,
) -> Result<Vec<Follower>> {
    for (slot, path) in files {
        let (name, metrics) = (slot.name.clone(), app.metrics.clone());
        let categories = app.options.categories.clone();
        let served = blocking(move || Served::new(&name, open_file(&path, categories)?, &metrics)).await?;
        tracing::info!(model = &*slot.name, sha256 = %served.sha256, "serving a model file");
        slot.champion.put(Some(Arc::new(served)));
    }
    let offline_ok = app.options.offline_ok;
    try_join_all(followers.iter_mut().map(async |follower| {
        match (follower.first_look(offline_ok).await, follower.role) {
            (Err(error), Role::Champion) => Err(error),
            // It is in the seat's problem.
            _ => Ok(()),
        }
    }))
    .await?;
    app.slots.iter().try_for_each(|slot| slot.check_canary())?;
    Ok(followers)
}

/// What is built of the sources.
struct Built<'a> {
    options: &'a ServeOptions,
    metrics: &'a Arc<Metrics>,
    slots: Vec<Arc<Slot>>,
    followers: Vec<Follower>,
    files: Vec<(Arc<Slot>, PathBuf)>,
    workers: Vec<Worker>,
    recorders: Vec<Recorder>,
    alarms: Vec<Alarm>,
}

impl<'a> Built<'a> {
    fn new(options: &'a ServeOptions, metrics: &'a Arc<Metrics>) -> Self {
        Self {
            options,
            metrics,
            slots: Vec::new(),
            followers: Vec::new(),
            files: Vec::new(),
            workers: Vec::new(),
            recorders: Vec::new(),
            alarms: Vec::new(),
        }
    }

    fn add(&mut self, source: &Source) {
        let options = self.options;
        let name: Arc<str> = source.name().into();
        let champion = Arc::new(Seat::new(options.alias.clone()));
        let registry = match source {
            Source::File { path, .. } => {
                let slot = Arc::new(Slot { name, champion, canary: None, shadow: None, past: None });
                self.files.push((slot.clone(), path.clone()));
                self.slots.push(slot);
                return;
            }
            Source::Registered(registry) => registry,
        };
        self.follow(&name, registry, &champion, Role::Champion);
        // One alias is followed once, also if its version is both canary and shadow.
        let mut challengers: Vec<Arc<Seat>> = Vec::new();
        let mut seat = |alias: &hydra_registry::Alias| {
            if let Some(seat) = challengers.iter().find(|seat| seat.alias == *alias) {
                return seat.clone();
            }
            let seat = Arc::new(Seat::new(alias.clone()));
            challengers.push(seat.clone());
            seat
        };
        let canary = options.canary.as_ref().map(|canary| (canary.clone(), seat(&canary.alias)));
        let shadow = options.shadow.as_ref().map(|alias| Shadow::new(seat(alias), self.metrics.clone()));
        for seat in &challengers {
            self.follow(&name, registry, seat, Role::Challenger);
        }
        let shadow = shadow.map(|(shadow, worker)| {
            self.workers.push(worker);
            if options.record_shadow {
                self.recorders.push(Recorder::new(
                    registry.clone(),
                    &options.instance,
                    shadow.pairs().clone(),
                ));
            }
            shadow
        });
        let past = Some(Past::new(registry.clone()));
        let slot = Arc::new(Slot { name, champion, canary, shadow, past });
        self.slots.push(slot.clone());
        if !options.notify.is_empty() {
            let (notifier, malformed) =
                Notifier::new(registry.clone(), &options.notify, &options.environment);
            for error in malformed {
                tracing::warn!(%error, "a receiver in hydra.toml is left out");
            }
            self.alarms.push(Alarm { slot, notifier, told: None });
        }
    }

    fn follow(&mut self, name: &Arc<str>, registry: &ModelRegistry, seat: &Arc<Seat>, role: Role) {
        let following = Following {
            name: name.clone(),
            registry: registry.clone(),
            seat: seat.clone(),
            metrics: self.metrics.clone(),
            categories: self.options.categories.clone(),
        };
        self.followers.push(Follower::new(following, role, self.options));
    }
}

/// Refuses a server without models, and two models of one name.
fn check_names(sources: &[Source]) -> Result<()> {
    if sources.is_empty() {
        return Err(Error::new(ErrorKind::ServeOptions, "there is no model to serve"));
    }
    let mut names: Vec<&str> = sources.iter().map(Source::name).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => {
            Err(Error::new(ErrorKind::ServeOptions, format!("the model `{}` is named twice", pair[0])))
        }
        None => Ok(()),
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|source| {
        Error::new(ErrorKind::AddressUnavailable, "cannot listen on the address")
            .with_context("address", address)
            .with_source(source)
            .with_hint("name another address with --listen or --grpc")
    })
}

fn address(listener: &TcpListener) -> Result<SocketAddr> {
    listener.local_addr().map_err(|source| {
        Error::new(ErrorKind::AddressUnavailable, "cannot determine the address of the server")
            .with_source(source)
    })
}
