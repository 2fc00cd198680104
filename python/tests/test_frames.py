"""Data frames: categories, missing values, batches, and what is imported for them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from hydra_registry import Model
from hydra_registry.exceptions import DataError

FIXTURES = Path(__file__).parents[2] / "tests" / "fixtures"
REGRESSION = FIXTURES / "models" / "regression" / "booster" / "model.lgb"
NAMES = ["f0", "f1", "f2", "f3", "f4"]


class Stream:
    """An object with nothing but Arrow's stream."""

    def __init__(self, table: Any) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


class Batch:
    """An object with nothing but Arrow's array."""

    def __init__(self, batch: Any) -> None:
        self.batch = batch

    def __arrow_c_array__(self, requested_schema: object = None) -> object:
        return self.batch.__arrow_c_array__(requested_schema)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "size": rng.normal(size=400),
            "town": pd.Categorical(rng.choice(["Bonn", "Lima", "Oslo", "Rome"], 400)),
            "tier": pd.Categorical(rng.choice([10, 20, 30], 400)),
            "mixed": pd.Categorical(rng.choice(np.array(["a", 1, 2.5, True], dtype=object), 400)),
            "flag": rng.choice([True, False], 400),
            "count": rng.integers(0, 9, 400).astype("int8"),
        }
    )
    frame.loc[::7, "size"] = np.nan
    frame.loc[::5, "town"] = np.nan
    return frame


@pytest.fixture(scope="module")
def booster(frame: pd.DataFrame) -> lgb.Booster:
    label = frame["size"].fillna(0) + frame["town"].isin(["Rome"]) + 0.1 * frame["count"] + (frame["tier"] == 20)
    label = label + (frame["mixed"] == "a")
    options = {
        "objective": "regression",
        "num_leaves": 15,
        "min_data_per_group": 5,
        "cat_smooth": 1,
        "verbose": -1,
    }
    return lgb.train(options, lgb.Dataset(frame, label), 10)


def test_categories_are_matched_by_their_values(frame: pd.DataFrame, booster: lgb.Booster) -> None:
    model, expected = Model.from_lightgbm(booster), booster.predict(frame)
    assert model.predict(frame).tolist() == expected.tolist()
    # Another frame numbers them in another way, and has one that training did not see.
    towns = pd.CategoricalDtype(["Rome", "Paris", "Oslo", "Lima", "Bonn"])
    other = frame.astype({"town": towns, "tier": pd.CategoricalDtype([30, 20, 10, 5])})
    assert model.predict(other).tolist() == booster.predict(other).tolist() == expected.tolist()
    assert model.predict(other[other.columns[::-1]]).tolist() == expected.tolist()
    unseen = other[:1].copy()
    unseen["town"] = pd.Categorical(["Paris"], categories=towns.categories)
    assert model.predict(unseen).tolist() == booster.predict(unseen).tolist()
    # Text is a category by name as well.
    text = frame.astype({"town": "string", "mixed": frame["mixed"].dtype})
    assert model.predict(text).tolist() == expected.tolist()
    text = frame.astype({"town": "str"})
    if text["town"].dtype != object:
        assert model.predict(text).tolist() == expected.tolist()
    else:
        # pandas 2 has objects, which need not be text.
        with pytest.raises(DataError, match="`town`"):
            model.predict(text)


def test_numbers_in_place_of_categories_are_refused(frame: pd.DataFrame, booster: lgb.Booster) -> None:
    with pytest.raises(DataError):
        Model.from_lightgbm(booster).predict(frame.assign(town=1.0))
    with pytest.raises(DataError, match="another number of columns with categories"):
        Model.from_lightgbm(booster).predict(pd.DataFrame(np.ones((2, 6)), columns=frame.columns))


def test_columns_with_missing_values(frame: pd.DataFrame, booster: lgb.Booster) -> None:
    model = Model.from_lightgbm(booster)
    nullable = frame.astype({"size": "Float64", "count": "Int8", "flag": "boolean"})
    nullable.loc[3, ["count", "flag"]] = pd.NA
    plain = frame.astype({"count": float, "flag": float})
    plain.loc[3, ["count", "flag"]] = np.nan
    expected = booster.predict(plain).tolist()
    assert model.predict(nullable).tolist() == expected
    assert model.predict(plain).tolist() == expected
    of_arrow = nullable.astype({"count": "int8[pyarrow]", "flag": "bool[pyarrow]"})
    assert model.predict(of_arrow).tolist() == expected


def test_arrow_tables_of_every_kind(frame: pd.DataFrame, booster: lgb.Booster) -> None:
    # Arrow has no columns of mixed types.
    columns = [name for name in frame.columns if name != "mixed"]
    frame = frame[columns]
    label = frame["size"].fillna(0) + frame["town"].isin(["Rome"])
    booster = lgb.train({"verbose": -1, "num_leaves": 7}, lgb.Dataset(frame, label), 5)
    model, expected = Model.from_lightgbm(booster), booster.predict(frame).tolist()
    table = pa.Table.from_pandas(frame, preserve_index=False)
    chunked = pa.Table.from_batches(table.to_batches(max_chunksize=37))
    assert chunked["size"].num_chunks > 1
    polars = pl.from_arrow(table)
    for data in [
        table,
        chunked,
        table.combine_chunks().to_batches()[0],
        pa.RecordBatchReader.from_batches(table.schema, chunked.to_batches()),
        Stream(chunked),
        Batch(table.combine_chunks().to_batches()[0]),
    ]:
        assert model.predict(data).tolist() == expected
    # polars has no categories that are numbers.
    assert model.with_categories(["town", "tier"]).predict(polars).tolist() == expected
    with pytest.raises(DataError, match="cannot match"):
        model.predict(polars)
    with_empty = [
        table.schema.empty_table().to_batches()[:1] or [table.to_batches()[0][:0]],
        chunked.to_batches(),
    ]
    reader = pa.RecordBatchReader.from_batches(table.schema, [batch for part in with_empty for batch in part])
    assert model.predict(reader).tolist() == expected
    leaves = model.predict(chunked, pred_leaf=True)
    assert leaves.tolist() == booster.predict(frame, pred_leaf=True).tolist()
    assert model.predict(chunked, pred_contrib=True).shape == (400, 6)


def test_columns_of_polars_without_a_type_are_missing_values() -> None:
    model = Model.load(REGRESSION)
    rows = np.random.default_rng(0).normal(size=(7, 5))
    frame = pl.DataFrame(rows, schema=NAMES).with_columns(pl.lit(None).alias(NAMES[1]))
    assert frame.schema[NAMES[1]] == pl.Null
    rows[:, 1] = np.nan
    assert model.predict(frame).tolist() == model.predict(rows).tolist()
    [one] = pl.DataFrame([dict(zip(NAMES, [1.0, None, 1.0, 1.0, 1.0]))]).pipe(model.predict)
    assert one == model.predict([[1.0, None, 1.0, 1.0, 1.0]])[0]


def test_an_error_of_the_stream_is_an_exception() -> None:
    model = Model.load(REGRESSION)

    def batches() -> Any:
        yield pa.record_batch({name: [1.0] for name in NAMES})
        raise RuntimeError("the disk is gone")

    schema = pa.schema([(name, pa.float64()) for name in NAMES])
    with pytest.raises(DataError) as raised:
        model.predict(pa.RecordBatchReader.from_batches(schema, batches()))
    assert any("the disk is gone" in cause for cause in raised.value.causes)


def test_predictions_as_a_record_batch() -> None:
    model = Model.load(FIXTURES / "models" / "binary_str" / "skops" / "model.skops")
    rows = np.random.default_rng(2).normal(size=(9, 5))
    batch = pa.record_batch({"id": list(range(9)), **{name: rows[:, i] for i, name in enumerate(NAMES)}})
    answer = model._predict_arrow(batch, "predict", ["id"], 1)
    assert (answer.schema.names, answer["id"].to_pylist()) == (["id", "prediction"], list(range(9)))
    assert answer["prediction"].to_pylist() == model.predict(rows).tolist()
    proba = model._predict_arrow(batch, "proba", [], None)
    assert proba.schema.names == ["probability_no", "probability_yes"]
    assert proba["probability_yes"].to_pylist() == model.predict_proba(rows)[:, 1].tolist()
    assert model._predict_arrow(batch[:0], "raw", ["id"], 1).num_rows == 0
    for output, keep, kind in [
        ("raw", ["nothing"], "missing-columns"),
        ("score", [], "invalid-argument"),
    ]:
        with pytest.raises(ValueError) as raised:
            model._predict_arrow(batch, output, keep, 1)
        assert raised.value.kind == kind  # type: ignore[attr-defined]
    clash = batch.rename_columns(["prediction", *NAMES])
    with pytest.raises(ValueError, match="same name"):
        model._predict_arrow(clash, "raw", ["prediction"], 1)


def test_nothing_is_imported_for_frames_that_need_nothing() -> None:
    script = f"""
import sys
sys.modules["pyarrow"] = None
import numpy as np, polars as pl
from hydra_registry import Model
model = Model.load({str(REGRESSION)!r})
rows = np.arange(10.0).reshape(2, 5)
expected = model.predict(rows).tolist()
assert model.predict(pl.DataFrame(rows, schema={NAMES})).tolist() == expected
assert "pandas" not in sys.modules
import pandas as pd
assert model.predict(pd.DataFrame(rows, columns={NAMES})).tolist() == expected
try:
    model.predict(pl.DataFrame({{"f0": [[1.0]]}}))
except ValueError as error:
    assert error.kind == "invalid-data", error.kind
"""
    subprocess.run([sys.executable, "-c", script], check=True)
