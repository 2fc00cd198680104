"""Scoring in Spark: Arrow batches in the processes of the executors, without pandas."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from ._native import Model
from .scorer import Scorer

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame


def map_in_arrow(
    model: Model, *, output: str = "predict", keep: Sequence[str] = ()
) -> Callable[[DataFrame], DataFrame]:
    """A function for `DataFrame.transform` that replaces the columns by those in `keep` and the predictions.

    ```python
    scored = frame.transform(map_in_arrow(registry.load_champion(), keep=["id"]))
    ```

    The arguments, columns and metadata are those of `hydra_registry.Scorer`; indices of leaves are 64-bit integers,
    because Spark does not have unsigned ones. Spark reads only the columns that the model needs. Takes Spark 3.5 or
    newer, and `hydra_registry` with pyarrow where the executors run.
    """
    scorer = Scorer(model, output=output, keep=keep)

    def transform(frame: DataFrame) -> DataFrame:
        from pyspark.sql.pandas.types import from_arrow_type, to_arrow_schema
        from pyspark.sql.types import StructField, StructType

        narrow = frame.select(*(f"`{name.replace('`', '``')}`" for name in scorer.columns))
        schema = _signed(scorer.schema(to_arrow_schema(narrow.schema)))
        fields = []
        for field in schema:
            # `from_arrow_schema` drops the metadata.
            metadata = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
            fields.append(StructField(field.name, from_arrow_type(field.type), field.nullable, metadata))
        return narrow.mapInArrow(partial(_score, scorer, schema), StructType(fields))

    return transform


def _score(scorer: Scorer, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in scorer.batches(batches):
        yield batch if batch.schema.equals(schema) else batch.cast(schema)


def _signed(schema: pa.Schema) -> pa.Schema:
    """The schema with types that Spark has."""
    import pyarrow as pa

    unsigned = [place for place, field in enumerate(schema) if pa.types.is_unsigned_integer(field.type)]
    for place in unsigned:
        schema = schema.set(place, schema.field(place).with_type(pa.int64()))
    return schema
