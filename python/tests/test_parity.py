"""Predictions are equal to those of LightGBM: to the recorded ones of the fixtures, and to its own in this process."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hydra_registry import Champion, Model
from hydra_registry._native import _restore_champion
from hydra_registry.exceptions import HydraError

FIXTURES = Path(__file__).parents[2] / "tests" / "fixtures"
SCORES = sorted((FIXTURES / "scores").glob("*.txt"))
CASES = sorted(path for path in (FIXTURES / "models").glob("*/*") if path.is_dir())
CATEGORIES = sorted((FIXTURES / "categories").glob("*.lgb"))
CITIES, TIERS = ["Bonn", "Lima", "Oslo", "Rome"], [10, 20, 30, 40, 50]
TRAINING = {
    "n_estimators": 12,
    "num_leaves": 7,
    "min_child_samples": 5,
    "random_state": 7,
    "n_jobs": 1,
    "verbose": -1,
}


def numbers(value: Any) -> np.ndarray:
    """The numbers of JSON, where null is NaN and infinities are text."""
    cells = pd.DataFrame(value).map(lambda cell: np.nan if cell is None else float(cell))
    return cells.to_numpy(dtype=float)


def same_bits(ours: np.ndarray, theirs: np.ndarray) -> bool:
    """Whether both arrays have one shape and the same bits; all NaN count as one."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    if ours.dtype.kind != "f":
        return ours.dtype == theirs.dtype and ours.shape == theirs.shape and bool((ours == theirs).all())
    nan = np.isnan(ours) & np.isnan(theirs)
    return ours.shape == theirs.shape and bool((nan | (ours.view(np.int64) == theirs.view(np.int64))).all())


def within_one_unit(ours: np.ndarray, theirs: np.ndarray) -> bool:
    nan = np.isnan(ours) & np.isnan(theirs)
    return bool((nan | (abs(ours.view(np.int64) - theirs.view(np.int64)) <= 1)).all())


def close(ours: np.ndarray, theirs: np.ndarray) -> bool:
    """Contributions: errors of rounding, next to the largest of the row."""
    largest = np.maximum(np.abs(theirs).max(axis=1, keepdims=True), 1e-300)
    return ours.shape == theirs.shape and bool((np.abs(ours - theirs) / largest < 1e-11).all())


def frame_of(expected: dict[str, Any]) -> pd.DataFrame:
    frame = pd.DataFrame(expected["input_rows"], columns=expected["feature_names"])
    for name, dtype in expected["dtypes"].items():
        if dtype == "float64":
            frame[name] = [np.nan if cell is None else float(cell) for cell in frame[name]]
        else:
            frame[name] = pd.Categorical(frame[name], categories=CITIES if name == "city" else TIERS)
    # Names decide, not positions.
    return frame[frame.columns[::-1]]


@pytest.mark.parametrize("directory", CASES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_every_model_directory_answers_like_python(directory: Path) -> None:
    kind, _, version = directory.name.partition("-")
    suffix = f"-{version}" if version else ""
    expected = json.loads((directory.parent / f"expected{suffix}.json").read_text())
    model = Model.load(next(directory.glob("model.*")))
    frame = frame_of(expected)

    theirs = np.array(expected["pyfunc_predict"][kind]["value"])
    ours = model.predict(frame)
    assert ours.shape == theirs.shape
    if model.classes_ is None:
        assert within_one_unit(ours, theirs)
    else:
        assert ours.tolist() == theirs.tolist()
        assert model.classes_.tolist() == expected["classes"]
        proba = np.array(expected["sklearn"]["predict_proba"])
        assert within_one_unit(model.predict_proba(frame), proba)
    booster = expected["booster"]
    assert same_bits(model.predict(frame, raw_score=True), np.array(booster["raw_score"]))
    assert model.predict(frame, pred_leaf=True).tolist() == booster["leaf_index"]
    assert model.feature_name_ == expected["feature_names"]
    assert model.num_trees == booster["num_trees"]


@pytest.mark.parametrize("version", ["3.1.1", "3.3.5", "4.7.0"])
def test_every_pickle_answers_like_python(version: str) -> None:
    expected = json.loads((FIXTURES / "pickles" / f"expected-{version}.json").read_text())
    rows = numbers(expected["rows"])
    for name, facts in expected["pickles"].items():
        model = Model.load(FIXTURES / "pickles" / name)
        ours, theirs = model.predict(rows), np.array(facts["predict"])
        assert model.estimator == facts["estimator"].rpartition(".")[2]
        if model.classes_ is None:
            assert within_one_unit(ours, theirs), name
        else:
            assert (ours.tolist(), model.classes_.tolist()) == (theirs.tolist(), facts["classes"]), name


@pytest.mark.parametrize("path", SCORES, ids=lambda path: path.stem)
def test_every_kind_of_model_answers_like_lightgbm_in_this_process(path: Path) -> None:
    rows = numbers(json.loads(path.with_suffix(".json").read_text())["rows"])
    booster, model = lgb.Booster(model_file=path), Model.load(path)
    for data in [rows, np.asfortranarray(rows), rows[:1], np.tile(rows, (20, 1))]:
        theirs = booster.predict(data)
        assert same_bits(model.predict(data), theirs)
        assert same_bits(model.predict(data, raw_score=True), booster.predict(data, raw_score=True))
        assert same_bits(model.predict(data, pred_leaf=True), booster.predict(data, pred_leaf=True))
    for row in range(len(rows)):
        assert same_bits(model.predict(rows[row : row + 1]), booster.predict(rows[row : row + 1]))


@pytest.mark.parametrize("path", SCORES, ids=lambda path: path.stem)
def test_contributions_are_those_of_lightgbm(path: Path) -> None:
    rows = numbers(json.loads(path.with_suffix(".json").read_text())["rows"])
    booster, model = lgb.Booster(model_file=path), Model.load(path)
    if "linear" in path.stem:
        with pytest.raises(HydraError) as raised:
            model.predict(rows, pred_contrib=True)
        assert raised.value.kind == "linear-contributions"
        return
    ours, theirs = model.predict(rows, pred_contrib=True), booster.predict(rows, pred_contrib=True)
    assert close(ours, theirs)
    one = model.predict(rows[:1], pred_contrib=True, start_iteration=1, num_iteration=2)
    assert close(one, booster.predict(rows[:1], pred_contrib=True, start_iteration=1, num_iteration=2))


@pytest.mark.parametrize("name", ["multiclass", "random_forest", "linear", "categorical", "dart"])
def test_ranges_of_iterations_are_those_of_lightgbm(name: str) -> None:
    path = FIXTURES / "scores" / f"{name}.txt"
    rows = numbers(json.loads(path.with_suffix(".json").read_text())["rows"])
    booster, model = lgb.Booster(model_file=path), Model.load(path)
    for start in [-1, 0, 1, 3, 100]:
        for count in [None, -1, 0, 1, 2, 100]:
            if start == 100:
                # LightGBM's answer for no iterations of a random forest is a division by zero.
                assert (model.predict(rows, start_iteration=start, raw_score=True) == 0).all()
                continue
            chosen = {"start_iteration": start, "num_iteration": count}
            for output in [{}, {"raw_score": True}, {"pred_leaf": True}]:
                ours = model.predict(rows, **chosen, **output)
                assert same_bits(ours, booster.predict(rows, **chosen, **output)), (chosen, output)
    assert model.predict(rows, start_iteration=np.int64(1), num_iteration=np.int32(1)).shape[0] == len(rows)


@pytest.mark.parametrize("path", CATEGORIES, ids=lambda path: path.stem)
def test_categories_are_matched_by_name(path: Path) -> None:
    table = pq.read_table(path.with_suffix(".parquet"))
    scores, table = table["score"].to_numpy(), table.drop_columns(["score"])
    model, booster = Model.load(path), lgb.Booster(model_file=path)
    frame = table.to_pandas()
    # Parquet does not keep the type of categories that are numbers.
    for column in json.loads(table.schema.metadata[b"pandas"])["columns"]:
        if column["pandas_type"] == "categorical":
            frame[column["name"]] = frame[column["name"]].astype("category")
    table = pa.Table.from_pandas(frame, preserve_index=False)
    assert same_bits(booster.predict(frame, raw_score=True), scores)
    for data in [frame, frame[frame.columns[::-1]], table, table.select(table.column_names[::-1])]:
        assert same_bits(model.predict(data, raw_score=True), scores)


def training(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(300, 6))
    return rows, rows[:, 0] + rows[:, 1] * rows[:, 2]


LABELS = [
    np.array([4, 7], dtype=np.int32),
    np.array([4, 7, 9], dtype=np.int64),
    np.array([False, True]),
    np.array([1.0, 2.0]),
    np.array(["no", "yes"]),
    np.array(["ant", "bee", "cat"], dtype=object),
]


@pytest.mark.parametrize("labels", LABELS, ids=str)
def test_a_classifier_keeps_its_labels(labels: np.ndarray) -> None:
    rows, score = training(1)
    bins = np.quantile(score, np.linspace(0, 1, len(labels) + 1)[1:-1])
    estimator = lgb.LGBMClassifier(**TRAINING).fit(rows, labels[np.digitize(score, bins)])
    for model in [Model.from_lightgbm(estimator), pickle.loads(pickle.dumps(Model.from_lightgbm(estimator)))]:
        assert model.estimator == "LGBMClassifier"
        for data in [rows, rows[:1], rows[:7]]:
            ours, theirs = model.predict(data), estimator.predict(data)
            assert (ours.dtype, ours.tolist()) == (theirs.dtype, theirs.tolist())
            assert same_bits(model.predict_proba(data), estimator.predict_proba(data))
            assert same_bits(model.predict(data, raw_score=True), estimator.predict(data, raw_score=True))
        assert model.classes_.dtype == estimator.classes_.dtype
        with pytest.raises(ValueError):
            model.classes_[0] = labels[1]


def test_other_estimators_and_boosters() -> None:
    rows, score = training(2)
    group = [30] * 10
    grades = np.digitize(score, [0, 1])
    ranker = lgb.LGBMRanker(**TRAINING).fit(rows, grades, group=group)
    regressor = lgb.LGBMRegressor(**TRAINING).fit(rows, score)
    plain = lgb.LGBMModel(objective="poisson", **TRAINING).fit(rows, np.exp(score.clip(-2, 2)))
    for estimator in [ranker, regressor, plain]:
        model = Model.from_lightgbm(estimator)
        assert (model.estimator, model.classes_) == (type(estimator).__name__, None)
        assert same_bits(model.predict(rows), estimator.predict(rows))
        assert model.objective_ == estimator.objective_
    booster = Model.from_lightgbm(regressor.booster_)
    assert (booster.estimator, booster.num_trees) == ("Booster", 12)
    assert same_bits(booster.predict(rows), regressor.predict(rows))
    with pytest.raises(HydraError) as raised:
        booster.predict_proba(rows)
    assert raised.value.kind == "unsupported-model"


def test_early_stopping_uses_the_best_iteration() -> None:
    rows, score = training(3)
    label = (score + 0.5 * np.random.default_rng(4).normal(size=len(score)) > 0).astype(int)
    valid = lgb.Dataset(rows[200:], label[200:])
    options = {"objective": "binary", "num_leaves": 7, "learning_rate": 0.2, "verbose": -1, "num_threads": 1}
    stop = lgb.early_stopping(5, verbose=False)
    train = lgb.Dataset(rows[:200], label[:200])
    # Otherwise the trees after the best iteration are dropped.
    booster = lgb.train(options, train, 60, [valid], callbacks=[stop], keep_training_booster=True)
    assert 0 < booster.best_iteration < booster.num_trees()
    model = Model.from_lightgbm(booster)
    for chosen in [
        {},
        {"num_iteration": -1},
        {"start_iteration": 1},
        {"start_iteration": 1, "num_iteration": 2},
    ]:
        assert same_bits(model.predict(rows, **chosen), booster.predict(rows, **chosen)), chosen
    assert model.num_trees == booster.best_iteration
    assert same_bits(pickle.loads(pickle.dumps(model)).predict(rows), booster.predict(rows))


def test_a_custom_objective_answers_raw_scores() -> None:
    def logistic(label: np.ndarray, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        probability = 1 / (1 + np.exp(-raw))
        return probability - label, probability * (1 - probability)

    rows, score = training(5)
    estimator = lgb.LGBMClassifier(objective=logistic, **TRAINING).fit(rows, (score > 0).astype(int))
    model = Model.from_lightgbm(estimator)
    assert same_bits(model.predict(rows), estimator.predict(rows))


def test_what_is_not_a_model_is_refused() -> None:
    with pytest.raises(ValueError, match="not fitted"):
        Model.from_lightgbm(lgb.LGBMRegressor())
    with pytest.raises(ValueError, match="not a LightGBM model"):
        Model.from_lightgbm("model.txt")
    rows, score = training(6)
    stopping = lgb.LGBMClassifier(pred_early_stop=True, **TRAINING).fit(rows, (score > 0).astype(int))
    with pytest.raises(ValueError, match="stop before the last tree"):
        Model.from_lightgbm(stopping)
    with pytest.raises(HydraError) as raised:
        Model.from_bytes(b"\x80\x04not a pickle")
    assert raised.value.kind == "invalid-model"
    with pytest.raises(HydraError) as raised:
        Model.load("/no/such/model.txt")
    assert raised.value.kind == "storage"


def test_a_champion_is_a_model_with_facts() -> None:
    model = Model.load(FIXTURES / "models" / "multi_str" / "skops" / "model.skops")
    facts = {"version": 7, "model_name": "pets", "run_id": None, "created_at": 1_700_000_000_000, "tags": {"a": "b"}}
    restored = _restore_champion(model.__reduce__()[1][0], {**facts, "quarantine": None})
    for champion in [restored, pickle.loads(pickle.dumps(restored))]:
        assert isinstance(champion, Champion) and isinstance(champion, Model)
        assert {name: getattr(champion, name) for name in facts} == facts
        assert champion.quarantine is None
        assert champion.predict([[0.0] * 5]).tolist() == model.predict([[0.0] * 5]).tolist()
        assert repr(champion) == "<version 7 of pets>"


def test_a_pickle_is_a_copy_of_the_file() -> None:
    path = FIXTURES / "models" / "binary_cat" / "pickle" / "model.pkl"
    model = Model.load(path).with_categories(["city", "tier"]).with_threads(1)
    again = pickle.loads(pickle.dumps(model))
    rows = pd.DataFrame({"num": [0.5], "city": ["Rome"], "tier": [10], "zeros": [1.0]})
    rows["city"] = rows["city"].astype("string")
    assert same_bits(again.predict_proba(rows), model.predict_proba(rows))
    assert again.sha256 == model.sha256
    assert again.classes_.tolist() == model.classes_.tolist()
    assert model.category_features == ["city", "tier"]
    assert again.feature_name_ == ["num", "city", "tier", "zeros"]
