"""Scoring in Ray Data: an actor per process that holds one model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import scorer
from ._native import Model

if TYPE_CHECKING:
    import pyarrow as pa


class Scorer(scorer.Scorer):
    """A class for `Dataset.map_batches`: each actor gets the model once.

    ```python
    scored = dataset.map_batches(
        hydra_registry.ray.Scorer,
        fn_constructor_args=(registry.load_champion(),),
        fn_constructor_kwargs={"keep": ["id"]},
        batch_format="pyarrow",
        zero_copy_batch=True,
        concurrency=4,
    )
    ```

    The arguments, columns and metadata are those of `hydra_registry.Scorer`.
    """

    def __init__(self, model: Model, *, output: str = "predict", keep: Sequence[str] = ()) -> None:
        super().__init__(model, output=output, keep=keep)

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Scores a batch of the dataset."""
        return super().__call__(batch)
