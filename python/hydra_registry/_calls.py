"""What the methods of `ModelRegistry` send: parts that several calls have in common."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence, Sized
from datetime import timedelta
from pathlib import Path
from typing import Any

from . import _arguments
from ._native import _spool
from .exceptions import InvalidInput

#: The name of the registered model if no other is given here, in `HYDRA_MODEL` or in `hydra.toml`.
DEFAULT_MODEL = "hydra-baseline"


class ExactName(str):
    """The name of a registered model, also if it is that of the default."""

    __slots__ = ()


def is_given(model_name: str) -> bool:
    """Whether a name is one that the caller chose."""
    return isinstance(model_name, ExactName) or model_name != DEFAULT_MODEL


def seconds(span: timedelta | None) -> float | None:
    """A span of time in seconds."""
    if not (span is None or isinstance(span, timedelta)):
        raise _arguments.usage(f"not a span of time: `{span!r}`", "pass a positive `timedelta`")
    return None if span is None else span.total_seconds()


@contextlib.contextmanager
def measured(
    rows: Any,
    label: str | None,
    metrics: Sequence[str] | None = None,
    weight: str | None = None,
    group: str | None = None,
    segments: Sequence[str] = (),
    dataset: str | None = None,
) -> Iterator[dict[str, Any]]:
    """What to measure, with the rows in a file."""
    if label is None:
        raise _arguments.usage("the rows have no label", "name the column of the labels with the argument `label`")
    measure = {
        "label": _arguments.text("label", label),
        "weight": _arguments.text("weight", weight),
        "group": _arguments.text("group", group),
        "segments": _arguments.texts("segments", segments),
        "metrics": None if metrics is None else _arguments.texts("metrics", metrics),
        "dataset": _arguments.text("dataset", dataset),
    }
    if isinstance(rows, (str, os.PathLike)):
        yield {**measure, "rows": os.path.abspath(rows), "in_memory": False}
        return
    if not hasattr(rows, "__arrow_c_stream__"):
        raise _arguments.usage(
            f"the rows are not a table: `{type(rows).__name__}`",
            "pass a path, or a polars, pyarrow or pandas table",
        )
    if isinstance(rows, Sized) and len(rows) == 0:
        raise InvalidInput("the rows are empty", kind="invalid-data", category="data", hint="pass at least one row")
    from ._frames import typed

    with tempfile.TemporaryDirectory(prefix="hydra-registry-") as home:
        path = Path(home, "rows.arrow")
        _spool(typed(rows), path)
        yield {**measure, "rows": str(path), "in_memory": True}


def decision(version: int | None, reason: str | None, dry_run: bool, override_policy: bool) -> dict[str, Any]:
    """What promotions and rollbacks have in common."""
    return {
        "version": None if version is None else _arguments.version(version),
        "reason": _arguments.text("reason", reason),
        "dry_run": bool(dry_run),
        "override_policy": bool(override_policy),
    }


def policy(policy: str | os.PathLike[str]) -> dict[str, str]:
    """A policy: text is an argument as on the command line, and a path is a file."""
    if isinstance(policy, str):
        return {"argument": policy}
    return {"file": os.fspath(policy)}


def setting(value: object) -> str:
    """The value of a setting as the command line takes it."""
    if isinstance(value, (list, tuple)):
        return ",".join(map(setting, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def source_tags() -> dict[str, str]:
    """Where the run comes from, as MLflow's client says it for a script."""
    main = sys.modules.get("__main__")
    source = getattr(main, "__file__", None) or "".join(sys.argv[:1]) or sys.executable
    return {"mlflow.source.name": source, "mlflow.source.type": "LOCAL"}
