"""Ray Data with two processors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
import ray
from checks import check

import hydra_registry.ray
from hydra_registry import Model


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def test_the_bits_are_those_of_the_command_line(model: Model, rows: pd.DataFrame, expected: Any) -> None:
    dataset = ray.data.from_arrow(pa.Table.from_pandas(rows, preserve_index=False)).repartition(4)
    scored = dataset.map_batches(
        hydra_registry.ray.Scorer,
        fn_constructor_args=(model,),
        fn_constructor_kwargs={"keep": ["id"]},
        batch_format="pyarrow",
        zero_copy_batch=True,
        concurrency=1,
    )
    check(scored.to_pandas(), expected)
