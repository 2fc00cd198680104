//! Random models, also such that LightGBM would not train, and rows at and next to their thresholds.

use std::fmt::Write as _;

use proptest::prelude::*;

use hydra_lightgbm::Scorer;
use hydra_lightgbm::testing::{assert_scores, leaves, score_every_way};
use hydra_lightgbm::text::{Limits, MissingType, TextModel, Tree};

use crate::contributions;
use crate::generator::Random;

const SPECIAL: [f64; 22] = [
    0.0,
    -0.0,
    1e-36,
    -1e-36,
    1.0000000180025095e-35,
    -1.0000000180025095e-35,
    1.0000000180025098e-35,
    f64::MIN_POSITIVE,
    5e-324,
    -5e-324,
    // The greatest subnormal, and one in the middle.
    2.225073858507201e-308,
    -1.5e-310,
    f64::INFINITY,
    f64::NEG_INFINITY,
    1e300,
    -1e300,
    1.0,
    -1.0,
    2.0,
    0.5,
    1e9,
    -7.25,
];

/// The properties of a random model.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that a model may have or not")]
struct Kind {
    features: usize,
    outputs: usize,
    iterations: usize,
    least_leaves: usize,
    most_leaves: usize,
    categorical: bool,
    linear: bool,
    few_thresholds: bool,
    /// Whether outputs are averages, as for a random forest.
    average: bool,
}

fn random_model(random: &mut Random, kind: Kind) -> String {
    let list = |count: usize, item: Box<dyn FnMut(usize) -> String + '_>| {
        (0..count).map(item).collect::<Vec<_>>().join(" ")
    };
    let Kind { features, outputs, .. } = kind;
    let mut text = format!(
        "tree\nversion=v4\nnum_class={outputs}\nnum_tree_per_iteration={outputs}\nlabel_index=0\nmax_feature_idx={}\n",
        features - 1
    );
    if kind.average {
        text.push_str("average_output\n");
    }
    let _ = writeln!(text, "feature_names={}", list(features, Box::new(|index| format!("f{index}"))));
    let _ = writeln!(text, "feature_infos={}\n", list(features, Box::new(|_| "none".to_owned())));
    for tree in 0..kind.iterations * outputs {
        let leaves = kind.least_leaves + random.below(kind.most_leaves - kind.least_leaves + 1);
        let nodes = leaves - 1;
        let (mut left, mut right) = grow(random, leaves);
        // Nodes may have any numbers: here those of a random walk instead of the order of growth.
        if random.below(2) == 0 {
            renumber(random, &mut left, &mut right);
        }
        let num_cat = if kind.categorical { random.below(6) } else { 0 };
        let bitsets: Vec<Vec<u32>> = (0..num_cat)
            .map(|_| {
                (0..random.below(4)).map(|_| (random.unit() * random.unit() * 4294967295.0) as u32).collect()
            })
            .collect();
        let mut thresholds = Vec::new();
        let mut decisions = Vec::new();
        for _ in 0..nodes {
            if num_cat > 0 && random.below(3) == 0 {
                thresholds.push(random.below(num_cat) as f64);
                decisions.push(1 + 2 * random.below(6));
            } else {
                let pool = if kind.few_thresholds { 2 } else { 4 };
                thresholds.push(match random.below(pool) {
                    0 => random.pick(&SPECIAL),
                    1 => random.below(9) as f64 / 4.0 - 1.0,
                    _ => random.unit() * 8.0 - 4.0,
                });
                decisions.push(2 * random.below(6));
            }
        }
        let mut number = |scale: f64| (random.unit() - 0.5) * scale;
        let values = list(leaves, Box::new(|_| format!("{:e}", number(3.0))));
        let constants = list(leaves, Box::new(|_| format!("{:e}", number(2.0))));
        let _ = writeln!(text, "Tree={tree}\nnum_leaves={leaves}\nnum_cat={num_cat}");
        let _ =
            writeln!(text, "split_feature={}", list(nodes, Box::new(|_| random.below(features).to_string())));
        let _ =
            writeln!(text, "threshold={}", list(nodes, Box::new(|node| format!("{:e}", thresholds[node]))));
        let _ = writeln!(text, "decision_type={}", list(nodes, Box::new(|node| decisions[node].to_string())));
        let _ = writeln!(text, "left_child={}", list(nodes, Box::new(|node| left[node].to_string())));
        let _ = writeln!(text, "right_child={}", list(nodes, Box::new(|node| right[node].to_string())));
        let (internal_counts, leaf_counts) = contributions::counts(&left, &right);
        let _ =
            writeln!(text, "leaf_value={values}\nleaf_count={leaf_counts}\ninternal_count={internal_counts}");
        if num_cat > 0 {
            let ends = bitsets.iter().scan(0, |end, bitset| {
                *end += bitset.len();
                Some(end.to_string())
            });
            let bounds: Vec<String> = std::iter::once("0".to_owned()).chain(ends).collect();
            let words: Vec<String> = bitsets.iter().flatten().map(u32::to_string).collect();
            let _ = writeln!(text, "cat_boundaries={}\ncat_threshold={}", bounds.join(" "), words.join(" "));
        }
        if kind.linear && random.below(4) != 0 {
            let counts: Vec<usize> = (0..leaves).map(|_| random.below(3)).collect();
            let terms = counts.iter().sum();
            let _ = writeln!(text, "is_linear=1\nleaf_const={constants}");
            let _ =
                writeln!(text, "num_features={}", list(leaves, Box::new(|leaf| counts[leaf].to_string())));
            let _ = writeln!(
                text,
                "leaf_features={}",
                list(terms, Box::new(|_| random.below(features).to_string()))
            );
            let _ = writeln!(
                text,
                "leaf_coeff={}",
                list(terms, Box::new(|_| format!("{:e}", random.unit() - 0.5)))
            );
        } else {
            text.push_str("is_linear=0\n");
        }
        text.push_str("shrinkage=1\n\n\n");
    }
    text.push_str("end of trees\n");
    text
}

/// Splits random leaves until the number is reached. Sometimes splits the newest leaf each time, for a deep tree.
fn grow(random: &mut Random, leaves: usize) -> (Vec<i32>, Vec<i32>) {
    let (mut left, mut right): (Vec<i32>, Vec<i32>) = (Vec::new(), Vec::new());
    let mut place_of_leaf = vec![None];
    let deep = random.below(4) == 0;
    for node in 0..leaves - 1 {
        let leaf = if deep { node } else { random.below(node + 1) };
        match place_of_leaf[leaf] {
            Some((parent, true)) => left[parent] = node as i32,
            Some((parent, false)) => right[parent] = node as i32,
            None => {}
        }
        left.push(!(leaf as i32));
        right.push(!(node as i32 + 1));
        place_of_leaf[leaf] = Some((node, true));
        place_of_leaf.push(Some((node, false)));
    }
    (left, right)
}

/// Gives all nodes but the root other numbers.
fn renumber(random: &mut Random, left: &mut [i32], right: &mut [i32]) {
    let mut numbers: Vec<usize> = (0..left.len()).collect();
    for index in (2..numbers.len()).rev() {
        numbers.swap(index, 1 + random.below(index));
    }
    let (old_left, old_right) = (left.to_vec(), right.to_vec());
    let new = |child: i32| if child < 0 { child } else { numbers[child as usize] as i32 };
    for (old, number) in numbers.iter().enumerate() {
        left[*number] = new(old_left[old]);
        right[*number] = new(old_right[old]);
    }
}

/// Rows of special values, categories, and values at and next to the thresholds of their feature.
fn random_rows(random: &mut Random, model: &TextModel, count: usize) -> Vec<f64> {
    let mut thresholds = vec![Vec::new(); model.num_features()];
    for tree in model.trees() {
        for (feature, threshold) in tree.split_feature().iter().zip(tree.threshold()) {
            thresholds[*feature as usize].push(*threshold);
        }
    }
    let cell = |random: &mut Random, thresholds: &[f64]| match random.below(8) {
        0 => f64::NAN,
        1 => random.pick(&SPECIAL),
        2 | 3 if !thresholds.is_empty() => {
            let threshold = random.pick(thresholds);
            random.pick(&[threshold, threshold.next_up(), threshold.next_down()])
        }
        4 => random.below(130) as f64,
        5 => random.pick(&[-0.5, -1.0, -3.0, 0.99, 31.5, 2147483647.0, 2147483648.0, 4294967296.0, 1e20]),
        _ => random.unit() * 8.0 - 4.0,
    };
    (0..count).flat_map(|_| thresholds.iter().map(|known| cell(random, known)).collect::<Vec<_>>()).collect()
}

/// Finds the leaf as LightGBM's source does.
fn leaf_by_the_book(tree: Tree<'_>, row: &[f64]) -> u32 {
    if tree.num_leaves() == 1 {
        return 0;
    }
    let is_zero = |value: f64| (-1.0000000180025095e-35..=1.0000000180025095e-35).contains(&value);
    let mut node = 0_i32;
    while node >= 0 {
        let at = node as usize;
        let mut value = row[tree.split_feature()[at] as usize];
        let decision = tree.decision_type()[at];
        let left = if decision.is_categorical() {
            let bitset = tree.bitset(tree.threshold()[at] as usize);
            let category = if value > -1.0 && value < 2147483648.0 { value as usize } else { usize::MAX };
            bitset.get(category / 32).is_some_and(|word| word >> (category % 32) & 1 != 0)
        } else {
            let missing = decision.missing_type();
            if value.is_nan() && missing != MissingType::NaN {
                value = 0.0;
            }
            if missing == MissingType::Zero && is_zero(value) || missing == MissingType::NaN && value.is_nan()
            {
                decision.default_left()
            } else {
                // `predict` does not pass tiny values to the trees.
                let value = if is_zero(value) { 0.0 } else { value };
                value <= tree.threshold()[at]
            }
        };
        node = if left { tree.left_child()[at] } else { tree.right_child()[at] };
    }
    !node as u32
}

fn check(seed: u64, kind: Kind, rows: usize) {
    let mut random = Random(seed);
    let text = random_model(&mut random, kind);
    let model = TextModel::parse(text.as_bytes(), &Limits::default()).unwrap();
    let rows = random_rows(&mut random, &model, rows);
    let scorer = Scorer::compile(&model);
    let name = format!("{kind:?} {seed}");
    let ours = score_every_way(&name, &scorer, &rows);
    let mut outputs = ours.clone();
    scorer.convert(&mut outputs);
    let width = kind.features as i32;
    // The text was validated, so LightGBM's own parser can read it, as it can read the text written for LightGBM.
    for text in [&text, &model.emit()] {
        let booster = lightgbm3::Booster::from_string(text).unwrap();
        assert_scores(&name, &ours, &booster.raw_scores(&rows, width, true).unwrap(), 0);
        assert_scores(&name, &outputs, &booster.predict(&rows, width, true).unwrap(), 0);
    }
    let expected: Vec<u32> = rows
        .chunks(kind.features)
        .flat_map(|row| model.trees().map(|tree| leaf_by_the_book(tree, row)).collect::<Vec<_>>())
        .collect();
    assert_eq!(leaves(&scorer, &rows), expected, "{name}");
    contributions::check(&name, model, &rows);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_models_score_like_lightgbm(
        seed in 0_u64..u64::MAX,
        features in 1_usize..12,
        outputs in 1_usize..4,
        iterations in 1_usize..6,
        most_leaves in 1_usize..70,
        flags in 0_u8..16,
    ) {
        let [categorical, linear, few_thresholds, average] = [1, 2, 4, 8].map(|flag| flags & flag != 0);
        let shape = Kind { features, outputs, iterations, most_leaves, ..PLAIN };
        check(seed, Kind { categorical, linear, few_thresholds, average, ..shape }, 300);
    }
}

const PLAIN: Kind = Kind {
    features: 10,
    outputs: 1,
    iterations: 3,
    least_leaves: 1,
    most_leaves: 40,
    categorical: true,
    linear: false,
    few_thresholds: false,
    average: false,
};

#[test]
fn trees_of_many_leaves_are_walked() {
    for seed in 0..4 {
        check(seed, Kind { most_leaves: 5000, ..PLAIN }, 300);
        check(seed, Kind { most_leaves: 5000, linear: true, outputs: 2, ..PLAIN }, 40);
    }
}

#[test]
fn trees_of_more_nodes_than_16_bits_count_are_walked() {
    let large = Kind { least_leaves: 70_000, most_leaves: 150_000, iterations: 1, ..PLAIN };
    check(9, large, 60);
    check(10, Kind { categorical: false, ..large }, 60);
}

#[test]
fn many_thresholds_are_asked_in_segments() {
    check(1, Kind { most_leaves: 900, iterations: 80, ..PLAIN }, 300);
}

#[test]
fn many_features_are_loaded_off_the_stack() {
    check(1, Kind { features: 2000, iterations: 20, most_leaves: 300, ..PLAIN }, 60);
    check(2, Kind { features: 300_000, iterations: 2, most_leaves: 20_000, ..PLAIN }, 20);
}

#[test]
fn many_categories_are_looked_up() {
    let mut random = Random(7);
    let words: Vec<String> = (0..200).map(|_| random.below(1 << 31).to_string()).collect();
    let header = "tree\nversion=v4\nnum_class=1\nlabel_index=0\nmax_feature_idx=0\nfeature_names=f\nfeature_infos=none\n";
    let text = format!(
        "{header}\nTree=0\nnum_leaves=3\nnum_cat=2\nsplit_feature=0 0\nthreshold=0 1\ndecision_type=1 1\nleft_child=1 -1\n\
         right_child=-2 -3\nleaf_value=1 2 3\ncat_boundaries=0 150 200\ncat_threshold={}\nis_linear=0\nshrinkage=1\n\n\n\
         end of trees\n",
        words.join(" ")
    );
    let model = TextModel::parse(text.as_bytes(), &Limits::default()).unwrap();
    let rows: Vec<f64> = (-10..7000).map(f64::from).collect();
    let booster = lightgbm3::Booster::from_string(&model.emit()).unwrap();
    let ours = score_every_way("many categories", &Scorer::compile(&model), &rows);
    assert_scores("many categories", &ours, &booster.raw_scores(&rows, 1, true).unwrap(), 0);
}
