"""Models, rows, and what the command line answers for them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hydra_registry import Model

MODELS = Path(__file__).resolve().parents[3] / "tests/fixtures/models"


@pytest.fixture(scope="session")
def model() -> Model:
    """A regression model of five features."""
    return Model.load(MODELS / "regression/booster/model.lgb")


@pytest.fixture(scope="session")
def rows() -> pd.DataFrame:
    """Rows with an id and the features of the model in another order, some of them missing."""
    random = np.random.default_rng(7)
    values = random.normal(size=(20_000, 5))
    values[random.random(values.shape) < 0.05] = np.nan
    frame = pd.DataFrame(values, columns=["f4", "f2", "f0", "f1", "f3"])
    frame.insert(0, "id", np.arange(len(frame)))
    return frame


@pytest.fixture(scope="session")
def expected(model: Model, rows: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray[Any, Any]:
    """The predictions of the command line for these rows, by id."""
    home = tmp_path_factory.mktemp("cli")
    pq.write_table(pa.Table.from_pandas(rows, preserve_index=False), home / "rows.parquet")
    script = Path(sys.executable).with_name("hydra-registry")
    command = [script, "predict", "rows.parquet", "--out", "scored.parquet", "--keep", "id"]
    command += ["--model-file", MODELS / "regression/booster/model.lgb"]
    subprocess.run(command, cwd=home, check=True)
    return pq.read_table(home / "scored.parquet").sort_by("id")["prediction"].to_numpy()
