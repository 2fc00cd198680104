use std::path::Path;

use super::*;
use hydra_lightgbm::text::Limits;

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/scores").join(name);
    std::fs::read_to_string(path).unwrap()
}

fn parse(text: &str) -> TextModel {
    TextModel::parse(text.as_bytes(), &Limits::default()).unwrap()
}

fn refused(model: &TextModel) -> ErrorKind {
    Booster::load(model).unwrap_err().kind()
}

#[test]
fn outputs_have_the_width_that_lightgbm_writes() {
    for (name, outputs) in [("multiclass.txt", 3), ("poisson.txt", 1)] {
        let model = parse(&fixture(name));
        assert!(model.num_class() >= outputs, "{name}");
        let booster = Booster::load(&model).unwrap();
        let values = vec![0.5; 7 * booster.features()];
        assert_eq!(booster.raw_scores(&values).unwrap().len(), 7 * model.num_class());
        assert_eq!(booster.output(&values).unwrap().len(), 7 * model.num_class());
        assert!(booster.raw_scores(&[]).unwrap().is_empty());
        assert_eq!(booster.raw_scores(&values[1..]).unwrap_err().kind(), ErrorKind::InvalidData);
    }
}

#[test]
fn contributions_are_refused_where_the_bindings_or_lightgbm_go_wrong() {
    let huber = fixture("huber.txt");
    let uncounted = huber.lines().map(|line| match line.split_once('=') {
        Some(("internal_count", counts)) => {
            format!("internal_count={}\n", counts.replace(|digit| digit != ' ', "0"))
        }
        Some(("tree_sizes", _)) => String::new(),
        _ => format!("{line}\n"),
    });
    for (name, text, kind) in [
        ("multiclass", fixture("multiclass.txt"), ErrorKind::UnsupportedModel),
        ("linear", fixture("linear.txt"), ErrorKind::LinearContributions),
        ("uncounted", uncounted.collect(), ErrorKind::ModelCounts),
    ] {
        let booster = Booster::load(&parse(&text)).unwrap();
        let values = vec![0.5; booster.features()];
        assert_eq!(booster.contributions(&values).unwrap_err().kind(), kind, "{name}");
    }
    let booster = Booster::load(&parse(&huber)).unwrap();
    let values = vec![0.5; 3 * booster.features()];
    assert_eq!(booster.contributions(&values).unwrap().len(), 3 * (booster.features() + 1));
}

#[test]
fn fewer_iterations_are_those_of_a_shorter_model() {
    let model = parse(&fixture("huber.txt"));
    let values = vec![0.5; model.num_features()];
    let all = Booster::load(&model).unwrap().raw_scores(&values).unwrap();
    let first = Booster::load_with(&model, Some(1)).unwrap().raw_scores(&values).unwrap();
    let more = Booster::load_with(&model, Some(1_000_000)).unwrap().raw_scores(&values).unwrap();
    assert_ne!(all, first);
    assert_eq!(all, more);
}

#[test]
fn a_header_that_lightgbm_cannot_read_is_refused_before_it_does() {
    let text = fixture("huber.txt");
    let infos = text.lines().find(|line| line.starts_with("feature_infos=")).unwrap();
    for damage in ["[0=1]", "[é:1]"] {
        let mut values: Vec<&str> = infos["feature_infos=".len()..].split(' ').collect();
        values[0] = damage;
        let damaged = text.replace(infos, &format!("feature_infos={}", values.join(" ")));
        match TextModel::parse(damaged.as_bytes(), &Limits::default()) {
            Ok(model) => assert_eq!(refused(&model), ErrorKind::UnsupportedModel),
            Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidModel),
        }
    }
}
