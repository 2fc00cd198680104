"""The recipes of docs/distributed.md."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import dask.dataframe
import datafusion
import duckdb
import pandas as pd
import pyarrow as pa
from checks import check

from hydra_registry import Model, Scorer

PAGE = Path(__file__).resolve().parents[3] / "docs/distributed.md"


def recipe(engine: str) -> str:
    """The Python of the paragraph that begins with the engine's name."""
    found = re.search(rf"^\*\*{engine}\*\*.*?^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert found, engine
    return found[1]


def run(text: str, **names: Any) -> Any:
    """Runs the lines, and answers the value of the last one."""
    *lines, last = text.rstrip().split("\n")
    names["Scorer"] = Scorer
    exec("\n".join(lines), names)
    return eval(last.removeprefix("scored = "), names)


def test_dask(model: Model, rows: pd.DataFrame, expected: Any) -> None:
    frame = dask.dataframe.from_pandas(rows, npartitions=3)
    check(run(recipe("Dask"), frame=frame, champion=model).compute(), expected)


def test_duckdb(model: Model, rows: pd.DataFrame, expected: Any) -> None:
    connection = duckdb.connect()
    connection.register("rows", pa.Table.from_pandas(rows, preserve_index=False))
    check(run(recipe("DuckDB"), connection=connection, champion=model).df(), expected)


def test_datafusion(model: Model, rows: pd.DataFrame, expected: Any) -> None:
    context = datafusion.SessionContext()
    context.from_arrow(pa.Table.from_pandas(rows, preserve_index=False), "rows")
    check(run(recipe("DataFusion"), context=context, champion=model).to_pandas(), expected)
