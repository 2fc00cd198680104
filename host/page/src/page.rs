//! The page of a history.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use hydra_base::error::Result;
use hydra_base::names::Alias;
use hydra_base::text::shell_word;

use crate::chart::Chart;
use crate::evidence::Evidence;
use crate::figures::{Series, Source};
use crate::frame::{self, Frame};
use crate::history::{Found, History};
use crate::line::Line;
use crate::text::{LONG, Shown, day, figure, time};
use crate::timeline::{Timeline, by_text, how_text, segments};

/// How many reigns of champions are listed.
const REIGNS: usize = 24;

/// How many refused versions are listed.
const REFUSED: usize = 12;

/// How many charts are drawn.
const CHARTS: usize = 9;

/// How many other aliases are named beside the champion.
const ALIASES: usize = 8;

/// How many figures of the champion are shown.
const FIGURES: usize = 12;

/// How many actors the filter proposes.
const ACTORS: usize = 100;

/// How many older entries are folded together.
const FOLD: usize = 500;

/// What a page says beside the history.
#[derive(Debug)]
#[non_exhaustive]
pub struct Now {
    /// The registered model.
    pub model: String,
    /// Where the store has its aliases.
    pub aliases: BTreeMap<Alias, u64>,
    /// The aliases that policies may move.
    pub managed: Vec<Alias>,
    /// The metrics of the champion's run, for a champion of which no decision that is shown saw figures.
    pub metrics: BTreeMap<String, f64>,
    /// The quarantine of the champion, if it is in quarantine.
    pub quarantine: Option<String>,
}

/// The champion.
#[derive(Debug)]
pub(crate) struct Champion {
    pub version: u64,
    pub since: Option<String>,
    pub how: &'static str,
    /// What the actor has to do with it.
    pub by: &'static str,
    pub actor: Option<Shown>,
    pub user: Option<Shown>,
    pub policy: Option<Shown>,
    pub reason: Option<Shown>,
    pub explanation: Option<Shown>,
    pub number: Option<u64>,
    pub figures: Vec<(Shown, Shown, String)>,
    pub more_figures: usize,
}

/// A version while it was champion.
#[derive(Debug)]
pub(crate) struct Reign {
    pub version: String,
    pub from: String,
    pub until: String,
    pub how: &'static str,
    /// What the actor has to do with it.
    pub by: &'static str,
    pub actor: Shown,
    pub number: Option<u64>,
    pub is_now: bool,
}

/// A version whose newest decision was against it.
#[derive(Debug)]
pub(crate) struct RefusedView {
    pub version: u64,
    pub number: u64,
    pub time: String,
    pub verdict: &'static str,
    pub class: &'static str,
    pub actor: Shown,
    pub lacked: Vec<(Option<Shown>, Shown)>,
}

/// An entry with its evidence.
#[derive(Debug)]
pub(crate) struct EntryView<'a> {
    pub line: &'a Line,
    /// The evidence; an older decision has none.
    pub evidence: Option<&'a Evidence>,
    /// Why it cannot be shown.
    pub why_not: Option<&'a Shown>,
}

/// Entries that are folded together.
#[derive(Debug)]
pub(crate) struct Fold<'a> {
    pub first: u64,
    pub last: u64,
    pub from: String,
    pub to: String,
    pub entries: Vec<EntryView<'a>>,
}

/// The page of one model.
#[derive(Template)]
#[template(path = "history.html", whitespace = "minimize")]
struct HistoryPage<'a> {
    frame: Frame,
    model: Shown,
    period: Option<(String, String)>,
    body: Body<'a>,
}

/// What a page says of a model's history.
#[derive(Debug)]
pub(crate) struct Body<'a> {
    /// What the ids of its elements begin with.
    pub prefix: &'a str,
    /// Whether it has a form with filters.
    pub has_filters: bool,
    pub history: &'a History,
    pub champion: Option<Champion>,
    pub others: Vec<(Shown, u64)>,
    pub notices: Vec<(&'static str, Shown)>,
    pub timeline: Option<Timeline>,
    pub charts: Vec<Chart>,
    pub more_charts: usize,
    pub reigns: Vec<Reign>,
    pub more_reigns: usize,
    pub refused: Vec<RefusedView>,
    pub more_refused: usize,
    pub operations: BTreeSet<&'a str>,
    pub actors: BTreeSet<&'a str>,
    pub open: Vec<EntryView<'a>>,
    pub folds: Vec<Fold<'a>>,
    pub unlisted: usize,
    pub decisions: usize,
    pub head: Option<String>,
    pub verify: Shown,
}

/// The page of a history, as one HTML document that needs nothing else. Equal arguments give equal bytes.
pub fn history_page(history: &History, now: &Now) -> Result<String> {
    let page = HistoryPage {
        frame: frame::frame(),
        model: Shown::short(&now.model),
        period: history.span.map(|(from, to)| (day(from), day(to))),
        body: Body::of(history, now, "e", true),
    };
    frame::rendered(&page)
}

impl<'a> Body<'a> {
    /// What is said of a history.
    pub(crate) fn of(history: &'a History, now: &Now, prefix: &'a str, has_filters: bool) -> Self {
        let current = now.aliases.get(&Alias::CHAMPION).copied();
        let (reigns, more_reigns) = reigns(history, now);
        let crowned: BTreeSet<u64> = segments(history, &Alias::CHAMPION, &now.aliases)
            .into_iter()
            .filter_map(|one| one.version)
            .collect();
        let best = history.figures.best();
        let chart = |(source, name, series): &(&Source, &Shown, &Series)| {
            Chart::of(source, name, series, &crowned, current)
        };
        let others = now.aliases.iter().filter(|(alias, _)| **alias != Alias::CHAMPION);
        let (refused, more_refused) = refused(history, current);
        let (open, folds) = entries(history);
        let numbers = history.valid + history.damaged + history.newer + history.bridged;
        Self {
            prefix,
            has_filters,
            champion: current.map(|version| champion(history, now, version)),
            others: others
                .take(ALIASES)
                .map(|(alias, version)| (Shown::line(alias.as_str(), 40), *version))
                .collect(),
            notices: notices(history, now),
            timeline: Timeline::of(history, &now.managed, &now.aliases),
            charts: best.iter().take(CHARTS).map(chart).collect(),
            more_charts: best.len().saturating_sub(CHARTS),
            reigns,
            more_reigns,
            refused,
            more_refused,
            operations: history.lines.iter().map(|line| line.operation.as_str()).collect(),
            actors: actors(&history.lines),
            open,
            folds,
            unlisted: numbers.saturating_sub(history.lines.len()),
            decisions: history.evidence.len(),
            head: history.head.as_ref().map(ToString::to_string),
            verify: Shown::line(
                format!("hydra-registry --model {} history verify", shell_word(&now.model)),
                LONG,
            ),
            history,
        }
    }
}

fn champion(history: &History, now: &Now, version: u64) -> Champion {
    let moved = history.moved.iter().rev().find(|moved| moved.alias == Alias::CHAMPION);
    let moved = moved.filter(|moved| moved.after == Some(version));
    let line = moved.and_then(|moved| history.lines.iter().find(|line| line.number == moved.number));
    let mut figures: Vec<_> = history
        .figures
        .of_version(version)
        .map(|(source, name, point)| {
            let about = match source {
                Source::Measured(dataset) => Shown::line(format!("on {dataset}"), 40),
                Source::Logged => Shown::short("logged"),
            };
            (Shown::line(name.as_str(), 40), about, figure(point.value))
        })
        .collect();
    if figures.is_empty() {
        let logged = now.metrics.iter();
        figures.extend(
            logged.map(|(name, value)| (Shown::line(name, 40), Shown::short("logged"), figure(*value))),
        );
    }
    let more_figures = figures.len().saturating_sub(FIGURES);
    figures.truncate(FIGURES);
    Champion {
        version,
        since: moved.map(|moved| time(moved.at)),
        how: moved.map_or("", |moved| how_text(moved.how)),
        by: moved.map_or("", |moved| by_text(moved.how)),
        actor: moved.map(|moved| moved.actor.clone()),
        user: line.and_then(|line| line.user.clone()),
        policy: line.and_then(|line| line.policy.clone()),
        reason: line.and_then(|line| line.reason.clone()),
        explanation: line.map(|line| line.explanation.clone()),
        number: moved.map(|moved| moved.number),
        figures,
        more_figures,
    }
}

fn notices(history: &History, now: &Now) -> Vec<(&'static str, Shown)> {
    let mut notices = Vec::new();
    let mut say = |class, text: String| notices.push((class, Shown::line(text, 400)));
    let ledger = history.latest.get(&Alias::CHAMPION).copied().flatten();
    let store = now.aliases.get(&Alias::CHAMPION).copied();
    let named =
        |version: Option<u64>| version.map_or_else(|| "no version".to_owned(), |one| format!("v{one}"));
    if history.head.is_some() && ledger != store {
        say(
            "out",
            format!(
                "By the ledger, {} is the champion; the registry has {}. The alias was moved outside of the ledger, and the next decision will record it.",
                named(ledger),
                named(store)
            ),
        );
    }
    if let Some(why) = &now.quarantine {
        say("stop", format!("The champion is in quarantine: {why}"));
    }
    if history.newer > 0 {
        say(
            "stop",
            format!(
                "{} entries were written by a newer release. What they mean is not on this page.",
                history.newer
            ),
        );
    }
    if history.damaged > 0 {
        say(
            "stop",
            format!(
                "{} numbers of the ledger cannot be read; `hydra-registry doctor` says what to do.",
                history.damaged
            ),
        );
    }
    let lost = history.evidence.values().filter(|found| found.is_err()).count();
    if lost > 0 {
        say(
            "wait",
            format!("The archived evidence of {lost} decisions cannot be shown; each of them says why."),
        );
    }
    if !history.is_whole {
        say("calm", "Older entries are left out.".to_owned());
    }
    notices
}

/// The versions while they were champion, newest first.
fn reigns(history: &History, now: &Now) -> (Vec<Reign>, usize) {
    let segments = segments(history, &Alias::CHAMPION, &now.aliases);
    let last = segments.len().saturating_sub(1);
    let all: Vec<_> = segments
        .iter()
        .enumerate()
        .rev()
        .filter(|(index, one)| one.version.is_some() || (*index != 0 && one.to > one.from))
        .collect();
    let reign = |(index, one): &(usize, &crate::timeline::Segment<'_>)| Reign {
        version: one.version.map_or_else(|| "none".to_owned(), |version| format!("v{version}")),
        from: time(one.from),
        until: if *index == last { String::new() } else { time(one.to) },
        how: one.began.map_or("moved without an entry", |moved| how_text(moved.how)),
        by: one.began.map_or("by", |moved| by_text(moved.how)),
        actor: one.began.map(|moved| moved.actor.clone()).unwrap_or_default(),
        number: one.began.map(|moved| moved.number),
        is_now: *index == last && one.version.is_some(),
    };
    let shown: Vec<_> = all.iter().take(REIGNS).map(reign).collect();
    let more = all.len() - shown.len();
    (shown, more)
}

/// The versions whose newest decision was against them, without the champion: it may have become that by other means.
fn refused(history: &History, champion: Option<u64>) -> (Vec<RefusedView>, usize) {
    let view = |refused: &crate::history::Refused| {
        let evidence = history.evidence.get(&refused.number).and_then(|found| found.as_ref().ok());
        let mut lacked: Vec<_> = evidence
            .into_iter()
            .flat_map(|evidence| evidence.lacked())
            .map(|policy| (policy.name.clone(), Shown::line(policy.explanation.as_str(), 400)))
            .collect();
        if lacked.is_empty() {
            lacked.push((None, refused.explanation.clone()));
        }
        RefusedView {
            version: refused.version,
            number: refused.number,
            time: time(refused.at),
            verdict: crate::line::verdict_text(Some(refused.verdict)),
            class: if refused.verdict == hydra_policy::VerdictKind::Hold { "wait" } else { "no" },
            actor: refused.actor.clone(),
            lacked,
        }
    };
    let others: Vec<_> = history.refused.iter().filter(|refused| Some(refused.version) != champion).collect();
    let shown: Vec<_> = others.iter().take(REFUSED).map(|one| view(one)).collect();
    let more = others.len() - shown.len() + history.more_refused;
    (shown, more)
}

fn actors(lines: &[Line]) -> BTreeSet<&str> {
    let mut actors = BTreeSet::new();
    for line in lines {
        if actors.len() < ACTORS && !line.actor.as_str().is_empty() {
            actors.insert(line.actor.as_str());
        }
    }
    actors
}

/// The newest entries, which are open, and the older ones in folds.
fn entries(history: &History) -> (Vec<EntryView<'_>>, Vec<Fold<'_>>) {
    let view = |line| entry(history, line);
    let newest = history.lines.len().min(FOLD);
    let (open, older) = history.lines.split_at(newest);
    let folds = older.chunks(FOLD).map(|lines| {
        let ends = (lines.first(), lines.last());
        let number = |line: Option<&Line>| line.map_or(0, |line| line.number);
        let day = |line: Option<&Line>| {
            line.map(|line| line.time.chars().take(10).collect::<String>()).unwrap_or_default()
        };
        Fold {
            first: number(ends.0),
            last: number(ends.1),
            from: day(ends.1),
            to: day(ends.0),
            entries: lines.iter().map(view).collect(),
        }
    });
    (open.iter().map(view).collect(), folds.collect())
}

fn entry<'a>(history: &'a History, line: &'a Line) -> EntryView<'a> {
    let found: Option<&Found> = history.evidence.get(&line.number).filter(|_| line.is_decision);
    EntryView {
        line,
        evidence: found.and_then(|found| found.as_ref().ok()).map(Box::as_ref),
        why_not: found.and_then(|found| found.as_ref().err()),
    }
}
