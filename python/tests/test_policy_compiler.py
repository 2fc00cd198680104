"""Policies are compiled by an interpreter of their own, which has limits."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hydra_registry import ModelRegistry, PolicyError, UnavailableError

SCRIPT = [sys.executable, "-c", "from hydra_registry._cli import main; main()"]
SETTINGS = {"metric": "auc"}


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is compiled yet."""
    monkeypatch.setenv("HYDRA_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def policy(fixtures: Path) -> Path:
    """A policy that is not the default one."""
    return fixtures / "policies/v0.1/metric-gate.wasm"


def decide(uri: str, policy: Path, model: Any, auc: float = 0.9) -> None:
    """Asks the policy about a new version."""
    registry = ModelRegistry(uri, "churn", policy=policy, settings=SETTINGS)
    _, version = registry.log_candidate(model.booster_, {"auc": auc}, {})
    registry.promote_to_champion(version)


# In this process, and in that which opens databases.
@pytest.mark.parametrize("scheme", ["file", "sqlite"])
def test_another_interpreter_compiles(
    scheme: str, policy: Path, small_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    uri = f"{scheme}:///{tmp_path}/store"
    monkeypatch.setenv("HYDRA_COMPILE_LIMITS", "memory=1MiB")
    with pytest.raises(PolicyError) as caught:
        decide(uri, policy, small_model)
    assert caught.value.kind == "policy-compile-memory", caught.value
    monkeypatch.delenv("HYDRA_COMPILE_LIMITS")
    monkeypatch.setenv("HYDRA_POLICY_COMPILER", "nonexistent/hydra-registry")
    with pytest.raises(UnavailableError) as unavailable:
        decide(uri, policy, small_model)
    assert unavailable.value.kind == "compiler-unavailable", unavailable.value
    monkeypatch.delenv("HYDRA_POLICY_COMPILER")
    with caplog.at_level(logging.WARNING):
        decide(uri, policy, small_model)
    assert "without limits" not in caplog.text
    # Once it is compiled, no process starts.
    monkeypatch.setenv("HYDRA_POLICY_COMPILER", "nonexistent/hydra-registry")
    decide(uri, policy, small_model, auc=0.95)


@pytest.mark.parametrize("sqlite_is_loaded", [False, True])
def test_the_command_line_of_the_package_compiles_in_another_process(sqlite_is_loaded: bool, policy: Path) -> None:
    script = [*SCRIPT[:-1], ("import sqlite3; " if sqlite_is_loaded else "") + SCRIPT[-1]]

    def compiled(**variables: str) -> subprocess.CompletedProcess[str]:
        command = [*script, "policy", "compile", str(policy)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ, **variables})

    refused = compiled(HYDRA_COMPILE_LIMITS="memory=1MiB")
    assert refused.returncode == 2 and "more memory than its limit" in refused.stderr, refused
    for _ in range(2):
        done = compiled()
        assert (done.returncode, done.stderr) == (0, ""), done
