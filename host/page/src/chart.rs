//! A chart of a metric over the versions.

use std::collections::BTreeSet;

use hydra_policy::Direction;

use crate::figures::{Series, Source};
use crate::scale::numbers;
use crate::text::{Digits, Shown};
use crate::timeline::place;

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 168.0;
const LEFT: f64 = 50.0;
const RIGHT: f64 = WIDTH - 10.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = HEIGHT - 24.0;

/// The most versions of a chart: the newest ones.
const VERSIONS: usize = 24;

/// About how wide the label of a version is.
const LABEL: f64 = 30.0;

/// A horizontal line with its number.
#[derive(Debug)]
pub(crate) struct Rule {
    pub y: String,
    pub text_y: String,
    pub text: String,
}

/// A figure of a version.
#[derive(Debug)]
pub(crate) struct Dot {
    pub x: String,
    pub y: String,
    /// The ends of its interval.
    pub interval: Option<(String, String)>,
    pub class: &'static str,
    pub title: String,
    pub number: u64,
    /// The version, where there is room for it.
    pub label: Option<String>,
}

/// A chart.
#[derive(Debug)]
pub(crate) struct Chart {
    pub name: Shown,
    pub about: Shown,
    pub better: &'static str,
    pub width: u32,
    pub height: u32,
    pub left: String,
    pub right: String,
    pub axis_x: String,
    pub label_y: String,
    pub rules: Vec<Rule>,
    pub dots: Vec<Dot>,
    /// The number of older versions that are left out.
    pub older: usize,
}

impl Chart {
    /// The chart of a series. `champions` are the versions that were champion; `now` is the one that is.
    pub(crate) fn of(
        source: &Source,
        name: &Shown,
        series: &Series,
        champions: &BTreeSet<u64>,
        now: Option<u64>,
    ) -> Self {
        let older = series.points.len().saturating_sub(VERSIONS);
        let points: Vec<_> = series.points.iter().skip(older).collect();
        let ends = points.iter().flat_map(|(_, point)| {
            let (low, high) = point.interval.unwrap_or((point.value, point.value));
            [low, high, point.value]
        });
        let (low, high) =
            ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), end| (low.min(end), high.max(end)));
        let pad = match high - low {
            span if span > 0.0 => span * 0.08,
            _ if high == 0.0 => 1.0,
            _ => high.abs() * 0.1,
        };
        let (low, high) = (low - pad, high + pad);
        let y = |value: f64| place(BOTTOM - (BOTTOM - TOP) * ((value - low) / (high - low)).clamp(0.0, 1.0));
        let step = (RIGHT - LEFT) / points.len() as f64;
        let every = (LABEL / step).ceil().max(1.0) as usize;
        let digits = Digits::for_all(points.iter().map(|(_, point)| point.value));
        let dots = points.iter().enumerate().map(|(index, (version, point))| {
            let span = point.interval.map_or_else(String::new, |(low, high)| {
                format!(", {} to {}", digits.write(low), digits.write(high))
            });
            Dot {
                x: place(LEFT + step * (index as f64 + 0.5)),
                y: y(point.value),
                interval: point.interval.map(|(low, high)| (y(low), y(high))),
                class: match () {
                    () if now == Some(**version) => "dot now",
                    () if champions.contains(version) => "dot was",
                    () => "dot",
                },
                title: format!("v{version}: {}{span}", digits.write(point.value)),
                number: point.number,
                // Counted from the newest, which always has its label.
                label: (points.len() - 1 - index).is_multiple_of(every).then(|| format!("v{version}")),
            }
        });
        let rules = numbers(low, high).into_iter().map(|(number, text)| {
            let at = BOTTOM - (BOTTOM - TOP) * (number - low) / (high - low);
            Rule { y: place(at), text_y: place(at + 4.0), text }
        });
        Self {
            name: Shown::line(name.as_str(), 40),
            about: match source {
                Source::Measured(dataset) => Shown::line(format!("measured on {dataset}"), 60),
                Source::Logged => Shown::short("logged by the runs"),
            },
            better: match series.direction {
                Some(Direction::Higher) => "higher is better",
                Some(Direction::Lower) => "lower is better",
                None => "",
            },
            width: WIDTH as u32,
            height: HEIGHT as u32,
            left: place(LEFT),
            right: place(RIGHT),
            axis_x: place(LEFT - 6.0),
            label_y: place(HEIGHT - 6.0),
            rules: rules.collect(),
            dots: dots.collect(),
            older,
        }
    }
}
