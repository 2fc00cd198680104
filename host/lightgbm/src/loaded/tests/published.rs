//! The table of models in docs/models.md: each row stands for a model whose predictions were just compared with LightGBM's.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::extracted::Estimator;
use crate::loaded::Model;
use crate::scorer::Scorer;
use crate::testing::{
    assert_scores, directories, fixtures, leaves, numbers, pickles, read_json, score_every_way,
};
use crate::text::{Limits, TextModel};

/// A writer, the public source of what it does, and what it makes of the text of Python's.
type Writer = (&'static str, &'static str, fn(&str) -> String);

/// What other writers of the same text do to it. LightGBM 4.7.0 reads each and scores the same.
const WRITERS: [Writer; 5] = [
    (
        "R, C#, C++ and the command line: no line of pandas' categories",
        "[R](https://github.com/lightgbm-org/LightGBM/blob/650cc186c2d1bb02f145ad6ba37ffd53a8390bda/R-package/R/lgb.Booster.R) and \
         [LightGBM.Net](https://github.com/rca22/LightGBM.Net/blob/d817a349ab0cd7e70c0d598bbfa61cf089a01822/LightGBMNet.Train/Interface/Booster.cs) \
         call the C API; only Python adds the line",
        |text| without(text, "pandas_categorical:"),
    ),
    (
        "SynapseML: no line of pandas' categories, and one more line end",
        "[`saveNativeModel`](https://github.com/microsoft/SynapseML/blob/019611792a62bcee64bad09a16ebeba50fd6d774/lightgbm/src/main/scala/com/microsoft/azure/synapse/ml/lightgbm/booster/LightGBMBooster.scala) \
         writes the string of the C API as a text of Spark; [a model](https://github.com/microsoft/SynapseML/blob/54b051fe4495de67dfcb96b00af347c9ea367f63/lightgbm/src/test/resources/native-3.3.510.json)",
        |text| without(text, "pandas_categorical:") + "\n",
    ),
    (
        "LightGBM 2.0: no lines of the version, of the sizes of trees, of their end, and of parameters",
        "[a model of October 2017](https://github.com/jpmml/jpmml-lightgbm/blob/0dd689cae86e4e39352768db81cbd1b3628fa80b/src/test/resources/lgbm/ClassificationIris.txt)",
        |text| without(&without(&without_end(text), "version="), "tree_sizes="),
    ),
    (
        "LightGBM 2.1: no lines of the end of trees and of parameters",
        "[a model of January 2018](https://github.com/jpmml/jpmml-lightgbm/blob/57dba0e28daee1d94745628d0cba94149fbb5555/src/test/resources/lgbm/ClassificationVersicolor.txt)",
        |text| without_end(text).replacen("version=v4", "version=v2", 1),
    ),
    ("`model_to_string`, cut after the trees: no importances and parameters", "", |text| {
        let end = text.find("end of trees").map_or(text.len(), |at| at + "end of trees\n".len());
        text[..end].to_owned()
    }),
];

/// The text as LightGBM up to 2.1 ended it.
fn without_end(text: &str) -> String {
    let (trees, rest) = text.split_once("end of trees\n").expect("an end");
    let categories = rest.lines().find(|line| line.starts_with("pandas_categorical:")).unwrap_or_default();
    format!("{trees}\nfeature importances:\na=3\nTree=2\n\n{categories}\n")
}

/// The text without the line that starts so.
fn without(text: &str, start: &str) -> String {
    text.lines().filter(|line| !line.starts_with(start)).fold(String::new(), |text, line| text + line + "\n")
}

fn texts() -> Vec<PathBuf> {
    let files =
        fs::read_dir(fixtures("scores")).expect("the fixtures").map(|file| file.expect("a file").path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|ending| ending == "txt")).collect();
    files.sort();
    files
}

/// Panics unless the scores are LightGBM's to the bit, and the outputs within one unit in the last place. Returns the number of rows.
fn compare(name: &str, model: &TextModel, expected: &serde_json::Value) -> usize {
    let scorer = Scorer::compile(model);
    let rows = numbers(&expected["rows"]);
    let mut raw = score_every_way(name, &scorer, &rows);
    assert_scores(name, &raw, &numbers(&expected["raw"]), 0);
    let found: Vec<f64> = leaves(&scorer, &rows).into_iter().map(f64::from).collect();
    assert_eq!(found, numbers(&expected["leaf"]), "{name}");
    scorer.convert(&mut raw);
    assert_scores(name, &raw, &numbers(&expected["output"]), 1);
    rows.len() / model.num_features()
}

/// The value of a line `KEY=…` or `[KEY: …]` of a text.
fn line<'t>(text: &'t str, start: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(start)).map(|value| value.trim_end_matches(']').trim())
}

fn traits(text: &str, model: &TextModel) -> String {
    let has = |flag: bool, name: &'static str| flag.then_some(name);
    let of = |start| line(text, start).unwrap_or_default();
    let all = [
        has(model.has_linear_trees(), "linear trees"),
        has(text.lines().any(|line| line.starts_with("num_cat=") && line != "num_cat=0"), "categories"),
        has(of("[zero_as_missing:") == "1", "zero as missing"),
        has(of("[use_missing:") == "0", "no missing values"),
        has(of("[monotone_constraints:").contains('1'), "monotone constraints"),
        has(model.average_output(), "averaged"),
    ];
    all.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn of_texts(table: &mut String) -> usize {
    let paths = texts();
    for path in &paths {
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name");
        let text = fs::read_to_string(path).expect("a model");
        let model = TextModel::parse(text.as_bytes(), &Limits::default()).expect("a model");
        let rows = compare(name, &model, &read_json(&path.with_extension("json")));
        let release = name.rsplit('_').next().filter(|part| part.starts_with(|c: char| c.is_ascii_digit()));
        let format = line(&text, "version=").unwrap_or_default();
        let objective = model.objective_text().unwrap_or("none");
        let boosting = line(&text, "[boosting:").unwrap_or_default();
        let (trees, traits) = (model.num_trees(), traits(&text, &model));
        let release = release.unwrap_or("4.7.0");
        writeln!(
            table,
            "| `{name}` | {release} | {format} | `{objective}` | {boosting} | {trees} | {traits} | {rows} |"
        )
        .expect("text");
    }
    paths.len()
}

fn of_writers(table: &mut String) -> usize {
    let names = ["categorical", "multiclass", "linear", "random_forest_2.2.3"];
    for (writer, source, write) in WRITERS {
        for name in names {
            let path = fixtures("scores").join(format!("{name}.txt"));
            let written = write(&fs::read_to_string(&path).expect("a model"));
            let model = TextModel::parse(written.as_bytes(), &Limits::default())
                .unwrap_or_else(|error| panic!("{name}, {writer}: {error}"));
            compare(name, &model, &read_json(&path.with_extension("json")));
        }
        writeln!(table, "| {writer} | {source} | {} |", names.map(|name| format!("`{name}`")).join(", "))
            .expect("text");
    }
    WRITERS.len() * names.len()
}

fn of_files(table: &mut String) -> usize {
    let models = fixtures("models");
    let of_mlflow = directories().into_iter().map(|recorded| {
        let name = Path::new(&recorded.name).strip_prefix(&models).expect("a name").display().to_string();
        (name, "MLflow", recorded)
    });
    let of_pickle = pickles().into_iter().map(|recorded| (recorded.name.clone(), "`pickle`", recorded));
    let mut count = 0;
    for (name, writer, recorded) in of_mlflow.chain(of_pickle) {
        recorded.check(&recorded.model);
        let model: &Model = &recorded.model;
        let class = model.estimator().class().rsplit('.').next().unwrap_or_default();
        let labels = match model.estimator() {
            Estimator::Classifier => {
                model.classes().map(|labels| labels.len().to_string()).unwrap_or_default()
            }
            _ => String::new(),
        };
        let format = model.format().as_str();
        writeln!(
            table,
            "| `{name}` | {writer} | {format} | `{class}` | {labels} | {} |",
            recorded.data().rows()
        )
        .expect("text");
        count += 1;
    }
    count
}

/// `HYDRA_UPDATE=1` rewrites the file.
#[test]
fn the_models_in_docs_are_those_that_score_like_lightgbm() {
    let (mut texts, mut writers, mut files) = (String::new(), String::new(), String::new());
    let count = of_texts(&mut texts) + of_writers(&mut writers) + of_files(&mut files);
    assert!(count >= 150, "{count} models");
    let page = format!(
        "# Models that score like LightGBM\n\n\
         A test writes this page: `the_models_in_docs_are_those_that_score_like_lightgbm`. Each row stands for a model of the fixtures that it has \
         just read. Its raw scores are those of LightGBM 4.7.0 to the bit, its leaves are the same, and its outputs are within one unit in the \
         last place, on rows with missing, infinite, huge and denormal values. The test compares {count} models.\n\n\
         `cargo test --workspace --test oracle` compares thousands of random models more with LightGBM itself.\n\n\
         ## Text\n\n\
         `make_scores.py` in `tests/fixtures/scores` trained them with the Python package of each release.\n\n\
         | model | LightGBM | format | objective | boosting | trees | with | rows |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n{texts}\n\
         ## Other writers\n\n\
         Other languages and older releases write the same text through LightGBM's C API, and differ in these bytes:\n\n\
         | writer | source | models |\n| --- | --- | --- |\n{writers}\n\
         LightGBM 4 does not read models from before 2.1 that lack `num_cat` or have `sigmoid=` in the header, and hydra-registry refuses them \
         with that reason.\n\n\
         ## MLflow's directories and pickles\n\n\
         Their labels and probabilities are compared with those of the Python classes as well.\n\n\
         | file | writer | format | class | labels | rows |\n| --- | --- | --- | --- | --- | --- |\n{files}"
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/models.md");
    if std::env::var_os("HYDRA_UPDATE").is_some() {
        fs::write(&path, &page).expect("docs/models.md");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == page, "set HYDRA_UPDATE=1 to rewrite docs/models.md");
}
