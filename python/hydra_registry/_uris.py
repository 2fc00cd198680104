"""MLflow's URIs in this process, as hydra-registry uses them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .registry import ModelRegistry

_PREFIX = "hydra+"


def bare(uri: str) -> str:
    """The URI of the store behind the plug-in."""
    return uri.removeprefix(_PREFIX)


def registry(
    name: str, *, registry_uri: str | None = None, tracking_uri: str | None = None
) -> ModelRegistry:
    """The registry of a model in the stores that MLflow uses in this process, unless the arguments name others.

    If only a registry was named, the runs are in the same store.
    """
    import mlflow
    from mlflow.tracking import is_tracking_uri_set

    from ._calls import ExactName
    from .registry import ModelRegistry

    versions = bare(registry_uri or mlflow.get_registry_uri())
    current = mlflow.get_tracking_uri()
    runs = bare(tracking_uri or current)
    if runs == bare(current) and not is_tracking_uri_set():
        runs = versions
    return ModelRegistry(runs, ExactName(name), registry_uri=versions)
