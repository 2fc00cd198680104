"""The champion lifecycle for LightGBM models on MLflow, and fast exact predictions.

`ModelRegistry` logs candidates, asks the policy for promotions and rollbacks, and loads the champion. `Model` reads and
scores model files, `Scorer` sends one to other processes. The exceptions are those of `hydra_registry.exceptions`, the
answers those of `hydra_registry.reports`.
"""

from __future__ import annotations

import os as _os
from importlib import import_module as _import_module
from typing import TYPE_CHECKING

from ._native import Champion, Model, __version__, _after_fork

if TYPE_CHECKING:
    from .exceptions import (
        DataError,
        Held,
        HydraError,
        IntegrityError,
        InternalError,
        InvalidInput,
        InvalidModel,
        LedgerError,
        MissingError,
        NoArchived,
        NoCandidate,
        NoChampion,
        PolicyError,
        RefusedError,
        Rejected,
        Staged,
        Timeout,
        UnavailableError,
        UsageError,
        WorkerDied,
    )
    from .registry import ModelRegistry
    from .scorer import Scorer

__all__ = [
    "Champion",
    "DataError",
    "Held",
    "HydraError",
    "IntegrityError",
    "InternalError",
    "InvalidInput",
    "InvalidModel",
    "LedgerError",
    "MissingError",
    "Model",
    "ModelRegistry",
    "NoArchived",
    "NoCandidate",
    "NoChampion",
    "PolicyError",
    "RefusedError",
    "Rejected",
    "Scorer",
    "Staged",
    "Timeout",
    "UnavailableError",
    "UsageError",
    "WorkerDied",
    "__version__",
]

# Scoring alone does not need these modules.
_LATER = {"ModelRegistry": "registry", "Scorer": "scorer"}

if hasattr(_os, "register_at_fork"):
    _os.register_at_fork(after_in_child=_after_fork)


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(_import_module(f".{_LATER.get(name, 'exceptions')}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
