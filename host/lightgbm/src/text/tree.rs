//! The blocks of trees: `Tree=0` and its `key=value` lines.

use super::Limits;
use super::forest::{DecisionType, Forest, Span};
use super::header::{Header, OLD_END, Version, too_old};
use super::keys::{KEYS, Key};
use super::lines::Lines;
use super::shape::Shape;
use crate::decimal::Number;
use crate::error::hinted;
use hydra_base::{ErrorKind, Result};

/// Reads all trees and the `end of trees` line.
pub(super) fn read_all(lines: &mut Lines<'_>, header: &Header, limits: &Limits) -> Result<Forest> {
    let mut trees = Trees::new(header, limits);
    let start = lines.offset();
    while trees.next(lines, start)? {}
    trees.finish(lines, start)?;
    Ok(trees.forest)
}

/// The trees read so far, and the requirements for the next one.
pub(super) struct Trees<'a> {
    header: &'a Header,
    limits: &'a Limits,
    shape: Shape,
    forest: Forest,
    count: usize,
    infinite: bool,
    /// The offset of the next tree according to `tree_sizes`, in bytes from the first tree.
    expected: usize,
}

impl<'a> Trees<'a> {
    pub fn new(header: &'a Header, limits: &'a Limits) -> Self {
        Self {
            header,
            limits,
            shape: Shape::default(),
            forest: Forest::default(),
            count: 0,
            infinite: false,
            expected: 0,
        }
    }

    /// Reads the tree at the position; `false` if the position is not at a tree. The first tree begins at `start`.
    pub fn next(&mut self, lines: &mut Lines<'_>, start: usize) -> Result<bool> {
        while lines.peek().is_some_and(<[u8]>::is_empty) {
            lines.skip();
        }
        let index = self.count;
        lines.set_tree(Some(index));
        let begin = lines.offset() - start;
        if !lines.take(b"Tree=") {
            lines.set_tree(None);
            return Ok(false);
        }
        self.check_place(lines, begin)?;
        if index == self.limits.trees {
            let error = lines.invalid_line(format!("more trees than the limit of {}", self.limits.trees));
            return Err(hinted(error, true, "trees"));
        }
        if usize::try_from(lines.integer("Tree")?) != Ok(index) {
            return Err(lines.invalid_above("trees are not numbered from 0 without gaps", "Tree"));
        }
        let num_features = self.header.feature_names.len();
        let span = Block::new(&mut self.forest, num_features, self.limits).read(lines)?;
        self.forest.spans.push(span);
        let tree = self.forest.tree(self.forest.len() - 1);
        let depth = self.shape.check(tree).map_err(|message| lines.invalid_line(message))?;
        if depth > self.limits.depth {
            let error =
                lines.invalid_line(format!("depth {depth} exceeds the limit of {}", self.limits.depth));
            return Err(hinted(error, true, "depth"));
        }
        self.infinite |= tree.leaf_value().iter().any(|value| value.is_infinite());
        self.forest.max_depth = self.forest.max_depth.max(depth);
        self.count += 1;
        Ok(true)
    }

    /// Whether a leaf of the trees so far is infinite.
    pub fn have_infinite_leaves(&self) -> bool {
        self.infinite
    }

    /// Releases the trees read so far, but keeps the requirements for the next one.
    pub fn forget(&mut self) {
        self.forest = Forest::default();
    }

    fn check_place(&mut self, lines: &Lines<'_>, begin: usize) -> Result<()> {
        let Some(sizes) = &self.header.tree_sizes else { return Ok(()) };
        let expected = self.expected;
        let Some(size) = sizes.get(self.count).filter(|_| begin == expected) else {
            let message = format!("tree_sizes places the tree at {expected}, but it begins at {begin}");
            return Err(lines.invalid(message, "tree_sizes").with_hint(
                "check whether line ends were converted; LightGBM cannot read such a file either",
            ));
        };
        self.expected = expected.saturating_add(*size);
        Ok(())
    }

    /// Reads the `end of trees` line and checks the conditions that involve all trees.
    pub fn finish(&self, lines: &mut Lines<'_>, start: usize) -> Result<()> {
        let is_old = self.header.version == Version::V2 && lines.peek() == Some(OLD_END);
        if !is_old && lines.peek() != Some(b"end of trees") {
            return Err(
                lines.invalid_line("expected a tree or the line `end of trees`; the text may be truncated")
            );
        }
        let end = lines.offset() - start;
        if let Some(sizes) = &self.header.tree_sizes
            // The empty line before the importances is not part of a tree.
            && (sizes.len() != self.count || self.expected.saturating_add(usize::from(is_old)) != end)
        {
            let message = format!("tree_sizes gives {} trees of {} bytes", sizes.len(), self.expected);
            return Err(lines
                .invalid(message, "tree_sizes")
                .with_context("trees", self.count)
                .with_context("bytes", end));
        }
        if !self.count.is_multiple_of(self.header.num_class) {
            let message =
                format!("{} trees are not a multiple of num_class {}", self.count, self.header.num_class);
            return Err(lines.invalid(message, "num_class"));
        }
        if !is_old {
            lines.skip();
        }
        Ok(())
    }
}

/// One tree during reading.
struct Block<'f> {
    forest: &'f mut Forest,
    num_features: usize,
    limits: &'f Limits,
    span: Span,
    seen: u32,
    is_linear: bool,
    linear_terms: usize,
}

impl<'f> Block<'f> {
    fn new(forest: &'f mut Forest, num_features: usize, limits: &'f Limits) -> Self {
        let span = Span {
            nodes: forest.threshold.len(),
            leaves: forest.leaf_value.len(),
            categorical_bounds: forest.cat_boundaries.len(),
            categorical_words: forest.cat_threshold.len(),
            ..Span::default()
        };
        Self { forest, num_features, limits, span, seen: 0, is_linear: false, linear_terms: 0 }
    }

    /// Reads up to the blank line that ends the tree.
    fn read(mut self, lines: &mut Lines<'_>) -> Result<Span> {
        while !lines.is_blank() {
            let name = lines.key().ok_or_else(|| lines.invalid_line("expected a `key=value` line"))?;
            let Some((key, name)) = KEYS.iter().find(|(_, known)| *known == name).copied() else {
                if name == "has_categorical" {
                    return Err(too_old(lines, name));
                }
                return Err(lines.error(ErrorKind::UnsupportedModel, "unknown key", name).with_hint(
                    "check whether the model is damaged or comes from a LightGBM version that this release does not support",
                ));
            };
            if self.has(key) {
                return Err(lines.invalid("a key appears twice", name));
            }
            // The lengths of all other arrays depend on the number of leaves.
            if key != Key::NumLeaves && !self.has(Key::NumLeaves) {
                return Err(lines.invalid("num_leaves must come first", name));
            }
            self.value(key, name, lines)?;
            self.seen |= 1 << key as u32;
        }
        self.finish(lines)?;
        Ok(self.span)
    }

    fn has(&self, key: Key) -> bool {
        self.seen & (1 << key as u32) != 0
    }

    fn value(&mut self, key: Key, name: &str, lines: &mut Lines<'_>) -> Result<()> {
        let leaves = self.span.num_leaves;
        let nodes = leaves.saturating_sub(1);
        match key {
            Key::NumLeaves => {
                self.span.num_leaves = count(lines, name, 1, (self.limits.leaves, "leaves"))?;
                lines.check_room(name, self.span.num_leaves)
            }
            Key::NumCat => {
                self.span.num_categorical =
                    count(lines, name, 0, (self.limits.categorical_splits, "categorical-splits"))?;
                lines.check_room(name, self.span.num_categorical)
            }
            Key::SplitFeature => {
                let limit = self.num_features;
                lines.integers(name, nodes, &mut self.forest.split_feature, |value| index(value, limit))
            }
            // Gains are for importances, for which NaN means no gain.
            Key::SplitGain => lines.numbers(name, nodes, &mut self.forest.split_gain, |number| {
                Some(not_nan(number.value()).unwrap_or(0.0) as f32)
            }),
            Key::Threshold => {
                lines.numbers(name, nodes, &mut self.forest.threshold, |number| not_nan(number.value()))
            }
            Key::DecisionType => lines.integers(name, nodes, &mut self.forest.decision_type, |value| {
                DecisionType::from_bits(u8::try_from(value).ok()?)
            }),
            Key::LeftChild => {
                lines.integers(name, nodes, &mut self.forest.left_child, |value| child(value, leaves))
            }
            Key::RightChild => {
                lines.integers(name, nodes, &mut self.forest.right_child, |value| child(value, leaves))
            }
            Key::LeafValue => {
                lines.numbers(name, leaves, &mut self.forest.leaf_value, |number| not_nan(number.value()))
            }
            Key::LeafCount | Key::LeafWeight if leaves == 1 && lines.is_blank() => {
                // LightGBM omits these for a tree of one leaf that it has read and written again.
                if key == Key::LeafCount {
                    self.forest.leaf_count.push(0);
                }
                lines.skip();
                Ok(())
            }
            Key::LeafCount => {
                lines.integers(name, leaves, &mut self.forest.leaf_count, |value| u32::try_from(value).ok())
            }
            Key::InternalCount => lines
                .integers(name, nodes, &mut self.forest.internal_count, |value| u32::try_from(value).ok()),
            // Statistics that predictions do not use.
            Key::LeafWeight | Key::LeafParent => lines.skip_numbers(name, leaves),
            Key::InternalValue | Key::InternalWeight => lines.skip_numbers(name, nodes),
            Key::Shrinkage => lines.skip_numbers(name, 1),
            Key::CatBoundaries => self.cat_boundaries(name, lines),
            Key::CatThreshold => self.cat_threshold(name, lines),
            Key::IsLinear => match lines.integer(name)? {
                value @ (0 | 1) => {
                    self.is_linear = value == 1;
                    Ok(())
                }
                _ => Err(lines.invalid_above("expected 0 or 1", name)),
            },
            Key::LeafConst | Key::NumFeatures | Key::LeafFeatures | Key::LeafCoeff => {
                self.linear(key, name, lines)
            }
        }
    }

    fn cat_boundaries(&mut self, name: &str, lines: &mut Lines<'_>) -> Result<()> {
        let mut last = None;
        lines.integers(name, self.span.num_categorical + 1, &mut self.forest.cat_boundaries, |value| {
            let value = u32::try_from(value).ok()?;
            let rises = last.map_or(value == 0, |last| value >= last);
            last = Some(value);
            rises.then_some(value)
        })
    }

    fn cat_threshold(&mut self, name: &str, lines: &mut Lines<'_>) -> Result<()> {
        if !self.has(Key::CatBoundaries) {
            return Err(lines.invalid("cat_boundaries must come first", name));
        }
        let words = self.forest.cat_boundaries.last().copied().unwrap_or_default() as usize;
        lines.numbers(name, words, &mut self.forest.cat_threshold, Number::whole_u32)
    }

    fn linear(&mut self, key: Key, name: &str, lines: &mut Lines<'_>) -> Result<()> {
        if !self.is_linear {
            return Err(lines.invalid("is_linear=1 must come first", name));
        }
        let leaves = self.span.num_leaves;
        let terms = self.linear_terms;
        match key {
            Key::LeafConst => {
                self.span.linear = Some(self.forest.leaf_const.len());
                lines.numbers(name, leaves, &mut self.forest.leaf_const, |number| normal(number.value()))
            }
            Key::NumFeatures => {
                let before = self.forest.linear_ends.last().copied().unwrap_or_default();
                let mut end = before;
                lines.integers(name, leaves, &mut self.forest.linear_ends, |value| {
                    end = end.checked_add(usize::try_from(value).ok()?)?;
                    Some(end)
                })?;
                self.linear_terms = end - before;
                lines.check_room(name, self.linear_terms)
            }
            _ if !self.has(Key::NumFeatures) => Err(lines.invalid("num_features must come first", name)),
            Key::LeafFeatures => {
                let limit = self.num_features;
                lines.integers(name, terms, &mut self.forest.leaf_features, |value| index(value, limit))
            }
            _ => lines.numbers(name, terms, &mut self.forest.leaf_coeff, |number| normal(number.value())),
        }
    }

    /// Checks that all required keys exist, and the conditions that involve several keys.
    fn finish(&mut self, lines: &Lines<'_>) -> Result<()> {
        let always = [Key::NumLeaves, Key::NumCat, Key::LeafValue];
        let split = [Key::SplitFeature, Key::Threshold, Key::LeftChild, Key::RightChild];
        let categorical = [Key::CatBoundaries, Key::CatThreshold];
        let linear = [Key::LeafConst, Key::NumFeatures, Key::LeafFeatures, Key::LeafCoeff];
        let needed = always
            .into_iter()
            .chain(split.into_iter().filter(|_| self.span.num_leaves > 1))
            .chain(categorical.into_iter().filter(|_| self.span.num_categorical > 0))
            .chain(linear.into_iter().filter(|_| self.is_linear));
        for key in needed {
            if !self.has(key) {
                return Err(lines.invalid("the tree lacks a key", KEYS[key as usize].1));
            }
        }
        let nodes = self.span.nodes + self.span.num_leaves - 1;
        let leaves = self.span.leaves + self.span.num_leaves;
        self.forest.split_gain.resize(nodes, 0.0);
        self.forest.internal_count.resize(nodes, 0);
        self.forest.leaf_count.resize(leaves, 0);
        self.forest.decision_type.resize(nodes, DecisionType::default());
        let categorical = self.span.num_categorical as f64;
        for node in self.span.nodes..nodes {
            let threshold = self.forest.threshold[node];
            let fits = threshold >= 0.0 && threshold < categorical && threshold.fract() == 0.0;
            if self.forest.decision_type[node].is_categorical() && !fits {
                let message =
                    format!("node {} refers to a bitset that does not exist", node - self.span.nodes);
                return Err(lines.invalid(message, "threshold"));
            }
        }
        Ok(())
    }
}

fn count(
    lines: &mut Lines<'_>,
    name: &str,
    least: usize,
    (limit, limit_name): (usize, &str),
) -> Result<usize> {
    let value = lines.integer(name)?;
    match usize::try_from(value) {
        Ok(value) if (least..=limit).contains(&value) => Ok(value),
        _ => {
            let error =
                lines.invalid_above(format!("{value} is not between {least} and the limit of {limit}"), name);
            Err(hinted(error, value > 0, limit_name))
        }
    }
}

fn index(value: i32, limit: usize) -> Option<u32> {
    u32::try_from(value).ok().filter(|value| (*value as usize) < limit)
}

/// A child is a node other than the root, or `!leaf`.
fn child(value: i32, leaves: usize) -> Option<i32> {
    let fits =
        if value >= 0 { value >= 1 && (value as usize) < leaves - 1 } else { (!value as usize) < leaves };
    fits.then_some(value)
}

fn not_nan(value: f64) -> Option<f64> {
    (!value.is_nan()).then_some(value)
}

/// LightGBM reads linear models with `std::stod`, which rejects subnormal values.
fn normal(value: f64) -> Option<f64> {
    (value == 0.0 || value.is_normal()).then_some(value)
}
