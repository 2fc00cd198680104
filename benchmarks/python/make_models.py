"""Creates the models and rows of the scoring benchmark.

Usage: make_models.py DIRECTORY

Every model gets a directory with `model.txt` (LightGBM's text), `rows.f64` (20,000 rows, row-major little-endian doubles)
and `raw.f64` (LightGBM's raw score of each). Models whose contributions are measured have `contributions.f64` as well: LightGBM's
`pred_contrib` of the first 200 rows. All seeds are fixed: the same LightGBM writes the same files.
"""

import sys
from pathlib import Path

import lightgbm as lgb
import numpy as np

ROWS = 20_000
CONTRIBUTION_ROWS = 200
CATEGORICAL = 3

MODELS = {
    "small": dict(trees=100, leaves=31, features=20, categories=False, contributions=True),
    "medium": dict(trees=500, leaves=63, features=30, categories=True, contributions=True),
    "large": dict(trees=1000, leaves=255, features=50, categories=False, contributions=False),
}


def make_rows(rng, features, categories):
    rows = rng.standard_normal((ROWS, features))
    if categories:
        # The last columns hold categories of 8, 40 and 120 values; 5 % of all cells are missing.
        for column, count in zip(range(features - CATEGORICAL, features), (8, 40, 120)):
            rows[:, column] = rng.integers(0, count, ROWS)
        rows[rng.random(rows.shape) < 0.05] = np.nan
    return rows


def make_labels(rng, rows):
    known = np.nan_to_num(rows)
    return (
        known[:, 0]
        + known[:, 1] * known[:, 2]
        + np.sin(3 * known[:, 3])
        + known[:, -1] % 7 * 0.3 * known[:, 4]
        + known[:, -2] % 5 * 0.2
        + 0.5 * rng.standard_normal(len(rows))
    )


def make(directory, number, trees, leaves, features, categories, contributions):
    directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(number)
    train = make_rows(rng, features, categories)
    categorical = list(range(features - CATEGORICAL, features)) if categories else []
    dataset = lgb.Dataset(
        train, make_labels(rng, train), categorical_feature=categorical, params={"min_data_in_bin": 1, "verbosity": -1}
    )
    parameters = {
        "objective": "regression", "num_leaves": leaves, "learning_rate": 0.05, "min_data_in_leaf": 5,
        "deterministic": True, "force_col_wise": True, "num_threads": 2, "seed": number, "verbosity": -1,
    }
    booster = lgb.train(parameters, dataset, trees)
    booster.save_model(directory / "model.txt")
    # Rows that are not in the training data.
    rows = make_rows(rng, features, categories)
    rows.astype("<f8").tofile(directory / "rows.f64")
    scorer = lgb.Booster(model_file=directory / "model.txt")
    scorer.predict(rows, raw_score=True).astype("<f8").tofile(directory / "raw.f64")
    if contributions:
        known = scorer.predict(rows[:CONTRIBUTION_ROWS], pred_contrib=True)
        known.astype("<f8").tofile(directory / "contributions.f64")


for number, (name, shape) in enumerate(MODELS.items()):
    make(Path(sys.argv[1]) / name, number, **shape)
