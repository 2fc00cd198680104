"""What callers pass to a registry: what is taken, and what is refused as their mistake."""

from __future__ import annotations

import datetime as dt
import enum
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import fresh_name

from hydra_registry import ModelRegistry, NoArchived, UsageError, exceptions, reports


@pytest.fixture
def registry(tmp_path: Path, small_model: Any) -> ModelRegistry:
    """A registry with two versions, the first of which is champion."""
    registry = ModelRegistry(f"file://{tmp_path}/mlruns", "churn")
    for _ in range(2):
        registry.log_candidate(small_model, {"auc": 0.9}, {})
    registry.promote_to_champion(1)
    return registry


@pytest.mark.parametrize("version", [np.int64(2), np.uint8(2), "2"])
def test_versions_of_other_libraries_are_taken(registry: ModelRegistry, version: Any) -> None:
    registry.promote_to_champion(version)
    assert registry.get_champion_info()["version"] == 2
    assert registry.load(np.int64(1)).version == 1
    assert len(list(registry.history(limit=np.int64(1)))) == 1


@pytest.mark.parametrize("version", [0, -1, 2**63, 2.0, 2.5, "x", "", "-1", "\u0662", True, [2], b"2"])
def test_what_is_not_a_version_is_refused(registry: ModelRegistry, version: Any) -> None:
    for call in (registry.promote_to_champion, registry.roll_back, registry.nominate, registry.approve):
        with pytest.raises(UsageError, match="version") as raised:
            call(version)
        assert raised.value.hint
    assert registry.get_champion_info()["version"] == 1


@pytest.mark.parametrize("selector", [2.7, None, "", "latest", "v2", "@champion", "a b", b"champion", 0])
def test_what_selects_no_version_is_refused(registry: ModelRegistry, selector: Any) -> None:
    for call in (registry.load, registry.describe, registry.mlmodel):
        with pytest.raises(UsageError) as raised:
            call(selector)
        assert raised.value.kind == "invalid-name" and raised.value.hint


class Boosting(enum.Enum):
    GBDT = "gbdt"


def test_a_configuration_of_any_values_is_logged(registry: ModelRegistry, small_model: Any, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    config = {
        "nan": float("nan"),
        "inf": -np.inf,
        "arrays": np.array([1.0, np.nan]),
        "big": 2**200,
        "huge": 10**400,
        "set": {1, "a"},
        "path": Path("/data"),
        "enum": Boosting.GBDT,
        "numpy": {np.int64(1): np.float32(0.5)},
    }
    run_id, _ = registry.log_candidate(small_model, {"auc": np.float32(0.5)}, config)
    params = MlflowClient(f"file://{tmp_path}/mlruns").get_run(run_id).data.params
    assert params["nan"] == "nan" and params["inf"] == "-inf" and params["big"] == str(2**200)
    assert params["huge"].startswith("1000") and params["path"] == "/data" and params["enum"] == "Boosting.GBDT"


def deep(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


def in_a_circle() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["self"] = value
    return value


@pytest.mark.parametrize(
    "arguments",
    [
        {"metrics": {"auc": None}},
        {"metrics": {"auc": "good"}},
        {"metrics": {"auc": np.array([1.0, 2.0])}},
        {"metrics": {"auc": 10**400}},
        {"metrics": None},
        {"metrics": [0.9]},
        {"config": None},
        {"config": "text"},
        {"config": deep(200)},
        {"config": deep(3000)},
        {"config": in_a_circle()},
        {"config": {"a": "\udc80"}},
        {"tags": ["a"]},
        {"run_name": 5},
    ],
    ids=lambda arguments: next(iter(arguments)),
)
def test_wrong_arguments_of_a_candidate_are_the_callers(
    registry: ModelRegistry, small_model: Any, arguments: dict[str, Any]
) -> None:
    before = len(registry.list_versions())
    with pytest.raises(UsageError) as raised:
        registry.log_candidate(**{"model": small_model, "metrics": {"auc": 0.9}, "config": {}, **arguments})
    assert raised.value.hint
    assert len(registry.list_versions()) == before


def test_other_wrong_arguments_are_the_callers_too(registry: ModelRegistry) -> None:
    for call in (
        lambda: registry.promote(2, reason=5),  # type: ignore[arg-type]
        lambda: registry.approve(2, expires=5),  # type: ignore[arg-type]
        lambda: list(registry.history(limit=-1)),
        lambda: list(registry.history(limit=1.5)),  # type: ignore[arg-type]
        lambda: list(registry.history(since="2026")),  # type: ignore[arg-type]
        lambda: registry.champion_at(dt.date(2026, 1, 1)),  # type: ignore[arg-type]
        lambda: registry.evaluate("rows.csv", label=5),  # type: ignore[arg-type]
        lambda: registry.statuses(5),  # type: ignore[arg-type]
        lambda: ModelRegistry("mlruns", 5),  # type: ignore[arg-type]
    ):
        with pytest.raises(UsageError) as raised:
            call()
        assert raised.value.hint


def test_a_model_that_does_not_exist_has_neither_versions_nor_an_archived_one(backend: str) -> None:
    registry = ModelRegistry(backend, fresh_name("absent"))
    assert registry.list_versions() == []
    with pytest.raises(NoArchived) as raised:
        registry.rollback()
    assert isinstance(raised.value, ValueError) and str(raised.value) == "No archived model to rollback to"
    assert raised.value.hint
    with pytest.raises(exceptions.MissingError):
        list(registry.iter_versions())


def test_an_approval_for_ever_can_be_read(registry: ModelRegistry) -> None:
    last = dt.datetime.max.replace(tzinfo=dt.timezone.utc)
    assert registry.approve(2, expires=dt.timedelta.max).expires == last
    assert next(registry.history()).expires == last


@pytest.mark.parametrize("written", ["-009999-01-02T01:59:59.000Z", "-9223372036854775808", "9223372036854775807"])
def test_a_time_that_python_does_not_have_can_be_read(written: str) -> None:
    document = {"version": 1, "aliases": [], "created_at": written}
    year = reports.VersionInfo.from_json(document).created_at.year
    assert year == (1 if written.startswith("-") else 9999)


def test_what_is_not_unicode_in_the_environment_does_not_matter(tmp_path: Path) -> None:
    script = "from hydra_registry import ModelRegistry; print(ModelRegistry('mlruns', 'churn').list_versions())"
    environment = {**os.environb, b"OTHER": b"caf\xe9"}
    command = [sys.executable, "-c", script]
    ended = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, check=False)
    assert ended.stdout == b"[]\n", ended.stderr
    home = os.path.join(os.fsencode(tmp_path), b"caf\xe9")
    os.mkdir(home)
    ended = subprocess.run(command, cwd=home, capture_output=True, check=False)
    assert b"UsageError: a text has characters that are not Unicode" in ended.stderr
