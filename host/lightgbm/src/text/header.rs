//! The header of a model: the lines before the first tree.

use super::Limits;
use super::lines::Lines;
use crate::error::hinted;
use crate::foreign;
use crate::objective::Objective;
use hydra_base::{Error, ErrorKind, Result};

/// The values in the header.
pub(super) struct Header {
    pub version: Version,
    pub num_class: usize,
    pub label_index: i32,
    pub objective: Option<Objective>,
    pub objective_text: Option<String>,
    pub average_output: bool,
    pub feature_names: Vec<String>,
    pub monotone_constraints: Option<Vec<i8>>,
    /// The words of the line `feature_infos`, separated by single spaces.
    pub feature_infos: String,
    /// The bytes of each tree's block, if the text contains them.
    pub tree_sizes: Option<Vec<usize>>,
}

/// The version of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V2,
    V3,
    V4,
}

impl Version {
    pub fn name(self) -> &'static str {
        match self {
            Self::V2 => "v2",
            Self::V3 => "v3",
            Self::V4 => "v4",
        }
    }
}

/// The lines of the header, each at most once.
#[derive(Default)]
struct Found<'a> {
    version: Option<&'a str>,
    num_class: Option<i32>,
    num_tree_per_iteration: Option<i32>,
    label_index: Option<i32>,
    max_feature_idx: Option<i32>,
    objective: Option<&'a str>,
    average_output: Option<()>,
    feature_names: Option<&'a str>,
    monotone_constraints: Option<&'a str>,
    feature_infos: Option<&'a str>,
    tree_sizes: Option<&'a str>,
    /// The number of each key's line.
    places: Vec<(&'a str, usize)>,
}

/// What follows the trees of LightGBM up to 2.1, which did not write the line `end of trees`.
pub(super) const OLD_END: &[u8] = b"feature importances:";

/// Reads up to the first `Tree=` or `end of trees` line.
pub(super) fn read(lines: &mut Lines<'_>, limits: &Limits) -> Result<Header> {
    if lines.peek() != Some(b"tree") {
        return Err(foreign::named(lines.rest()).unwrap_or_else(|| {
            lines
                .invalid_line("the first line of the text is not `tree`")
                .with_hint("check that the file is a LightGBM model in text format")
        }));
    }
    lines.skip();
    let mut found = Found::default();
    while let Some(line) = lines.peek() {
        if line.starts_with(b"Tree=") || line == b"end of trees" || line == OLD_END {
            break;
        }
        if !line.is_empty() {
            found.add(line, lines)?;
        }
        lines.skip();
    }
    found.check(lines, limits)
}

impl<'a> Found<'a> {
    fn add(&mut self, line: &'a [u8], lines: &Lines<'_>) -> Result<()> {
        let text = std::str::from_utf8(line).map_err(|_| lines.invalid_line("a header line is not UTF-8"))?;
        // LightGBM writes tabs in names unchanged, and separates names by spaces only.
        if text.contains(|c: char| c.is_ascii_control() && c != '\t') {
            return Err(lines.invalid_line("a header line contains a control character"));
        }
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        self.places.push((key, lines.number()));
        let integer = || value.parse::<i32>().map_err(|_| lines.invalid("expected an integer", key));
        let repeated = match key {
            "version" => self.version.replace(value).is_some(),
            "num_class" => self.num_class.replace(integer()?).is_some(),
            "num_tree_per_iteration" => self.num_tree_per_iteration.replace(integer()?).is_some(),
            "label_index" => self.label_index.replace(integer()?).is_some(),
            "max_feature_idx" => self.max_feature_idx.replace(integer()?).is_some(),
            "objective" => self.objective.replace(value).is_some(),
            "average_output" => self.average_output.replace(()).is_some(),
            "feature_names" => self.feature_names.replace(value).is_some(),
            "monotone_constraints" => self.monotone_constraints.replace(value).is_some(),
            "feature_infos" => self.feature_infos.replace(value).is_some(),
            "tree_sizes" => self.tree_sizes.replace(value).is_some(),
            "sigmoid" | "boost_from_average" => return Err(too_old(lines, key)),
            _ => {
                return Err(lines
                    .error(
                        ErrorKind::UnsupportedModel,
                        "unknown header line",
                        &key.chars().take(64).collect::<String>(),
                    )
                    .with_hint(
                        "check whether the model is damaged or comes from a LightGBM version that this release does not support",
                    ));
            }
        };
        if repeated {
            return Err(lines.invalid("a header line appears twice", key));
        }
        Ok(())
    }

    fn check(self, lines: &Lines<'_>, limits: &Limits) -> Result<Header> {
        let missing = |key: &'static str| move || lines.invalid("the header lacks a line", key);
        // For errors about the line of a key.
        let at = |key: &str| {
            let place = self.places.iter().find(|(found, _)| *found == key);
            Lines::part(b"", 0, place.map_or(lines.number(), |(_, line)| *line))
        };
        let version = match self.version.unwrap_or("v2") {
            // LightGBM 2.0 did not write the line.
            "v2" => Version::V2,
            "v3" => Version::V3,
            "v4" => Version::V4,
            other => {
                return Err(Error::new(
                    ErrorKind::UnsupportedModel,
                    "the version of LightGBM's model format is unknown",
                )
                .with_context("version", other)
                .with_context("line", at("version").number())
                .with_hint("use version v2, v3 or v4, which LightGBM 2 to 4 write"));
            }
        };
        let num_class = capped(
            &at("num_class"),
            "num_class",
            self.num_class.ok_or_else(missing("num_class"))?,
            (limits.classes, "classes"),
        )?;
        if let Some(trees) = self.num_tree_per_iteration
            && usize::try_from(trees) != Ok(num_class)
        {
            let message = format!("{trees} trees per iteration do not match num_class {num_class}");
            return Err(at("num_tree_per_iteration").invalid(message, "num_tree_per_iteration"));
        }
        let last = self.max_feature_idx.ok_or_else(missing("max_feature_idx"))?;
        let num_features = capped(
            &at("max_feature_idx"),
            "max_feature_idx",
            last.saturating_add(1),
            (limits.features, "features"),
        )?;
        let feature_names = self.feature_names.ok_or_else(missing("feature_names"))?;
        let feature_infos = self.feature_infos.ok_or_else(missing("feature_infos"))?;
        let constraints = self.monotone_constraints;
        let objective =
            self.objective.map(|text| read_objective(&at("objective"), text, num_class)).transpose()?;
        Ok(Header {
            version,
            num_class,
            label_index: self.label_index.ok_or_else(missing("label_index"))?,
            objective,
            objective_text: self.objective.map(str::to_owned),
            average_output: self.average_output.is_some(),
            feature_names: words(&at("feature_names"), "feature_names", feature_names, num_features)?
                .map(str::to_owned)
                .collect(),
            monotone_constraints: constraints
                .map(|text| signs(&at("monotone_constraints"), text, num_features))
                .transpose()?,
            feature_infos: words(&at("feature_infos"), "feature_infos", feature_infos, num_features)?
                .collect::<Vec<_>>()
                .join(" "),
            tree_sizes: self.tree_sizes.map(|text| sizes(&at("tree_sizes"), text, limits)).transpose()?,
        })
    }
}

fn capped(lines: &Lines<'_>, key: &str, value: i32, (limit, name): (usize, &str)) -> Result<usize> {
    match usize::try_from(value) {
        Ok(value) if (1..=limit).contains(&value) => Ok(value),
        _ => {
            let error = lines.invalid(format!("{value} is not between 1 and the limit of {limit}"), key);
            Err(hinted(error, value > 0, name))
        }
    }
}

fn read_objective(lines: &Lines<'_>, text: &str, num_class: usize) -> Result<Objective> {
    let objective = Objective::parse(text).map_err(|error| error.with_context("line", lines.number()))?;
    // LightGBM's transform writes as many outputs as the objective declares.
    if objective.num_outputs().is_some_and(|outputs| outputs != num_class) {
        return Err(lines.invalid(format!("`{text}` does not match num_class {num_class}"), "objective"));
    }
    Ok(objective)
}

fn words<'t>(
    lines: &Lines<'_>,
    key: &str,
    text: &'t str,
    count: usize,
) -> Result<impl Iterator<Item = &'t str> + use<'t>> {
    let words = text.split(' ').filter(|word| !word.is_empty());
    let found = words.clone().count();
    if found != count {
        return Err(lines.invalid(format!("expected {count} words, found {found}"), key));
    }
    Ok(words)
}

/// A line or key of models from before the format `v2`.
pub(super) fn too_old(lines: &Lines<'_>, key: &str) -> Error {
    lines
        .error(
            ErrorKind::UnsupportedModel,
            "the model is in a format from before LightGBM 2.1, which LightGBM 4 does not read either",
            key,
        )
        .with_hint("train the model again with LightGBM 2.1 or newer")
}

fn signs(lines: &Lines<'_>, text: &str, count: usize) -> Result<Vec<i8>> {
    let key = "monotone_constraints";
    let mut signs = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        signs.push(match word {
            "-1" => -1,
            "0" => 0,
            "1" => 1,
            _ => return Err(lines.invalid(format!("value {} is not -1, 0 or 1", signs.len()), key)),
        });
    }
    if signs.len() != count {
        return Err(lines.invalid(format!("expected {count} values, found {}", signs.len()), key));
    }
    Ok(signs)
}

fn sizes(lines: &Lines<'_>, text: &str, limits: &Limits) -> Result<Vec<usize>> {
    let mut sizes = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let digits = word.bytes().all(|byte| byte.is_ascii_digit());
        let size = word.parse().ok().filter(|_| digits);
        sizes.push(
            size.ok_or_else(|| lines.invalid(format!("value {} is not a size", sizes.len()), "tree_sizes"))?,
        );
    }
    if sizes.len() > limits.trees {
        let error = lines.invalid(format!("more trees than the limit of {}", limits.trees), "tree_sizes");
        return Err(hinted(error, true, "trees"));
    }
    Ok(sizes)
}
