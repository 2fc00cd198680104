"""Evaluations of files and of tables in memory."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from hydra_registry import InvalidInput, ModelRegistry, UsageError


@pytest.fixture
def registry(tmp_path: Path, small_model: Any) -> ModelRegistry:
    """A champion and a candidate."""
    registry = ModelRegistry(f"{tmp_path}/mlruns", "churn")
    for _ in range(2):
        registry.log_candidate(small_model, {"auc": 0.9}, {})
    registry.promote_to_champion(1)
    return registry


def test_tables_in_memory_are_measured_like_files(registry: ModelRegistry, training_rows: Any) -> None:
    import polars
    import pyarrow

    rows = training_rows[0].assign(label=training_rows[1])
    rows.to_parquet("holdout.parquet", index=False)
    tables = ["holdout.parquet", Path("holdout.parquet"), rows, polars.from_pandas(rows), pyarrow.Table.from_pandas(rows)]
    measured = [registry.evaluate(one, label="label", dataset="holdout", record=False) for one in tables]
    # The intervals follow from the digest of the file.
    values = [[(m.metric, m.version, m.value) for m in one.measurements] for one in measured]
    for one, other in itertools.pairwise(values):
        assert one == other and len(one) > 4
    assert measured[0].versions == (1, 2) and measured[0].run_id is None
    recorded = registry.evaluate(rows, label="label", dataset="holdout", versions=["champion"])
    assert recorded.run_id is not None and recorded.versions == (1,)
    for one in ("champion", 1):
        assert registry.evaluate(rows, label="label", dataset="holdout", versions=one, record=False).versions == (1,)
    assert "hydra.evaluation.holdout" in registry.describe(1).tags
    without = polars.from_pandas(rows).with_columns(polars.lit(None).alias("weekday"))
    assert registry.evaluate(without, label="label", dataset="without", record=False).dataset.rows == len(rows)
    decided = registry.promote(2, evaluate=rows, label="label", dataset="holdout")
    assert [one.first_hand for one in decided.evaluations] == [True]


def test_what_cannot_be_measured(registry: ModelRegistry, training_rows: Any) -> None:
    rows = training_rows[0].assign(label=training_rows[1])
    with pytest.raises(UsageError, match="do not have a name") as raised:
        registry.evaluate(rows, label="label")
    assert raised.value.hint is not None and "dataset" in raised.value.hint
    with pytest.raises(UsageError, match="not a table"):
        registry.evaluate([[1.0, 2.0]], label="label", dataset="x")
    with pytest.raises(UsageError, match="no label"):
        registry.promote(2, evaluate=rows)
    with pytest.raises(InvalidInput, match="rows are empty"):
        registry.evaluate(rows[:0], label="label", dataset="x")
    with pytest.raises(InvalidInput, match="target"):
        registry.evaluate(rows, label="target", dataset="x")
    with pytest.raises(UsageError, match="no-such-metric"):
        registry.evaluate(rows, label="label", metrics=["no-such-metric"], dataset="x")
