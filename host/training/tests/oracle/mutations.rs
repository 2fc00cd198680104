//! Passes damaged models to validator, LightGBM and scorer in a separate process. None may crash it, and if the
//! validator accepts one, LightGBM and the scorer must agree on it to the bit.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hydra_base::ErrorKind;
use hydra_lightgbm::testing::fixtures;
use hydra_lightgbm::text::{Limits, TextModel};
use hydra_lightgbm::{Matrix, Scorer};
use hydra_training::Booster;

use crate::generator::Random;

/// The number of damaged models.
const MUTANTS: u64 = 20_000;

const CHILD: &str = "HYDRA_TEST_CHILD_MUTATES";
const TEST: &str = "mutations::damaged_models_never_crash_lightgbm";

/// Values of rows, special ones first.
const CELLS: [f64; 12] = [
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    0.0,
    -0.0,
    1e-36,
    -1.0,
    0.5,
    3.0,
    1e9,
    2_147_483_648.0,
    -1e300,
];

/// Replacements for numbers.
const NUMBERS: [&str; 22] = [
    "0",
    "1",
    "-1",
    "2",
    "-2",
    "3",
    "7",
    "-8",
    "31",
    "32",
    "255",
    "65535",
    "2147483647",
    "-2147483648",
    "4294967295",
    "1e308",
    "-1e308",
    "1e-320",
    "nan",
    "inf",
    "-inf",
    "0.5",
];

#[test]
fn damaged_models_never_crash_lightgbm() {
    if let Some(log) = std::env::var_os(CHILD) {
        try_mutants(Path::new(&log));
        return;
    }
    let log = tempfile::NamedTempFile::new().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args([TEST, "--exact", "--nocapture"])
        .env(CHILD, log.path())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let last = std::fs::read_to_string(log.path()).unwrap();
    let last = last.lines().last().unwrap_or("none");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{} at mutant {last}\n{stdout}\n{stderr}", output.status);
    assert!(stdout.contains("1 passed"), "{stdout}");
}

/// Tries every mutant. The log names the current one, so that a crash can be repeated.
fn try_mutants(log: &Path) {
    let models = seeds();
    let mut log = std::fs::OpenOptions::new().append(true).open(log).unwrap();
    let (mut accepted, mut loaded) = (0, 0);
    for seed in 0..MUTANTS {
        let (name, model) = &models[(seed % models.len() as u64) as usize];
        let bytes = mutate(model, &mut Random(seed + 1));
        let text = match TextModel::parse(&bytes, &Limits::default()) {
            Ok(text) => text,
            Err(error) => {
                assert!(
                    matches!(error.kind(), ErrorKind::InvalidModel | ErrorKind::UnsupportedModel),
                    "{error}"
                );
                continue;
            }
        };
        accepted += 1;
        writeln!(log, "{seed} of {name}").unwrap();
        match Booster::load(&text) {
            Ok(booster) => {
                loaded += 1;
                predict(&text, &booster, &format!("mutant {seed} of {name}"));
            }
            Err(error) => println!("mutant {seed} of {name}: {error}"),
        }
    }
    println!("{MUTANTS} mutants, {accepted} accepted by the reader, {loaded} loaded by LightGBM");
    assert!(accepted > MUTANTS / 20, "{accepted} accepted: too few for a result");
    assert!(
        loaded > accepted * 9 / 10,
        "{loaded} of {accepted} loaded: the reader accepts what LightGBM refuses"
    );
}

fn predict(text: &TextModel, booster: &Booster, what: &str) {
    let features = text.num_features();
    if features > 1_000 || text.num_class() > 1_000 {
        return;
    }
    let values: Vec<f64> = CELLS.iter().cycle().take(features * 13).copied().collect();
    let data = Matrix::from_rows(&values, features).unwrap();
    let scorer = Scorer::compile(text);
    let mut ours = vec![0.0; data.rows() * text.num_class()];
    scorer.raw(&data, 1, &mut ours).unwrap();
    let theirs = booster.raw_scores(&values).unwrap();
    // NaNs may have different bits.
    let equal = |(a, b): (&f64, &f64)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
    assert!(ours.iter().zip(&theirs).all(equal), "{what}: {ours:?} is not {theirs:?}");
    booster.output(&values).unwrap();
    // Contributions are refused for several outputs and linear trees, and are not comparable for damaged counts.
    let _ = booster.contributions(&values);
}

/// The models of the fixtures, reduced to two iterations, so that damage is dense.
fn seeds() -> Vec<(String, Vec<u8>)> {
    let fixtures = fixtures("");
    let mut files: Vec<PathBuf> = ["binary_cat", "multi_int", "regression"]
        .map(|case| fixtures.join("models").join(case).join("booster/model.lgb"))
        .into();
    for entry in std::fs::read_dir(fixtures.join("scores")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            files.push(path);
        }
    }
    files.sort();
    let seeds: Vec<_> = files
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            (path.strip_prefix(&fixtures).unwrap().display().to_string(), cut(&text).into_bytes())
        })
        .collect();
    for (name, seed) in &seeds {
        let model =
            TextModel::parse(seed, &Limits::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(Booster::load(&model).is_ok(), "{name}");
    }
    seeds
}

/// The first two iterations of a model, without the sections after the trees, and without `tree_sizes`, which would
/// reveal every change of length.
fn cut(text: &str) -> String {
    let (header, trees) = text.split_once("\nTree=").unwrap();
    let per_iteration = header.lines().find_map(|line| line.strip_prefix("num_tree_per_iteration=")).unwrap();
    let count = 2 * per_iteration.parse::<usize>().unwrap();
    let trees = trees.split_once("end of trees").unwrap().0;
    let header: Vec<&str> = header.lines().filter(|line| !line.starts_with("tree_sizes")).collect();
    let trees: Vec<&str> = trees.split("\nTree=").take(count).collect();
    format!("{}\n\nTree={}\nend of trees\n", header.join("\n"), trees.join("\nTree="))
}

/// Damages a model at one to four positions.
fn mutate(model: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = model.to_vec();
    for _ in 0..=random.below(4).min(random.below(4)) {
        match random.below(8) {
            0 => {
                let place = random.below(bytes.len());
                bytes[place] ^= 1 << random.below(8);
            }
            1 => {
                let place = random.below(bytes.len());
                bytes[place] = b"0123456789-.e \n=:"[random.below(17)];
            }
            2 => {
                let place = random.below(bytes.len());
                bytes.truncate(place.max(1));
            }
            3 => {
                let (from, to) = line(&bytes, random);
                if random.below(2) == 0 {
                    let line = bytes[from..to].to_vec();
                    bytes.splice(from..from, line);
                } else {
                    bytes.drain(from..to);
                }
            }
            _ => {
                let (from, to) = token(&bytes, random);
                let replacement = if random.below(3) == 0 {
                    let (from, to) = token(&bytes, random);
                    bytes[from..to].to_vec()
                } else {
                    NUMBERS[random.below(NUMBERS.len())].as_bytes().to_vec()
                };
                bytes.splice(from..to, replacement);
            }
        }
        if bytes.is_empty() {
            bytes.push(b'\n');
        }
    }
    bytes
}

/// Where a random line starts and ends, its line feed included.
fn line(bytes: &[u8], random: &mut Random) -> (usize, usize) {
    let place = random.below(bytes.len());
    let from = bytes[..place].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let to = bytes[place..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| place + end + 1);
    (from, to)
}

/// Where a random value of a list starts and ends.
fn token(bytes: &[u8], random: &mut Random) -> (usize, usize) {
    let separates = |byte: &u8| matches!(byte, b' ' | b'\n' | b'=' | b':');
    let place = random.below(bytes.len());
    let from = bytes[..place].iter().rposition(separates).map_or(0, |end| end + 1);
    let to = bytes[place..].iter().position(separates).map_or(bytes.len(), |end| place + end);
    (from, to)
}
