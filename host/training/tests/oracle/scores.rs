//! Comparisons to the bit with LightGBM, for models of which only some iterations are scored.

use hydra_lightgbm::Scorer;
use hydra_lightgbm::testing::{assert_scores, fixtures, numbers, read_json, read_model, score_every_way};

#[test]
fn the_first_iterations_can_be_scored_alone() {
    for name in ["multiclass", "random_forest", "linear"] {
        let path = fixtures("scores").join(name).with_extension("txt");
        let model = read_model(&path);
        let rows = numbers(&read_json(&path.with_extension("json"))["rows"]);
        let scorer = Scorer::compile_with(&model, Some(2));
        assert_eq!(scorer.num_iterations(), 2);
        assert_eq!(scorer.num_trees(), 2 * scorer.num_outputs());
        let mut ours = score_every_way(name, &scorer, &rows);
        let mut booster = lightgbm3::Booster::from_string(&model.emit()).unwrap();
        booster.set_max_iterations(2).unwrap();
        let width = scorer.num_features() as i32;
        assert_scores(name, &ours, &booster.raw_scores(&rows, width, true).unwrap(), 0);
        scorer.convert(&mut ours);
        assert_scores(name, &ours, &booster.predict(&rows, width, true).unwrap(), 0);
    }
}
