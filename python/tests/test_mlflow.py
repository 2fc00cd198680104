"""`hydra_registry.mlflow.load_model`: MLflow's checks, our scorer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from mlflow.exceptions import MlflowException

import hydra_registry.mlflow
from hydra_registry import ModelRegistry, exceptions


@pytest.fixture
def champion(backend: str, model_name: str, small_model: Any, training_rows: Any) -> Iterator[str]:
    """The URI of a champion in the stores of the process."""
    mlflow.set_tracking_uri(backend)
    frame, _ = training_rows
    signature = mlflow.models.infer_signature(frame, small_model.predict(frame))
    with mlflow.start_run():
        # As a team does it that wants its input checked: `log_candidate` declares no signature.
        mlflow.lightgbm.log_model(
            small_model,
            name="model",
            signature=signature,
            registered_model_name=model_name,
            pip_requirements=["lightgbm", "scikit-learn", "skops"],
        )
    ModelRegistry(backend, model_name).promote_to_champion(1)
    yield f"models:/{model_name}@champion"
    mlflow.set_tracking_uri(None)


def test_the_answers_are_those_of_mlflows_own_flavor(champion: str, training_rows: Any) -> None:
    ours, theirs = hydra_registry.mlflow.load_model(champion), mlflow.pyfunc.load_model(champion)
    assert isinstance(ours, mlflow.pyfunc.PyFuncModel)
    assert ours.metadata.flavors == theirs.metadata.flavors
    frame, _ = training_rows
    for rows in (frame, frame[["weekday", "size"]], frame.to_dict("list")):
        np.testing.assert_array_equal(ours.predict(rows), theirs.predict(rows))


def test_params_reach_the_model(champion: str, small_model: Any, training_rows: Any) -> None:
    model = hydra_registry.mlflow.load_model(champion)
    frame, _ = training_rows
    for params in (
        {"raw_score": True},
        {"raw_score": True, "num_iteration": 2},
        {"raw_score": True, "start_iteration": 1, "num_iteration": 2},
        {"pred_leaf": True},
    ):
        np.testing.assert_array_equal(model.predict(frame, params), small_model.predict(frame, **params))
    contributions = model.predict(frame, {"pred_contrib": True})
    np.testing.assert_allclose(contributions, small_model.predict(frame, pred_contrib=True), atol=1e-10)


def test_the_signature_is_enforced(champion: str, training_rows: Any) -> None:
    model = hydra_registry.mlflow.load_model(champion)
    frame, _ = training_rows
    with pytest.raises(MlflowException, match="weekday"):
        model.predict(frame[["size"]])
    with pytest.raises(MlflowException, match="raw_score"):
        model.predict(frame, {"raw_score": "yes"})
    # Columns that the signature does not name are left out, as MLflow does.
    assert len(model.predict(frame.assign(extra=1.0))) == len(frame)


def test_versions_and_other_uris(champion: str, backend: str, model_name: str, training_rows: Any) -> None:
    frame, _ = training_rows
    expected = hydra_registry.mlflow.load_model(champion).predict(frame)
    run = mlflow.MlflowClient().get_model_version(model_name, "1")
    for uri in (f"models:/{model_name}/1", f"models:/{model_name}/latest", run.source):
        np.testing.assert_array_equal(hydra_registry.mlflow.load_model(uri).predict(frame), expected)
    with pytest.raises(exceptions.MissingError):
        hydra_registry.mlflow.load_model(f"models:/{model_name}@absent")
    with pytest.raises(exceptions.MissingError):
        hydra_registry.mlflow.load_model(f"models:/{model_name}/9")


@pytest.mark.parametrize(
    ("mlmodel", "message"),
    [
        ("flavors: {sklearn: {pickled_model: model.pkl}}", "not one of LightGBM"),
        ("flavors: {lightgbm: {data: /etc/hostname}}", "outside of the model"),
        ("flavors: {lightgbm: {data: ../../model.lgb}}", "outside of the model"),
        ("flavors: 5", "does not describe a model"),
        ("[]", "does not describe a model"),
        ("", "does not describe a model"),
    ],
)
def test_what_is_not_a_model_of_lightgbm_is_refused(tmp_path: Path, mlmodel: str, message: str) -> None:
    (tmp_path / "MLmodel").write_text(mlmodel)
    with pytest.raises(exceptions.InvalidModel, match=message) as raised:
        hydra_registry.mlflow.load_model(str(tmp_path))
    assert raised.value.hint


def test_models_load_where_model_code_may_not_run(champion: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_MODEL_CODE_EXECUTION", "false")
    assert hydra_registry.mlflow.load_model(champion) is not None
