"""A model as a function on Arrow batches, for engines that send functions to other processes and machines."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from ._native import Champion, Model

if TYPE_CHECKING:
    import pyarrow as pa

    Batch = TypeVar("Batch", pa.RecordBatch, pa.Table)

# The models that arrived in this process, by digest: engines send a function with every task, and the tasks of a
# process share one model.
_ARRIVED: dict[str, Model] = {}
_MOST_ARRIVED = 4


class Scorer:
    """A picklable function that scores Arrow batches with one model, whose file travels with it.

    `model` is a `Model` or a `Champion`. It was found and verified once, where the job is planned: the processes that
    score need neither a network nor credentials, and all of them use this version, also if another one becomes
    champion meanwhile.

    A call takes a `pyarrow.RecordBatch` or `pyarrow.Table` and returns the same kind, with one row for each row: the
    columns in `keep`, then the predictions with the names, types and bits of `hydra-registry predict`. Columns are
    found by name, and the others are ignored. The metadata of each column of predictions has the key `hydra.sha256`,
    and for a `Champion` also `hydra.model` and `hydra.version`.

    `output` is `predict`, `raw`, `output`, `proba`, `label`, `leaf` or `contrib`, as in `--output-type`. `n_threads`
    is 1, because engines run one process on each core; 0 means all cores.

    A call raises `InvalidInput` if columns are missing or have types that the model cannot take.
    """

    def __init__(
        self, model: Model, *, output: str = "predict", keep: Sequence[str] = (), n_threads: int = 1
    ) -> None:
        metadata = {"hydra.sha256": model.sha256}
        if isinstance(model, Champion):
            metadata |= {"hydra.model": model.model_name, "hydra.version": str(model.version)}
        self._set(model, metadata, output, [keep] if isinstance(keep, str) else list(keep), n_threads)

    def _set(
        self, model: Model, metadata: dict[str, str], output: str, keep: list[str], n_threads: int
    ) -> None:
        self._model = model
        self.metadata = metadata
        self.output = output
        self.keep = keep
        self.n_threads = n_threads
        # The schema of the last answer, without and with the metadata: nearly all batches of a job have the same.
        self._named: tuple[pa.Schema, pa.Schema] | None = None

    def __call__(self, batch: Batch) -> Batch:
        """Scores a batch or a table."""
        import pyarrow as pa

        if not isinstance(batch, pa.Table):
            return self._score(batch)
        parts = [self._score(part) for part in batch.to_batches()]
        return pa.Table.from_batches(parts, schema=None if parts else self.schema(batch.schema))

    def batches(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Scores batch by batch, as Spark's `mapInArrow` wants it."""
        return map(self._score, batches)

    def schema(self, schema: pa.Schema) -> pa.Schema:
        """The schema of the answers to batches with this schema."""
        import pyarrow as pa

        return self._score(pa.RecordBatch.from_pylist([], schema=schema)).schema

    @property
    def columns(self) -> list[str]:
        """The names of the columns that a call reads: those to keep and the features."""
        return list(dict.fromkeys([*self.keep, *self._model.feature_name_]))

    def _score(self, batch: pa.RecordBatch) -> Any:
        scored = self._model._predict_arrow(batch, self.output, self.keep, self.n_threads)
        if self._named is None or not self._named[0].equals(scored.schema, check_metadata=True):
            self._named = (scored.schema, self._with_metadata(scored.schema))
        return type(scored).from_arrays(scored.columns, schema=self._named[1])

    def _with_metadata(self, schema: pa.Schema) -> pa.Schema:
        for place in range(len(self.keep), len(schema)):
            schema = schema.set(place, schema.field(place).with_metadata(self.metadata))
        return schema

    def __reduce__(self) -> tuple[Any, ...]:
        model = pickle.dumps(self._model)
        key = hashlib.sha256(model).hexdigest()
        return _arrive, (key, model, self.metadata, self.output, self.keep, self.n_threads)


def _arrive(
    key: str, pickled: bytes, metadata: dict[str, str], output: str, keep: list[str], n_threads: int
) -> Scorer:
    """Makes a pickled `Scorer` again; the process compiles the model only once."""
    model = _ARRIVED.get(key)
    if model is None:
        while len(_ARRIVED) >= _MOST_ARRIVED:
            _ARRIVED.pop(next(iter(_ARRIVED)), None)
        model = _ARRIVED[key] = pickle.loads(pickled)
    scorer = Scorer.__new__(Scorer)
    scorer._set(model, metadata, output, keep, n_threads)
    return scorer
