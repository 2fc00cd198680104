"""A model as a function on Arrow batches, for engines that send functions to other processes and machines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from ._native import Model

if TYPE_CHECKING:
    import pyarrow as pa

    Batch = TypeVar("Batch", pa.RecordBatch, pa.Table)

# The models of this process by their digest. However many functions an engine sends, a process has one copy of a model.
_MODELS: dict[str, Model] = {}


class Scorer:
    """A picklable function that scores Arrow batches with one model, whose bytes travel with it.

    `model` is a `Model` or a `Champion`: it was resolved and verified once, where the job was planned. The processes that
    score need neither a network nor credentials, and all of them use this version, also if another one becomes champion
    meanwhile.

    A call takes a `pyarrow.RecordBatch` or `Table` and returns the same kind: the columns in `keep`, then the predictions,
    with the names, types and bits of `hydra-registry predict --output-type OUTPUT`. Columns are found by name; other
    columns are ignored. The metadata of each column of predictions names the model, its version and its digest
    (`hydra.model`, `hydra.version`, `hydra.sha256`). A batch without rows gives one without rows.

    `output` is `predict`, `raw`, `output`, `proba`, `label`, `leaf` or `contrib`. `n_threads` is 1, because the engines run
    one process on each core.

    A call raises `InvalidInput` if columns are missing or have types that the model cannot take.
    """

    __slots__ = ("_model", "keep", "metadata", "n_threads", "output")

    def __init__(
        self, model: Model, *, output: str = "predict", keep: Sequence[str] = (), n_threads: int = 1
    ) -> None:
        self._model = model
        self.output = output
        self.keep = tuple(keep)
        self.n_threads = n_threads
