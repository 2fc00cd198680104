//! The timeline: a lane for each alias, and a strip for each kind of entry that stands out.

use std::collections::BTreeMap;

use hydra_base::Timestamp;
use hydra_base::names::Alias;
use hydra_ledger_rules::Number;

use crate::history::{History, How, Moved};
use crate::line::Mark;
use crate::scale::{Tick, times};
use crate::text::{Shown, time};

/// The width of the drawing.
const WIDTH: f64 = 1120.0;

/// Where the plot begins, right of the labels.
const LEFT: f64 = 112.0;

/// Where it ends.
const RIGHT: f64 = WIDTH - 8.0;

/// The room that half of a tick's text takes.
const ROOM: f64 = 30.0;

/// A bar that is narrower is drawn together with its neighbours.
const NARROW: f64 = 3.0;

/// A version has room for its label from this width on, and more for each of its digits.
const LABELLED: f64 = 12.0;

/// Marks nearer than this are one.
const NEAR: f64 = 9.0;

/// The most lanes of aliases.
const LANES: usize = 8;

/// The kinds of marks, in the order of their strips.
const STRIPS: [Mark; 7] = [
    Mark::Promoted,
    Mark::Rejected,
    Mark::Held,
    Mark::Rollback,
    Mark::Quarantine,
    Mark::Outside,
    Mark::Override,
];

/// A time during which an alias was on one version.
#[derive(Debug, Clone)]
pub(crate) struct Segment<'a> {
    pub from: Timestamp,
    pub to: Timestamp,
    pub version: Option<u64>,
    /// The entry with which it began, unless it was there before or no entry says when it began.
    pub began: Option<&'a Moved>,
    /// Whether an entry says that it was there from the beginning on.
    pub is_recorded: bool,
}

/// A bar of a lane.
#[derive(Debug)]
pub(crate) struct Bar {
    pub x: String,
    pub width: String,
    pub middle: String,
    pub label: Option<String>,
    pub title: String,
    pub class: &'static str,
    pub number: Option<Number>,
}

/// The lane of an alias.
#[derive(Debug)]
pub(crate) struct Lane {
    pub label: Shown,
    pub y: u32,
    pub height: u32,
    pub text_y: u32,
    pub bars: Vec<Bar>,
}

/// A mark in a strip.
#[derive(Debug)]
pub(crate) struct MarkView {
    pub x: String,
    pub title: String,
    pub number: Number,
    pub is_many: bool,
}

/// The strip of a kind of marks.
#[derive(Debug)]
pub(crate) struct Strip {
    pub label: &'static str,
    pub symbol: &'static str,
    pub y: u32,
    pub text_y: u32,
    pub marks: Vec<MarkView>,
}

/// The drawing.
#[derive(Debug)]
pub(crate) struct Timeline {
    pub width: u32,
    pub height: u32,
    pub left: u32,
    pub label_x: u32,
    pub axis_y: u32,
    pub tick_y: u32,
    pub ticks: Vec<TickView>,
    pub lanes: Vec<Lane>,
    pub strips: Vec<Strip>,
    pub more_lanes: usize,
}

/// A tick of the time axis.
#[derive(Debug)]
pub(crate) struct TickView {
    pub x: String,
    /// Its class: the text of the last tick ends at it.
    pub class: &'static str,
    pub text: String,
}

/// The times of a ledger as places.
#[derive(Debug, Clone, Copy)]
struct Axis {
    from: Timestamp,
    to: Timestamp,
}

impl Axis {
    fn x(self, at: Timestamp) -> f64 {
        let share = at.saturating_sub(self.from) as f64 / self.to.saturating_sub(self.from).max(1) as f64;
        LEFT + (RIGHT - LEFT) * share.clamp(0.0, 1.0)
    }
}

impl Timeline {
    /// The timeline of a history; `now` is where the store has the aliases. None without entries.
    pub(crate) fn of(history: &History, aliases: &[Alias], now: &BTreeMap<Alias, u64>) -> Option<Self> {
        let (from, newest) = history.span?;
        let axis = Axis { from, to: end_of(from, newest) };
        let mut y = 6;
        let all = lanes(history, aliases, now);
        let more_lanes = all.len().saturating_sub(LANES);
        let mut lanes = Vec::new();
        for alias in all.into_iter().take(LANES) {
            let segments = segments(history, &alias, now);
            let height = if alias == Alias::CHAMPION { 30 } else { 18 };
            lanes.push(Lane {
                label: Shown::line(alias.as_str(), 15),
                y,
                height,
                text_y: y + height / 2 + 4,
                bars: bars(&segments, axis, &alias, now),
            });
            y += height + 8;
        }
        y += 6;
        let mut strips = Vec::new();
        for mark in STRIPS {
            let marks = marks(history, mark, axis);
            if marks.is_empty() {
                continue;
            }
            strips.push(Strip { label: mark.name(), symbol: mark.symbol(), y: y + 8, text_y: y + 12, marks });
            y += 19;
        }
        let ticks = times(axis.from, axis.to, 9).into_iter().map(|(at, text)| Tick { at: axis.x(at), text });
        // The text of the last one would not fit beside it.
        let class = |at: f64| if at > RIGHT - ROOM { "tick end" } else { "tick" };
        let ticks = ticks.map(|tick| TickView { x: place(tick.at), class: class(tick.at), text: tick.text });
        let ticks = ticks.collect();
        Some(Self {
            width: WIDTH as u32,
            height: y + 30,
            left: LEFT as u32,
            label_x: LEFT as u32 - 10,
            axis_y: y + 6,
            tick_y: y + 22,
            ticks,
            lanes,
            strips,
            more_lanes,
        })
    }
}

/// The end of the axis: a little later than the newest entry, so that what holds since then is seen.
fn end_of(from: Timestamp, newest: Timestamp) -> Timestamp {
    let span = newest.saturating_sub(from);
    newest.saturating_add((span / 20).max(60_000))
}

/// The aliases with lanes: champion, archived, candidate, then the others that ever were set.
fn lanes(history: &History, aliases: &[Alias], now: &BTreeMap<Alias, u64>) -> Vec<Alias> {
    let mut all = vec![Alias::CHAMPION, Alias::ARCHIVED, Alias::CANDIDATE];
    let others = aliases.iter().chain(history.latest.keys());
    for alias in others {
        if !all.contains(alias) {
            all.push(alias.clone());
        }
    }
    let is_used = |alias: &Alias| {
        now.contains_key(alias)
            || history.moved.iter().any(|moved| moved.alias == *alias)
            || history.initial.get(alias).copied().flatten().is_some()
    };
    all.retain(|alias| *alias == Alias::CHAMPION || is_used(alias));
    all
}

/// Where an alias was, oldest first.
pub(crate) fn segments<'a>(
    history: &'a History,
    alias: &Alias,
    now: &BTreeMap<Alias, u64>,
) -> Vec<Segment<'a>> {
    let Some((from, newest)) = history.span else { return Vec::new() };
    let mut found = Vec::new();
    let mut current = Segment {
        from,
        to: from,
        version: history.initial.get(alias).copied().flatten(),
        began: None,
        is_recorded: true,
    };
    let mut end = |current: Segment<'a>, to: Timestamp, version: Option<u64>| {
        let is_recorded = current.version == version;
        let began = current.began.filter(|_| is_recorded);
        found.push(Segment { to, version, began, is_recorded, ..current });
    };
    for moved in history.moved.iter().filter(|moved| moved.alias == *alias) {
        end(current, moved.at, moved.before);
        current = Segment {
            from: moved.at,
            to: moved.at,
            version: moved.after,
            began: Some(moved),
            is_recorded: true,
        };
    }
    end(current, end_of(from, newest), now.get(alias).copied());
    found
}

fn bars(segments: &[Segment<'_>], axis: Axis, alias: &Alias, now: &BTreeMap<Alias, u64>) -> Vec<Bar> {
    let mut bars = Vec::new();
    let mut group: Vec<&Segment<'_>> = Vec::new();
    let set = segments.iter().filter(|segment| segment.version.is_some());
    for (index, segment) in set.enumerate() {
        let is_last = segments.last().is_some_and(|last| std::ptr::eq(last, segment));
        let (start, end) = (axis.x(segment.from), axis.x(segment.to));
        if end - start < NARROW && !is_last {
            if group.first().is_some_and(|first| end - axis.x(first.from) >= NARROW * 2.0) {
                bars.extend(together(&std::mem::take(&mut group), axis));
            }
            group.push(segment);
            continue;
        }
        bars.extend(together(&std::mem::take(&mut group), axis));
        let is_current = is_last && now.get(alias).copied() == segment.version && *alias == Alias::CHAMPION;
        bars.push(bar(segment, axis, is_current, index));
    }
    bars.extend(together(&group, axis));
    bars
}

/// A bar of one segment.
fn bar(segment: &Segment<'_>, axis: Axis, is_current: bool, index: usize) -> Bar {
    let (start, end) = (axis.x(segment.from), axis.x(segment.to));
    let width = (end - start).max(NARROW);
    let label = segment.version.map(|version| format!("v{version}")).unwrap_or_default();
    let room = LABELLED + 7.0 * label.len() as f64;
    let began = match (segment.began, segment.is_recorded) {
        (Some(moved), _) => {
            format!("{}, {} {} {}", how_text(moved.how), time(moved.at), by_text(moved.how), moved.actor)
        }
        (None, true) => format!("there before {}", time(segment.from)),
        (None, false) => {
            format!("moved without an entry between {} and {}", time(segment.from), time(segment.to))
        }
    };
    let overridden = segment.began.is_some_and(|moved| moved.overridden);
    let note = if overridden { ", with a rule set aside" } else { "" };
    Bar {
        x: place(start),
        width: place(width),
        middle: place(start + width / 2.0),
        title: format!("{label}: {began}{note}"),
        class: match (segment.is_recorded, is_current, index % 2) {
            (false, ..) => "bar unsaid",
            (true, true, _) => "bar now",
            (true, false, 0) => "bar",
            (true, false, _) => "bar odd",
        },
        label: (width >= room).then_some(label),
        number: segment.began.map(|moved| moved.number),
    }
}

/// One bar for neighbours that are too narrow to be told apart.
fn together(group: &[&Segment<'_>], axis: Axis) -> Option<Bar> {
    let [first, .., last] = group else { return group.first().map(|one| bar(one, axis, false, 0)) };
    let (start, end) = (axis.x(first.from), axis.x(last.to));
    let width = (end - start).max(NARROW);
    let versions: std::collections::BTreeSet<u64> = group.iter().filter_map(|one| one.version).collect();
    let (low, high) = (versions.first().copied().unwrap_or(0), versions.last().copied().unwrap_or(0));
    Some(Bar {
        x: place(start),
        width: place(width),
        middle: place(start + width / 2.0),
        label: None,
        title: format!(
            "{} moves between v{low} and v{high}, from {} to {}",
            group.len(),
            time(first.from),
            time(last.to)
        ),
        class: "bar many",
        number: group.iter().rev().find_map(|one| one.began).map(|moved| moved.number),
    })
}

fn marks(history: &History, mark: Mark, axis: Axis) -> Vec<MarkView> {
    let mut groups: Vec<Vec<&crate::history::Marked>> = Vec::new();
    for marked in history.marked.iter().filter(|marked| marked.mark == mark) {
        let near =
            groups.last().and_then(|group| group.first()).map(|first| axis.x(marked.at) - axis.x(first.at));
        match (near, groups.last_mut()) {
            (Some(near), Some(group)) if near < NEAR => group.push(marked),
            _ => groups.push(vec![marked]),
        }
    }
    let view = |group: &Vec<&crate::history::Marked>| {
        let (first, last) = (group.first()?, group.last()?);
        let title = match group.as_slice() {
            [one] => {
                let version = one.version.map_or_else(String::new, |version| format!(" v{version}"));
                format!("entry {}: {}{version}, {}", one.number, mark.name(), time(one.at))
            }
            _ => format!(
                "{} entries: {}, from {} to {}",
                group.len(),
                mark.name(),
                time(first.at),
                time(last.at)
            ),
        };
        let x = place(f64::midpoint(axis.x(first.at), axis.x(last.at)));
        Some(MarkView { x, title, number: last.number, is_many: group.len() > 1 })
    };
    groups.iter().filter_map(view).collect()
}

/// How an alias came to move.
pub(crate) fn how_text(how: How) -> &'static str {
    match how {
        How::Found => "found when the ledger began",
        How::Promoted => "promotion",
        How::RolledBack => "rollback",
        How::Outside => "move outside of the ledger, found then",
        How::Stated => "statement",
    }
}

/// What the actor of an entry has to do with the move: the ledger does not know who moved an alias without it.
pub(crate) fn by_text(how: How) -> &'static str {
    match how {
        How::Found | How::Outside => "found by",
        How::Promoted | How::RolledBack | How::Stated => "by",
    }
}

/// A place in a drawing, to a tenth.
pub(crate) fn place(at: f64) -> String {
    let text = format!("{at:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}
