"""`Scorer`: Arrow batches in and out, in this process and in others."""

from __future__ import annotations

import pickle
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from hydra_registry import Model, ModelRegistry, Scorer, exceptions


@pytest.fixture(scope="module")
def model(small_model: Any) -> Model:
    return Model.from_lightgbm(small_model)


@pytest.fixture
def batch(training_rows: Any) -> pa.RecordBatch:
    frame = training_rows[0]
    return pa.RecordBatch.from_pandas(frame[["weekday", "size"]].assign(id=[f"row {i}" for i in range(len(frame))]))


def test_a_batch_gets_the_columns_of_the_command_line(
    model: Model, batch: pa.RecordBatch, small_model: Any, training_rows: Any
) -> None:
    frame = training_rows[0]
    scored = Scorer(model, keep=["id"])(batch)
    assert isinstance(scored, pa.RecordBatch)
    assert scored.schema.names == ["id", "prediction"]
    assert scored["prediction"].to_pylist() == small_model.predict(frame).tolist()
    probabilities = Scorer(model, output="proba")(batch)
    assert probabilities.schema.names == ["probability_0", "probability_1"]
    np.testing.assert_array_equal(np.stack(probabilities.columns, axis=1), small_model.predict_proba(frame))
    raw = Scorer(model, output="raw")(batch)
    np.testing.assert_array_equal(raw["prediction"], small_model.predict(frame, raw_score=True))
    assert Scorer(model, output="leaf")(batch).num_columns == model.num_trees
    assert Scorer(model, output="contrib")(batch).schema.names[-1] == "expected_value"


def test_a_table_stays_a_table(model: Model, batch: pa.RecordBatch) -> None:
    table = pa.Table.from_batches([batch.slice(0, 7), batch.slice(7)])
    scored = Scorer(model)(table)
    assert isinstance(scored, pa.Table)
    assert scored.combine_chunks().to_batches()[0].equals(Scorer(model)(batch))


def test_no_rows_give_no_rows(model: Model, batch: pa.RecordBatch) -> None:
    for output in ("predict", "raw", "proba", "leaf", "contrib"):
        scorer = Scorer(model, output=output, keep=["id"])
        assert scorer(batch.slice(0, 0)).num_rows == 0
        empty = scorer(batch.schema.empty_table())
        assert isinstance(empty, pa.Table) and empty.schema.equals(scorer(batch).schema)
        assert scorer.schema(batch.schema).equals(scorer(batch).schema, check_metadata=True)


def test_the_metadata_names_the_version(
    server: Any, model_name: str, small_model: Any, batch: pa.RecordBatch
) -> None:
    registry = ModelRegistry(str(server), model_name)
    registry.log_candidate(small_model, {"auc": 0.9}, {})
    registry.promote_to_champion(1)
    champion = registry.load_champion()
    field = pickle.loads(pickle.dumps(Scorer(champion)))(batch).schema.field("prediction")
    assert field.metadata == {
        b"hydra.model": model_name.encode(),
        b"hydra.version": b"1",
        b"hydra.sha256": champion.sha256.encode(),
    }


def test_a_process_compiles_an_arriving_model_once(model: Model, batch: pa.RecordBatch) -> None:
    pickled = pickle.dumps(Scorer(model, keep=["id"]))
    first, second = pickle.loads(pickled), pickle.loads(pickled)
    assert first._model is second._model
    assert first(batch).equals(Scorer(model, keep=["id"])(batch))
    other = pickle.loads(pickle.dumps(Scorer(model.with_threads(2))))
    assert other._model is not first._model


def test_another_process_needs_no_settings(model: Model, batch: pa.RecordBatch, tmp_path: Path) -> None:
    (tmp_path / "scorer").write_bytes(pickle.dumps(Scorer(model)))
    with pa.OSFile(str(tmp_path / "rows"), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    code = (
        "import pickle, sys, pyarrow as pa\n"
        "scorer = pickle.load(open('scorer', 'rb'))\n"
        "rows = pa.ipc.open_file('rows').get_batch(0)\n"
        "assert not {'mlflow', 'lightgbm', 'pandas', 'hydra_registry.registry'} & set(sys.modules)\n"
        "print(*scorer(rows)['prediction'].to_pylist())"
    )
    output = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env={}, capture_output=True, text=True)
    assert output.stdout.split() == [str(value) for value in Scorer(model)(batch)["prediction"].to_pylist()], output


def test_wrong_input_says_what_is_wrong(model: Model, batch: pa.RecordBatch) -> None:
    with pytest.raises(exceptions.InvalidInput, match="size"):
        Scorer(model)(batch.select(["id", "weekday"]))
    with pytest.raises(exceptions.HydraError, match="nothing"):
        Scorer(model, keep=["nothing"])(batch)
    with pytest.raises(exceptions.UsageError) as raised:
        Scorer(model, output="odds")(batch)
    assert "proba" in raised.value.hint


def test_the_time_goes_into_predicting(fixtures: Path) -> None:
    """At most a fifth of the time of the batch function is outside the model's own predictions."""
    model = Model.load(fixtures / "models/regression/booster/model.lgb")
    scorer = Scorer(model)
    names = model.feature_name_
    batch = pa.RecordBatch.from_arrays(list(np.random.default_rng(1).normal(size=(len(names), 10_000))), names)

    def best(work: Any) -> float:
        times = []
        for _ in range(20):
            start = time.perf_counter()
            work()
            times.append(time.perf_counter() - start)
        return min(times)

    inside = best(lambda: model._predict_arrow(batch, "predict", [], 1))
    assert best(lambda: scorer(batch)) <= inside / 0.8 + 20e-6
