"""An estimator that was logged here answers to MLflow as if MLflow had logged it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT

from hydra_registry import Champion, ModelRegistry


def estimator(kind: str) -> tuple[Any, Any]:
    """A fitted estimator and the rows that it was fitted to."""
    import lightgbm
    import pandas as pd

    rng = np.random.default_rng(5)
    rows = pd.DataFrame({"a": rng.normal(size=300), "b": rng.integers(0, 9, 300), "c": rng.random(300) < 0.5})
    score = rows["a"] + rows["b"] / 5
    common = {"n_estimators": 6, "verbosity": -1, "n_jobs": 1, "min_child_samples": 5}
    match kind:
        case "texts":
            return lightgbm.LGBMClassifier(**common).fit(rows, np.where(score > 1, "yes", "no")), rows
        case "numbers":
            return lightgbm.LGBMClassifier(**common).fit(rows, (score > 1).astype(np.int32) + 4), rows
        case "three":
            return lightgbm.LGBMClassifier(**common).fit(rows, np.digitize(score, [0.5, 1.5])), rows
        case "categories":
            rows = rows.assign(d=pd.Categorical(np.where(rows["b"] > 4, "high", "low")))
            return lightgbm.LGBMClassifier(**common).fit(rows, score > 1), rows
        case "regressor":
            return lightgbm.LGBMRegressor(**common).fit(rows, score), rows
        case _:
            grades = np.digitize(score, [0.5, 1.5])
            return lightgbm.LGBMRanker(**common).fit(rows, grades, group=[100, 100, 100]), rows


KINDS = ["texts", "numbers", "three", "categories", "regressor", "ranker"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_estimator_stays_one(server: Any, model_name: str, kind: str) -> None:
    check(str(server), model_name, kind)


def test_an_estimator_stays_one_on_every_store(backend: str, model_name: str) -> None:
    check(backend, model_name, "texts")


def check(uri: str, name: str, kind: str) -> None:
    """Logs an estimator here and compares what MLflow and this package load with the estimator itself."""
    import mlflow

    model, rows = estimator(kind)
    registry = ModelRegistry(uri, name)
    run_id, version = registry.log_candidate(model, {"auc": 0.9}, {"n": np.int64(3), "list": np.arange(2)})
    registry.promote_to_champion(version)

    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    loaded = mlflow.lightgbm.load_model(f"models:/{name}@champion")
    assert type(loaded) is type(model)
    assert np.array_equal(loaded.predict(rows), model.predict(rows))
    pyfunc = mlflow.pyfunc.load_model(f"models:/{name}/{version}")
    assert np.array_equal(pyfunc.predict(rows), model.predict(rows))
    assert pyfunc.metadata.run_id == run_id
    assert pyfunc.metadata.flavors["python_function"]["loader_module"] == "mlflow.lightgbm"

    champion = registry.load_champion()
    assert isinstance(champion, Champion) and champion.estimator == type(model).__name__
    assert np.array_equal(champion.predict(rows), model.predict(rows))
    if hasattr(model, "classes_"):
        assert champion.classes_ is not None and champion.classes_.tolist() == list(model.classes_)
        assert np.array_equal(champion.predict_proba(rows), model.predict_proba(rows))


def test_a_booster_and_a_path_are_logged(backend: str, model_name: str, small_model: Any) -> None:
    registry = ModelRegistry(backend, model_name)
    registry.log_candidate(small_model.booster_, {"auc": 0.9}, {})
    small_model.booster_.save_model("model.txt")
    registry.log_candidate("model.txt", {"auc": 0.9}, {})
    first, second = (registry.load(version) for version in (1, 2))
    assert first.sha256 == second.sha256 and first.estimator == "Booster"


def test_a_broken_model_is_refused_before_anything_is_written(backend: str, model_name: str) -> None:
    from hydra_registry import InvalidModel

    registry = ModelRegistry(backend, model_name)
    with open("model.txt", "w") as file:
        file.write("tree\nversion=v4\nnum_class=1\n")
    with pytest.raises(InvalidModel):
        registry.log_candidate("model.txt", {"auc": 0.9}, {})
    with pytest.raises(LookupError):
        list(registry.iter_versions())


def of_ones(labels: Any, scores: Any) -> tuple[Any, Any]:
    """An objective of the user's own."""
    return scores - labels, np.ones_like(scores)


def test_an_estimator_that_mlflow_does_not_save_is_refused_with_another_way(tmp_path: Path) -> None:
    import lightgbm

    from hydra_registry import InvalidModel

    rows = np.arange(240.0).reshape(120, 2)
    model = lightgbm.LGBMRegressor(objective=of_ones, n_estimators=2, verbosity=-1).fit(rows, rows[:, 0])
    registry = ModelRegistry(str(tmp_path / "mlruns"), "churn")
    with pytest.raises(InvalidModel, match="MLflow does not save") as raised:
        registry.log_candidate(model, {"l2": 0.9}, {})
    assert raised.value.hint is not None and "booster_" in raised.value.hint
    registry.log_candidate(model.booster_, {"l2": 0.9}, {})
    assert registry.load("candidate").predict(rows).tolist() == model.predict(rows, raw_score=True).tolist()


def test_without_mlflow_the_booster_is_logged_and_that_is_said(tmp_path: Any, model_name: str) -> None:
    script = f"""
import sys, warnings
sys.modules["mlflow"] = None
sys.path.insert(0, {str(ROOT / "python/tests")!r})
import numpy as np, lightgbm
from hydra_registry import ModelRegistry
rows = np.arange(240.0).reshape(120, 2)
model = lightgbm.LGBMClassifier(n_estimators=2, verbosity=-1).fit(rows, np.where(rows[:, 0] > 120, "y", "n"))
registry = ModelRegistry({str(tmp_path / "mlruns")!r}, {model_name!r})
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    registry.log_candidate(model, {{"auc": 0.9}}, {{}})
assert any("labels" in str(one.message) and one.filename == "<string>" for one in caught), caught
champion = registry.load("candidate")
assert champion.estimator == "Booster" and champion.classes_ is None
"""
    subprocess.run([sys.executable, "-c", script], check=True)
