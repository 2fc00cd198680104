//! Next to recorded contributions of LightGBM, and to the definition of Shapley values.

use std::fmt::Write as _;

use super::Contributions;
use crate::matrix::Matrix;
use crate::scorer::Scorer;
use crate::scorer::tests::coded;
use crate::testing::{fixtures, numbers, read_json, read_model};
use crate::text::{Limits, TextModel, Tree};
use hydra_base::{ErrorKind, Result};

fn contributions(model: &TextModel, rows: &[f64], threads: usize) -> Result<Vec<f64>> {
    let scorer = Scorer::compile(model);
    let compiled = Contributions::compile(model, &scorer)?;
    let data = Matrix::from_rows(rows, model.num_features())?;
    let mut out = vec![f64::NAN; data.rows() * compiled.width()];
    compiled.write(&scorer, &data, threads, &mut out)?;
    Ok(out)
}

fn raw_scores(model: &TextModel, rows: &[f64]) -> Vec<f64> {
    let data = Matrix::from_rows(rows, model.num_features()).unwrap();
    let mut out = vec![f64::NAN; data.rows() * model.num_class()];
    Scorer::compile(model).raw(&data, 1, &mut out).unwrap();
    out
}

/// The greatest difference within an output of a row, as a share of the largest contribution of a feature there.
fn greatest_difference(ours: &[f64], expected: &[f64], features: usize) -> f64 {
    assert_eq!(ours.len(), expected.len());
    let outputs = ours.chunks(features + 1).zip(expected.chunks(features + 1));
    let differences = outputs.map(|(ours, expected)| {
        let largest = expected[..features].iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
        let apart = ours.iter().zip(expected).map(|(ours, expected)| (ours - expected).abs());
        let apart = apart.fold(0.0, f64::max);
        if apart == 0.0 { 0.0 } else { apart / largest }
    });
    differences.fold(0.0, |greatest: f64, difference| {
        assert!(!difference.is_nan());
        greatest.max(difference)
    })
}

fn assert_sums(name: &str, model: &TextModel, rows: &[f64], contributions: &[f64]) {
    let raw = raw_scores(model, rows);
    for (values, raw) in contributions.chunks_exact(model.num_features() + 1).zip(raw) {
        let sum: f64 = values.iter().sum();
        assert!((sum - raw).abs() <= 1e-13 * raw.abs().max(1.0), "{name}: {sum} is not {raw}");
    }
}

#[test]
fn every_fixture_has_the_contributions_of_lightgbm() {
    let recorded = read_json(&fixtures("scores").join("contributions.json"));
    let mut cases = 0;
    for (name, expected) in recorded.as_object().unwrap().iter().filter(|(name, _)| name.contains('/')) {
        let path = fixtures(name);
        let model = read_model(&path);
        let rows = if name.starts_with("scores") {
            numbers(&read_json(&path.with_extension("json"))["rows"])
        } else {
            numbers(&coded(&read_json(&path.parent().unwrap().with_file_name("expected.json")), &model))
        };
        if let Some(message) = expected.as_str() {
            assert!(message.contains("not implemented for linear trees"), "{name}");
            let error = contributions(&model, &rows, 1).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::LinearContributions, "{name}");
            continue;
        }
        let ours = contributions(&model, &rows, 1).unwrap();
        let difference = greatest_difference(&ours, &numbers(expected), model.num_features());
        assert!(difference <= 1e-12, "{name}: {difference:e}");
        assert_sums(name, &model, &rows, &ours);
        cases += 1;
    }
    assert!(cases >= 35, "the fixtures are there");
}

/// Small numbers that look random.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn unit(&mut self) -> f64 {
        self.below(1 << 20) as f64 / f64::from(1 << 20)
    }
}

/// The arrays of a tree with consistent counts.
#[derive(Default)]
struct Grown {
    features: Vec<u64>,
    thresholds: Vec<f64>,
    children: [Vec<i64>; 2],
    internal_counts: Vec<u64>,
    leaf_counts: Vec<u64>,
    leaf_values: Vec<f64>,
}

impl Grown {
    /// Splits random leaves, or always the last one.
    fn random(random: &mut Random, features: u64, leaves: usize, deep: bool) -> Self {
        let mut tree = Self { leaf_counts: vec![1 + random.below(2_000_000_000)], ..Self::default() };
        let mut parents = vec![None];
        while tree.leaf_counts.len() < leaves {
            let (node, new) = (tree.features.len(), tree.leaf_counts.len());
            let leaf = if deep { new - 1 } else { random.below(new as u64) as usize };
            let count = tree.leaf_counts[leaf];
            if count == 0 {
                // A node needs rows; leaves may have none.
                if deep || tree.leaf_counts.iter().all(|count| *count == 0) {
                    break;
                }
                continue;
            }
            if let Some((parent, side)) = parents[leaf] {
                let children: &mut Vec<i64> = &mut tree.children[side];
                children[parent] = node as i64;
            }
            let right = if deep { count - count / 1000 } else { random.below(count + 1) };
            tree.leaf_counts[leaf] = count - right;
            tree.leaf_counts.push(right);
            tree.internal_counts.push(count);
            tree.features.push(if deep { node as u64 % features } else { random.below(features) });
            tree.thresholds.push(random.unit());
            tree.children[0].push(!(leaf as i64));
            tree.children[1].push(!(new as i64));
            parents[leaf] = Some((node, 0));
            parents.push(Some((node, 1)));
        }
        tree.leaf_values = tree.leaf_counts.iter().map(|_| random.unit() * 4.0 - 1.0).collect();
        tree
    }

    fn text(&self, index: usize) -> String {
        format!(
            "Tree={index}\nnum_leaves={}\nnum_cat=0\nsplit_feature={}\nthreshold={}\ndecision_type={}\nleft_child={}\n\
             right_child={}\nleaf_value={}\nleaf_count={}\ninternal_count={}\nis_linear=0\nshrinkage=1\n\n\n",
            self.leaf_values.len(),
            list(&self.features),
            list(&self.thresholds),
            list(&vec![8; self.features.len()]),
            list(&self.children[0]),
            list(&self.children[1]),
            list(&self.leaf_values),
            list(&self.leaf_counts),
            list(&self.internal_counts),
        )
    }
}

fn list<T: std::fmt::Display>(values: &[T]) -> String {
    values.iter().map(T::to_string).collect::<Vec<_>>().join(" ")
}

fn model_of(trees: &[Grown], features: usize, outputs: usize) -> TextModel {
    let names: Vec<_> = (0..features).map(|index| format!("f{index}")).collect();
    let mut text = format!(
        "tree\nversion=v4\nnum_class={outputs}\nnum_tree_per_iteration={outputs}\nlabel_index=0\nmax_feature_idx={}\n\
         feature_names={}\nfeature_infos={}\n\n",
        features - 1,
        list(&names),
        list(&vec!["none"; features]),
    );
    for (index, tree) in trees.iter().enumerate() {
        let _ = write!(text, "{}", tree.text(index));
    }
    text.push_str("end of trees\n");
    TextModel::parse(text.as_bytes(), &Limits::default()).unwrap()
}

/// The mean output of a tree where only some features of the row are known.
fn output(tree: Tree<'_>, row: &[f64], known: u32, child: i32) -> f64 {
    if child < 0 || tree.num_nodes() == 0 {
        return tree.leaf_value()[if child < 0 { !child as usize } else { 0 }];
    }
    let node = child as usize;
    let children = [tree.left_child()[node], tree.right_child()[node]];
    let feature = tree.split_feature()[node] as usize;
    if known >> feature & 1 != 0 {
        return output(tree, row, known, children[usize::from(row[feature] > tree.threshold()[node])]);
    }
    let count = |child: i32| {
        let count = if child < 0 {
            tree.leaf_count()[!child as usize]
        } else {
            tree.internal_count()[child as usize]
        };
        f64::from(count)
    };
    let parts = children.map(|child| count(child) / count(node as i32) * output(tree, row, known, child));
    parts[0] + parts[1]
}

/// Contributions as the definition of Shapley values has them, with all sets of features.
fn by_definition(model: &TextModel, row: &[f64]) -> Vec<f64> {
    let features = model.num_features();
    let factorial = |n: usize| (1..=n).map(|factor| factor as f64).product::<f64>();
    let mut all = vec![0.0; model.num_class() * (features + 1)];
    for (index, tree) in model.trees().enumerate() {
        let out = &mut all[index % model.num_class() * (features + 1)..][..=features];
        out[features] += output(tree, row, 0, 0);
        for (feature, out) in out[..features].iter_mut().enumerate() {
            for known in (0..1_u32 << features).filter(|known| known >> feature & 1 == 0) {
                let size = known.count_ones() as usize;
                let weight = factorial(size) * factorial(features - size - 1) / factorial(features);
                let with = output(tree, row, known | 1 << feature, 0);
                *out += weight * (with - output(tree, row, known, 0));
            }
        }
    }
    all
}

#[test]
fn contributions_are_shapley_values_by_their_definition() {
    let mut random = Random(1);
    for round in 0..120 {
        let features = 1 + random.below(7) as usize;
        let outputs = 1 + random.below(3) as usize;
        let trees: Vec<_> = (0..outputs * 2)
            .map(|_| {
                let leaves = 1 + random.below(24) as usize;
                Grown::random(&mut random, features as u64, leaves, round % 4 == 0)
            })
            .collect();
        let model = model_of(&trees, features, outputs);
        let rows: Vec<f64> = (0..features * 5).map(|_| random.unit()).collect();
        let ours = contributions(&model, &rows, 1).unwrap();
        let expected: Vec<f64> = rows.chunks(features).flat_map(|row| by_definition(&model, row)).collect();
        for (ours, expected) in ours.iter().zip(&expected) {
            assert!((ours - expected).abs() <= 1e-13, "round {round}: {ours} is not {expected}");
        }
        assert_sums("random", &model, &rows, &ours);
    }
}

#[test]
fn threads_and_blocks_do_not_change_a_bit() {
    let model = read_model(&fixtures("scores").join("multiclass.txt"));
    let rows = numbers(&read_json(&fixtures("scores").join("multiclass.json"))["rows"]).repeat(4);
    let all = contributions(&model, &rows, 1).unwrap();
    for threads in [0, 2, 3, 7] {
        assert_eq!(contributions(&model, &rows, threads).unwrap(), all);
    }
    let width = model.num_features();
    let single: Vec<f64> =
        rows.chunks(width).flat_map(|row| contributions(&model, row, 1).unwrap()).collect();
    assert_eq!(single, all);
    assert!(contributions(&model, &[], 2).unwrap().is_empty());
}

#[test]
fn deep_trees_take_no_stack_and_stay_exact() {
    let mut random = Random(3);
    for (features, leaves) in [(3, 30_000), (40, 3_000), (300, 1_200)] {
        let tree = Grown::random(&mut random, features as u64, leaves, true);
        let model = model_of(&[tree], features, 1);
        let rows: Vec<f64> = (0..features * 2).map(|_| random.unit() * 0.2).collect();
        let ours = contributions(&model, &rows, 1).unwrap();
        assert!(
            model.max_depth() > 1_000 && ours.iter().any(|value| value.abs() > 1e-3),
            "{features} features"
        );
        assert_sums("deep", &model, &rows, &ours);
    }
}

#[test]
fn what_has_no_contributions_is_refused_by_its_own_kind() {
    type Damage = fn(&mut Grown);

    let refused = |model: &TextModel| contributions(model, &[], 1).unwrap_err().kind();
    let grown = || Grown::random(&mut Random(5), 4, 9, false);
    contributions(&model_of(&[grown()], 4, 1), &[], 1).unwrap();
    let damages: [Damage; 4] = [
        |tree| tree.leaf_counts.fill(0),
        |tree| tree.internal_counts.fill(0),
        |tree| tree.leaf_counts[3] += 1,
        |tree| *tree.internal_counts.last_mut().unwrap() += 1,
    ];
    for damage in damages {
        let mut tree = grown();
        damage(&mut tree);
        assert_eq!(refused(&model_of(&[grown(), tree], 4, 1)), ErrorKind::ModelCounts);
    }
    let many = 4100;
    let chain = Grown::random(&mut Random(6), many, many as usize + 1, true);
    assert_eq!(refused(&model_of(&[chain], many as usize, 1)), ErrorKind::ContributionsSize);
    let wide = model_of(&[], 70_000, 300);
    assert_eq!(refused(&wide), ErrorKind::ContributionsSize);
}

#[test]
fn trees_of_one_leaf_need_no_counts_and_contribute_nothing() {
    assert_eq!(contributions(&model_of(&[], 2, 1), &[0.0, 1.0], 1).unwrap(), [0.0; 3]);
    let mut leaf = Grown::random(&mut Random(5), 2, 1, false);
    leaf.leaf_counts[0] = 0;
    let value = leaf.leaf_values[0];
    assert_eq!(contributions(&model_of(&[leaf], 2, 1), &[0.0, 1.0], 1).unwrap(), [0.0, 0.0, value]);
}
