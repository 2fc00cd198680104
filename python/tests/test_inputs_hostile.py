"""Record batches of programs that break the promises of Arrow's interface."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from hydra_registry import Model
from hydra_registry.exceptions import DataError


def test_batches_that_are_not_what_their_schema_says(small_model: Any) -> None:
    model = Model.from_lightgbm(small_model)
    names = model.feature_name_
    right = pa.record_batch({name: [1.0] for name in names})
    wrong = pa.record_batch({"z": [1.0]})

    def batches() -> Iterator[pa.RecordBatch]:
        yield wrong

    with pytest.raises(DataError, match="record batch"):
        model.predict(pa.RecordBatchReader.from_batches(right.schema, batches()))


class OtherSchema:
    """An array beside the schema of another one."""

    def __init__(self, schema: pa.RecordBatch, array: pa.RecordBatch) -> None:
        self.pair = (schema, array)

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        schema, array = self.pair
        return schema.__arrow_c_array__()[0], array.__arrow_c_array__()[1]


def test_an_array_beside_another_schema(small_model: Any) -> None:
    model = Model.from_lightgbm(small_model)
    right = pa.record_batch({name: [1.0] for name in model.feature_name_})
    with pytest.raises(DataError):
        model.predict(OtherSchema(right, pa.record_batch({"z": [1.0]})))
