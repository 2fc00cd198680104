//! The page of a server: what answers for each of its models, and their histories.

use std::sync::Arc;

use askama::Template;
use hydra_base::Timestamp;
use hydra_base::error::Result;

use crate::frame::{self, Frame};
use crate::history::History;
use crate::page::{Body, Now};
use crate::text::{Shown, time};

/// The state of a server.
#[derive(Debug)]
pub struct ServerState {
    /// Whether every model has a verified version.
    pub ready: bool,
    /// Whether the server is ending.
    pub draining: bool,
    /// The models.
    pub models: Vec<ServedModel>,
}

/// The state of a model of a server.
#[derive(Debug)]
pub struct ServedModel {
    /// Its name.
    pub name: String,
    /// The versions that answer for it or are compared.
    pub seats: Vec<ServedSeat>,
    /// Its history, if the registry has answered.
    pub history: Option<Arc<(History, Now)>>,
    /// Why the history is not there, or is an older one.
    pub problem: Option<String>,
}

/// A version in its place.
#[derive(Debug)]
pub struct ServedSeat {
    /// What it does: `answers`, `answers 5% of the keys`, `shadow`.
    pub role: String,
    /// The alias that is followed.
    pub alias: String,
    /// The version that is served.
    pub version: Option<String>,
    /// When it was swapped in, in milliseconds.
    pub since: Option<Timestamp>,
    /// Since when and why the version is not the one behind the alias.
    pub problem: Option<(Timestamp, String)>,
    /// What else is known, by name.
    pub facts: Vec<(String, String)>,
}

/// A seat as it is shown.
struct SeatView {
    role: Shown,
    alias: Shown,
    version: Option<Shown>,
    since: Option<String>,
    problem: Option<(String, Shown)>,
    facts: Vec<(Shown, Shown)>,
}

/// A model as it is shown.
struct ModelView<'a> {
    name: Shown,
    seats: Vec<SeatView>,
    body: Option<Body<'a>>,
    problem: Option<Shown>,
}

#[derive(Template)]
#[template(path = "server.html", whitespace = "minimize")]
struct ServerPage<'a> {
    frame: Frame,
    ready: bool,
    draining: bool,
    models: Vec<ModelView<'a>>,
}

/// The page of a server, as one HTML document that needs nothing else.
pub fn server_page(state: &ServerState) -> Result<String> {
    let prefixes: Vec<String> = (0..state.models.len()).map(|index| format!("m{index}-")).collect();
    let models = state.models.iter().zip(&prefixes).map(|(model, prefix)| ModelView {
        name: Shown::short(&model.name),
        seats: model.seats.iter().map(seat).collect(),
        body: model.history.as_ref().map(|read| Body::of(&read.0, &read.1, prefix, false)),
        problem: model.problem.as_ref().map(|problem| Shown::line(problem, 400)),
    });
    let page = ServerPage {
        frame: frame::frame(),
        ready: state.ready,
        draining: state.draining,
        models: models.collect(),
    };
    frame::rendered(&page)
}

fn seat(seat: &ServedSeat) -> SeatView {
    SeatView {
        role: Shown::short(&seat.role),
        alias: Shown::short(&seat.alias),
        version: seat.version.as_ref().map(Shown::short),
        since: seat.since.map(time),
        problem: seat.problem.as_ref().map(|(since, why)| (time(*since), Shown::line(why, 400))),
        facts: seat.facts.iter().map(|(name, value)| (Shown::short(name), Shown::short(value))).collect(),
    }
}
