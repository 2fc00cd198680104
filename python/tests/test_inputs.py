"""What is scored, what is refused, and what the refusal says."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse

from hydra_registry import Model
from hydra_registry.exceptions import InvalidInput

FIXTURES = Path(__file__).parents[2] / "tests" / "fixtures"
REGRESSION = FIXTURES / "models" / "regression" / "booster" / "model.lgb"
NAMES = ["f0", "f1", "f2", "f3", "f4"]
ROWS = np.random.default_rng(0).normal(size=(40, 5)).round(2)


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.load(REGRESSION)


@pytest.fixture(scope="module")
def expected(model: Model) -> list[float]:
    answer: list[float] = model.predict(ROWS).tolist()
    return answer


def misaligned(rows: np.ndarray) -> np.ndarray:
    bytes_ = np.zeros(rows.nbytes + 1, dtype=np.uint8)
    array = bytes_[1:].view(np.float64).reshape(rows.shape)
    array[:] = rows
    assert not array.flags.aligned
    return array


def read_only(rows: np.ndarray) -> np.ndarray:
    copy = rows.copy()
    copy.flags.writeable = False
    return copy


def wide(rows: np.ndarray) -> np.ndarray:
    array = np.zeros((len(rows), 2 * rows.shape[1]))
    array[:, ::2] = rows
    return array


def on_disk(rows: np.ndarray) -> np.ndarray:
    with tempfile.TemporaryFile() as file:
        array = np.memmap(file, dtype=np.float64, shape=rows.shape, mode="w+")
    array[:] = rows
    return array


SAME: dict[str, Callable[[np.ndarray], Any]] = {
    "order C": np.ascontiguousarray,
    "order F": np.asfortranarray,
    "every second column of a wider array": lambda rows: wide(rows)[:, ::2],
    "every second row": lambda rows: np.repeat(rows, 2, axis=0)[::2],
    "rows backwards twice": lambda rows: rows[::-1].copy()[::-1],
    "a transposed view": lambda rows: rows.T.copy().T,
    "big-endian": lambda rows: rows.astype(">f8"),
    "misaligned": misaligned,
    "read-only": read_only,
    "on disk": on_disk,
    "a matrix": lambda rows: rows.view(np.matrix),
    "a list": lambda rows: rows.tolist(),
    "a tuple of tuples": lambda rows: tuple(map(tuple, rows.tolist())),
    "pandas": lambda rows: pd.DataFrame(rows, columns=NAMES),
    "pandas, other order": lambda rows: pd.DataFrame(rows, columns=NAMES)[NAMES[::-1]],
    "pandas, each column apart": lambda rows: pd.DataFrame({name: rows[:, i].copy() for i, name in enumerate(NAMES)}),
    "pandas, nullable": lambda rows: pd.DataFrame(rows, columns=NAMES).astype("Float64"),
    "pandas, of Arrow": lambda rows: pd.DataFrame(rows, columns=NAMES).astype("double[pyarrow]"),
    "pandas, sparse": lambda rows: pd.DataFrame(rows, columns=NAMES).astype(pd.SparseDtype(float, np.nan)),
    "polars": lambda rows: pl.DataFrame(rows, schema=NAMES),
    "polars, other order": lambda rows: pl.DataFrame(rows, schema=NAMES).select(NAMES[::-1]),
    "pyarrow": lambda rows: pa.table({name: rows[:, i] for i, name in enumerate(NAMES)}),
    "a record batch": lambda rows: pa.record_batch({name: rows[:, i] for i, name in enumerate(NAMES)}),
}


@pytest.mark.parametrize("convert", SAME.values(), ids=SAME.keys())
def test_the_same_rows_have_the_same_answers(model: Model, expected: list[float], convert: Callable[[np.ndarray], Any]) -> None:
    assert model.predict(convert(ROWS)).tolist() == expected
    assert model.predict(convert(ROWS[:1])).tolist() == expected[:1]


def test_narrow_numbers_are_converted_exactly(model: Model) -> None:
    whole = ROWS.round()
    expected = model.predict(whole).tolist()
    for dtype in ["f4", "f2", "i8", "i4", "i2", "i1"]:
        for order in "CF":
            assert model.predict(whole.astype(dtype, order=order)).tolist() == expected, dtype
    flags = ROWS > 0
    assert model.predict(flags).tolist() == model.predict(flags.astype(float)).tolist()


def test_masked_values_are_missing(model: Model) -> None:
    holes = ROWS.copy()
    holes[::3, 1] = np.nan
    masked = np.ma.masked_array(ROWS, np.isnan(holes))
    assert model.predict(masked).tolist() == model.predict(holes).tolist()
    integers = np.ma.masked_array(ROWS.round().astype(int), np.isnan(holes))
    integers.data[0, 1] = 2**40
    assert model.predict(integers).tolist() == model.predict(integers.astype(float).filled(np.nan)).tolist()
    missing = [[None, *row[1:]] for row in ROWS.tolist()]
    holes = ROWS.copy()
    holes[:, 0] = np.nan
    assert model.predict(missing).tolist() == model.predict(holes).tolist()


FRAME = pd.DataFrame(ROWS, columns=NAMES)
REFUSED: dict[str, tuple[Callable[[], Any], str, str]] = {
    "one axis": (lambda: ROWS[0], "not 2: `1`", "reshape(1, -1)"),
    "three axes": (lambda: ROWS.reshape(2, 20, 5), "not 2: `3`", "one number for each feature"),
    "no rows": (lambda: ROWS[:0], "no rows", "at least one row"),
    "no rows of pandas": (lambda: FRAME[:0], "no rows", "at least one row"),
    "no rows of polars": (lambda: pl.DataFrame(ROWS[:0], schema=NAMES), "no rows", "at least one row"),
    "no rows of pyarrow": (lambda: pa.Table.from_pandas(FRAME[:0]), "no rows", "at least one row"),
    "narrow": (lambda: ROWS[:, :4], "columns: 4, features: 5", "one column for each feature"),
    "wide": (lambda: wide(ROWS), "columns: 10, features: 5", "one column for each feature"),
    "large integers": (lambda: np.full((2, 5), 2**24 + 1), "2^24", "astype(float)"),
    "objects": (lambda: ROWS.astype(object), "object", "astype(float)"),
    "text": (lambda: ROWS.astype(str), "<U", "astype(float)"),
    "complex": (lambda: ROWS.astype(complex), "complex128", "real and imaginary"),
    "times": (lambda: np.zeros((2, 5), "datetime64[s]"), "datetime64", "convert times"),
    "long doubles": (lambda: ROWS.astype(np.longdouble), "float128", "astype(float)"),
    "sparse": (lambda: scipy.sparse.csr_matrix(ROWS), "sparse", ".toarray()"),
    "a series": (lambda: FRAME["f0"], "`Series`", ".to_frame()"),
    "a series of polars": (lambda: pl.Series([1.0]), "`Series`", ".to_frame()"),
    "lazy": (lambda: pl.LazyFrame({"f0": [1.0]}), "`LazyFrame`", ".collect()"),
    "an array of Arrow": (lambda: pa.array([1.0]), "DoubleArray", "table"),
    "large integers in a list": (lambda: [[2**24 + 1] * 5], "2^24", "astype(float)"),
    "an empty list": (lambda: [], "no rows", "at least one row"),
    "spans of time": (lambda: np.zeros((2, 5), "timedelta64[s]"), "timedelta64", "np.timedelta64(1, 's')"),
    "a dict": (lambda: {name: [1.0] for name in NAMES}, "`dict`", "data frame"),
    "a path": (lambda: "rows.csv", "`str`", "data frame"),
    "nothing": (lambda: None, "`NoneType`", "data frame"),
    "ragged": (lambda: [[1.0] * 5, [1.0]], "rows of numbers", "one number for each feature"),
    "a list of text": (lambda: [["a"] * 5], "<U", "astype(float)"),
    "missing columns": (lambda: FRAME[["f0", "f2"]], "missing: f1, f3, f4", ""),
    "extra columns": (lambda: FRAME.assign(id=1.0), "extra: id", "leave out"),
    "a repeated column": (lambda: FRAME[["f0", *NAMES]], "twice", ""),
    "missing columns of polars": (
        lambda: pl.DataFrame(ROWS[:, :2], schema=["f0", "x"]),
        "missing: f1, f2",
        "",
    ),
    "extra columns of pyarrow": (lambda: pa.Table.from_pandas(FRAME.assign(id=1)), "extra: id", "leave out"),
    "objects of pandas": (lambda: FRAME.astype({"f1": object}), "`f1`", "pd.to_numeric"),
    "objects with NaN": (
        lambda: FRAME.assign(f1=pd.Series([np.nan, "a"] * 20, dtype=object)),
        "`f1`",
        "category",
    ),
    "text of pandas": (lambda: FRAME.assign(f1="a").astype({"f1": "string"}), "column: f1", ""),
    "times of pandas": (lambda: FRAME.assign(f1=pd.Timestamp(0)), "`f1`", "convert times"),
    "complex of pandas": (lambda: FRAME.astype({"f1": complex}), "`f1`", "real and imaginary"),
    "periods": (lambda: FRAME.assign(f1=pd.period_range("2020", periods=40, freq="D")), "`f1`", "convert"),
    "times as categories": (
        lambda: FRAME.assign(f1=pd.Categorical(pd.date_range("2020", periods=40))),
        "categories of the column `f1`",
        "text or numbers",
    ),
    "lists of polars": (lambda: pl.DataFrame({"f0": [[1.0]]}), "column: f0", "numbers or booleans"),
}


@pytest.mark.parametrize(("make", "message", "hint"), REFUSED.values(), ids=REFUSED.keys())
def test_other_input_is_refused_with_what_to_do(model: Model, make: Callable[[], Any], message: str, hint: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        model.predict(make())
    assert message in str(raised.value)
    assert raised.value.kind == "invalid-data"
    assert hint in (raised.value.hint or "")


def test_arguments_are_checked(model: Model) -> None:
    with pytest.raises(ValueError, match="negative"):
        model.predict(ROWS, n_threads=-1)
    with pytest.raises(ValueError, match="negative"):
        model.with_threads(-1)
    with pytest.raises(TypeError):
        model.predict(ROWS, True)  # type: ignore[misc]
    with pytest.raises(TypeError):
        model.predict(ROWS, num_iteration=1.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not a feature"):
        Model.load(FIXTURES / "models" / "binary_cat" / "booster" / "model.lgb").with_categories(["town", "tier"])


@pytest.mark.parametrize("seed", range(20))
def test_names_decide_in_any_order(model: Model, expected: list[float], seed: int) -> None:
    order = random.Random(seed).sample(range(5), 5)
    names, rows = [NAMES[i] for i in order], ROWS[:, order]
    for data in [
        pd.DataFrame(rows, columns=names),
        pd.DataFrame(np.asfortranarray(rows), columns=names),
        pl.DataFrame(rows, schema=names),
        pa.Table.from_pandas(pd.DataFrame(rows, columns=names)),
    ]:
        assert model.predict(data).tolist() == expected


def test_a_model_without_names_takes_columns_by_position() -> None:
    import lightgbm as lgb

    options = {"objective": "regression", "num_leaves": 4, "min_data_in_leaf": 2, "verbose": -1}
    booster = lgb.train(options, lgb.Dataset(ROWS, ROWS[:, 0] - ROWS[:, 3]), 3)
    model, expected = Model.from_lightgbm(booster), booster.predict(ROWS).tolist()
    assert model.feature_name_ == [f"Column_{i}" for i in range(5)]
    assert model.predict(pd.DataFrame(ROWS)).tolist() == expected
    assert model.predict(pd.DataFrame(ROWS, columns=NAMES)).tolist() == expected
    by_name = pd.DataFrame(ROWS, columns=model.feature_name_)
    assert model.predict(by_name[by_name.columns[::-1]]).tolist() == expected
