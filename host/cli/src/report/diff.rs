//! The JSON form of `diff`, and its text for people.

use schemars::JsonSchema;
use serde::Serialize;

use super::compare::{self, FigureReport, MeasuredReport, RowReport, Side, bounds};
use super::signed;
use crate::printer::View;
use crate::table::Table;
use hydra_base::names::{ModelName, Version};
use hydra_base::text::printable;
use hydra_evaluation::{Evaluation, VersionId};

/// The most columns whose importance is shown to people.
const COLUMNS_SHOWN: usize = 15;

/// `diff`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DiffReport {
    /// `hydra-registry/diff/1`.
    pub schema: &'static str,
    /// The registered model.
    pub model: String,
    /// The first version.
    #[schemars(with = "u64")]
    pub a: Version,
    /// The second version.
    #[schemars(with = "u64")]
    pub b: Version,
    /// The metrics, and what else differs.
    pub rows: Vec<RowReport>,
    /// The importance of each column for the two models, the greatest change of the share of the gain first; empty if one of
    /// them cannot be loaded.
    pub importances: Vec<ImportanceReport>,
    /// What evaluations measured of both on all rows.
    pub evaluations: Vec<MeasuredReport>,
    #[serde(skip)]
    titles: [String; 2],
}

/// The importance of a column for two models.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ImportanceReport {
    /// The column.
    pub column: String,
    /// The share of the first model's gain that splits by the column have, from 0 to 1; none if the model lacks it.
    pub a: Option<f64>,
    /// The share of the second model's gain.
    pub b: Option<f64>,
}

impl ImportanceReport {
    fn change(&self) -> f64 {
        self.b.unwrap_or(0.0) - self.a.unwrap_or(0.0)
    }

    /// The importances for two models, each by column.
    pub(crate) fn all(a: &[(String, f64)], b: &[(String, f64)]) -> Vec<Self> {
        let share = |of: &[(String, f64)], column: &str| {
            let total: f64 = of.iter().map(|(_, gain)| gain).sum();
            let gain = of.iter().find(|(name, _)| name == column)?.1;
            Some(if total > 0.0 { gain / total } else { 0.0 })
        };
        let only_b = b.iter().filter(|(name, _)| !a.iter().any(|(known, _)| known == name));
        let mut all: Vec<Self> = a
            .iter()
            .chain(only_b)
            .map(|(column, _)| Self { column: column.clone(), a: share(a, column), b: share(b, column) })
            .collect();
        all.sort_by(|one, other| other.change().abs().total_cmp(&one.change().abs()));
        all
    }
}

impl DiffReport {
    /// What differs between two versions, or with `all` everything.
    pub(crate) fn new(model: &ModelName, versions: [Version; 2], sides: [&Side; 2], all: bool) -> Self {
        let [a, b] = sides;
        Self {
            schema: "hydra-registry/diff/1",
            model: model.to_string(),
            a: versions[0],
            b: versions[1],
            rows: compare::rows(a, b, all),
            importances: Vec::new(),
            evaluations: Vec::new(),
            titles: [a.title.clone(), b.title.clone()],
        }
    }

    /// For people.
    #[must_use]
    pub fn text(&self, view: &View) -> String {
        let titles = [self.titles[0].as_str(), self.titles[1].as_str()];
        let mut text = format!("{} version {} and version {}\n", self.model, self.a, self.b);
        text += &compare::rows_text(titles, &self.rows, view.width);
        if self.rows.is_empty() {
            text += "no metrics, and no differences\n";
        }
        let moved = self.importances.iter().filter(|one| one.change() != 0.0);
        let mut table = Table::new("share of the gain");
        for heading in titles.into_iter().chain(["difference"]) {
            table.number_heading(heading);
        }
        for one in moved.clone().take(COLUMNS_SHOWN) {
            let share =
                |share: Option<f64>| share.map_or_else(|| "-".to_owned(), |share| format!("{share:.4}"));
            table.row(printable(&one.column));
            table.cell(share(one.a));
            table.cell(share(one.b));
            table.cell(signed(one.change()));
        }
        if !table.is_empty() {
            text += &table.text(view.width);
            let more = moved.count().saturating_sub(COLUMNS_SHOWN);
            if more > 0 {
                text += &format!("and {more} more columns\n");
            }
        }
        text + &compare::measured_text(titles, &self.evaluations, view.width)
    }
}

/// What the evaluations of two versions say of both, each dataset once: the paired comparison if a document has both, else the
/// figures of each.
pub(crate) fn measured(
    (a, of_a): (Version, &[Evaluation]),
    (b, of_b): (Version, &[Evaluation]),
) -> Vec<MeasuredReport> {
    let is_of = |id: &VersionId, version: Version| *id == VersionId::Registered(version);
    let has = |document: &Evaluation, version: Version| {
        document.versions.iter().any(|one| is_of(&one.version, version))
    };
    let mut measured = Vec::new();
    for document in of_b {
        let other = of_a.iter().find(|other| {
            other.dataset.name == document.dataset.name && other.dataset.digest == document.dataset.digest
        });
        let other = if has(document, a) { Some(document) } else { other };
        let Some(other) = other else { continue };
        for one in document.measurements.iter().filter(|one| one.segment.is_none() && is_of(&one.version, b))
        {
            let of_a = other.measurements.iter().find(|known| {
                known.segment.is_none() && is_of(&known.version, a) && known.metric == one.metric
            });
            let compared = document.comparisons.iter().find(|known| {
                known.segment.is_none()
                    && known.metric == one.metric
                    && ((is_of(&known.challenger, b) && is_of(&known.baseline, a))
                        || (is_of(&known.challenger, a) && is_of(&known.baseline, b)))
            });
            let difference = compared.map(|known| {
                let interval = bounds(known.interval.as_ref());
                if is_of(&known.challenger, b) {
                    FigureReport::new(known.difference, interval)
                } else {
                    FigureReport::new(-known.difference, interval.map(|(low, high)| (-high, -low)))
                }
            });
            measured.push(MeasuredReport {
                dataset: document.dataset.name.to_string(),
                metric: one.metric.clone(),
                direction: compare::direction(one.direction),
                a: of_a.map(|known| FigureReport::new(known.value, bounds(known.interval.as_ref()))),
                b: Some(FigureReport::new(one.value, bounds(one.interval.as_ref()))),
                difference,
            });
        }
    }
    measured
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn importances_are_shares_and_the_greatest_change_comes_first() {
        let gains = |of: &[(&str, f64)]| -> Vec<(String, f64)> {
            of.iter().map(|(name, gain)| ((*name).to_owned(), *gain)).collect()
        };
        let all = ImportanceReport::all(
            &gains(&[("size", 1.0), ("age", 3.0), ("old", 0.0)]),
            &gains(&[("size", 2.0), ("age", 1.0), ("new", 1.0)]),
        );
        let shown: Vec<_> = all.iter().map(|one| (one.column.as_str(), one.a, one.b)).collect();
        assert_eq!(
            shown,
            [
                ("age", Some(0.75), Some(0.25)),
                ("size", Some(0.25), Some(0.5)),
                ("new", None, Some(0.25)),
                ("old", Some(0.0), None),
            ]
        );
        let none = ImportanceReport::all(&gains(&[("size", 0.0)]), &gains(&[("size", 0.0)]));
        assert_eq!((none[0].a, none[0].b), (Some(0.0), Some(0.0)));
    }
}
