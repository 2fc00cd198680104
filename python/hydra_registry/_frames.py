"""Turns the rows of callers into what the compiled part reads: arrays, named columns, or Arrow's batches."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from ._native import _invalid_input

FloatArray = npt.NDArray[np.float64]
Column = tuple[str, str, Any, Any]
Prepared = tuple[str, list[str] | None, Any]

# LightGBM's Python package rounds arrays of integers to float32, which has this many exact ones.
_EXACT_INTEGERS = 2**24

_CONVERSIONS = {
    "LazyFrame": "call `.collect()` first",
    "Series": "pass a data frame, such as `series.to_frame()`, with one column for each feature",
    "ChunkedArray": "pass a table or a record batch with one column for each feature",
    "Dataset": "pass the rows that the dataset was made of",
}


def prepare(data: object) -> Prepared:
    """Describe `data` as ``(form, names, values)``.

    The forms are ``array`` (a float64 array of two axes, order C or F), ``named`` (the same with names of
    columns), ``columns`` (a list of ``(name, form, values, categories)``) and ``arrow`` (an object of Arrow's
    PyCapsule interface). Raises `InvalidInput` for anything that is not a table of numbers and categories.
    """
    if isinstance(data, np.ndarray):
        return "array", None, _array(data)
    name = type(data).__name__
    if name in _CONVERSIONS:
        raise _invalid_input(f"the input is not a table: `{name}`", _CONVERSIONS[name])
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(data, getattr(pandas, "DataFrame", ())):
        return _pandas(data, pandas)
    if hasattr(data, "__arrow_c_array__") or hasattr(data, "__arrow_c_stream__"):
        return "arrow", None, typed(data)
    if isinstance(data, (list, tuple)):
        return "array", None, _sequence(data)
    if hasattr(data, "toarray"):
        raise _invalid_input(f"the input is a sparse matrix: `{name}`", "call `.toarray()` first")
    # Without its names, the columns of a table would be taken in any order.
    if hasattr(data, "__array__") and not hasattr(data, "columns"):
        return "array", None, _array(np.asarray(data))
    raise _invalid_input(
        f"the input is not a table: `{name}`",
        "pass a NumPy array, a data frame of pandas or polars, a pyarrow table or a list of rows",
    )


def typed(data: Any) -> Any:
    """The same table, in which columns of polars that have no type are numbers.

    polars gives such a column, whose values are all missing, a buffer that Arrow's format does not have.
    """
    polars = sys.modules.get("polars")
    is_frame = isinstance(data, getattr(polars, "DataFrame", ()))
    if polars is None or not is_frame or polars.Null not in data.dtypes:
        return data
    return data.with_columns(polars.col(polars.Null).cast(polars.Float64))


def _array(array: npt.NDArray[Any]) -> FloatArray:
    """The same values as float64, where they are if possible."""
    if array.ndim != 2:
        hint = (
            "use `data.reshape(1, -1)` for one row"
            if array.ndim == 1
            else "pass one row after the other, with one number for each feature"
        )
        raise _invalid_input(f"the number of axes of the array is not 2: `{array.ndim}`", hint)
    kind = array.dtype.kind
    if kind not in "biuf" or array.dtype.itemsize > 8:
        raise _invalid_input(f"the array does not contain numbers: `{array.dtype}`", _convert(array.dtype))
    if isinstance(array, np.ma.MaskedArray):
        _check_integers(array.compressed())
        return np.ma.filled(array.astype(np.float64), np.nan)
    _check_integers(array)
    # A view for subclasses such as `numpy.memmap`; a copy in the same order for other types and for gaps.
    plain = np.asarray(array, dtype=np.float64)
    flags = plain.flags
    if flags.aligned and (flags.c_contiguous or flags.f_contiguous) and plain.dtype.isnative:
        return plain
    return np.array(plain, dtype=np.float64, order="K")


def _check_integers(array: npt.NDArray[Any]) -> None:
    if array.dtype.kind not in "iu" or array.dtype.itemsize < 4 or array.size == 0:
        return
    if int(array.min()) < -_EXACT_INTEGERS or int(array.max()) > _EXACT_INTEGERS:
        raise _invalid_input(
            f"the array has integers beyond ±2^24, which LightGBM rounds: `{array.dtype}`",
            "choose their precision with `data.astype(float)`",
        )


def _convert(dtype: np.dtype[Any]) -> str:
    if dtype.kind in "OUST":
        return "convert it with `data.astype(float)`, or pass categories in a data frame"
    if dtype.kind == "m":
        return "convert spans of time to numbers, such as `data / np.timedelta64(1, 's')`"
    if dtype.kind == "M":
        return "convert times to numbers, such as `data.astype('datetime64[s]').astype(float)`"
    if dtype.kind == "c":
        return "pass the real and imaginary parts as columns"
    if dtype.kind == "f":
        return "convert it with `data.astype(float)`"
    return "pass an array of floats"


def _sequence(rows: list[Any] | tuple[Any, ...]) -> FloatArray:
    """The rows of a list; None is a missing value."""
    if not rows:
        raise _invalid_input("the input has no rows", "pass at least one row")
    try:
        array = np.asarray(rows)
        if array.dtype.kind == "O":
            array = np.asarray(rows, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise _invalid_input(
            "the list does not contain rows of numbers",
            "pass a list of rows with one number for each feature",
        ) from error
    return _array(array)


def _pandas(frame: Any, pandas: Any) -> Prepared:
    columns = [(str(label), column) for label, column in frame.items()]
    if all(column.dtype == np.float64 for _, column in columns):
        arrays = [column.to_numpy() for _, column in columns]
        if all(array.flags.c_contiguous and array.flags.aligned for array in arrays):
            return (
                "columns",
                None,
                [(name, "numbers", array, None) for (name, _), array in zip(columns, arrays, strict=True)],
            )
        # Rows one after the other: a view, if the frame has one block.
        return "named", [name for name, _ in columns], _array(frame.to_numpy())
    return "columns", None, [_pandas_column(name, column, pandas) for name, column in columns]


def _pandas_column(name: str, column: Any, pandas: Any) -> Column:
    dtype = column.dtype
    if isinstance(dtype, pandas.CategoricalDtype):
        return _categories(name, column.cat)
    if isinstance(dtype, pandas.StringDtype) or "string" in str(dtype):
        texts = [None if missing else text for text, missing in zip(column.tolist(), column.isna(), strict=True)]
        return name, "text", texts, None
    kind = getattr(dtype, "kind", "O")
    if isinstance(dtype, np.dtype):
        if kind in "biu" or (kind == "f" and dtype.itemsize <= 8):
            return name, "numbers", np.ascontiguousarray(column.to_numpy(), dtype=np.float64), None
    elif kind in "biuf":
        # Nullable and sparse numbers.
        values = (
            column.sparse.to_dense().to_numpy(dtype=np.float64)
            if isinstance(dtype, pandas.SparseDtype)
            else column.to_numpy(dtype=np.float64, na_value=np.nan)
        )
        return name, "numbers", np.ascontiguousarray(values), None
    if dtype == np.dtype(object):
        hint = 'use `astype("category")` for categories or `pd.to_numeric` for numbers'
    elif isinstance(dtype, np.dtype):
        hint = _convert(dtype)
    else:
        hint = "convert the column to numbers or categories"
    raise _invalid_input(f"the column `{name}` does not contain numbers or categories: `{dtype}`", hint)


def _categories(name: str, values: Any) -> Column:
    """A column of pandas' category type: by its values, because another frame can number them differently."""
    codes = np.asarray(values.codes, dtype=np.int32)
    if values.categories.dtype.kind in "biuf":
        return name, "number categories", codes, np.asarray(values.categories, dtype=np.float64).tolist()
    listed = values.categories.tolist()
    categories = [value.item() if isinstance(value, np.generic) else value for value in listed]
    if all(isinstance(value, str) for value in categories):
        return name, "text categories", codes, categories
    if all(isinstance(value, (str, bool, int, float)) for value in categories):
        return name, "json categories", codes, [json.dumps(value) for value in categories]
    raise _invalid_input(
        f"the categories of the column `{name}` are not text or numbers",
        "use text or numbers as categories, as in training",
    )
