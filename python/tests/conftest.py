"""Fixtures: real stores, a clean environment, and small models that LightGBM trained."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]

# The environment in `.tools/` whose MLflow serves; by default the one that runs the tests.
SERVER = os.environ.get("HYDRA_TEST_MLFLOW")


@dataclass(frozen=True)
class Server:
    """A running MLflow server."""

    url: str
    home: Path

    def __str__(self) -> str:
        return self.url


@contextlib.contextmanager
def running_server(*options: str, python: str = sys.executable) -> Iterator[Server]:
    """An MLflow server of the environment of `python`, with further options of `mlflow server`."""
    home = Path(tempfile.mkdtemp(prefix="mlflow-server-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not is_setting(name)}
    environment |= {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_ALLOW_FILE_STORE": "true"}
    supervisor = subprocess.Popen(
        [python, str(ROOT / "tests/python/serve.py"), str(port), str(home), *options],
        stdin=subprocess.PIPE,
        env=environment,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 180
        while True:
            try:
                urllib.request.urlopen(f"{url}/health", timeout=5).read()
                break
            except OSError:
                if supervisor.poll() is not None or time.monotonic() > deadline:
                    log = (home / "server.log").read_text() if home.exists() else ""
                    raise RuntimeError(f"the server did not come up; its log:\n{log}") from None
                time.sleep(0.1)
        yield Server(url, home)
    finally:
        assert supervisor.stdin is not None
        supervisor.stdin.close()
        supervisor.wait(timeout=30)


def is_setting(name: str) -> bool:
    """Whether an environment variable changes what MLflow or hydra-registry do."""
    return name.startswith(("MLFLOW_", "HYDRA_"))


def fresh_name(what: str) -> str:
    """A name for a registered model that nothing else uses."""
    return f"{what}-{uuid.uuid4().hex}"


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The real MLflow server that all tests share; unique names keep them apart. `str(server)` is its URL."""
    python = sys.executable if SERVER is None else str(ROOT / ".tools" / SERVER / "bin/python")
    with running_server(python=python) as running:
        yield running


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of this run. The user's cache stays out of the tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def clean_environment(tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Runs every test in an empty project of its own, without the settings of the caller and of other tests."""
    if mlflow := sys.modules.get("mlflow"):
        mlflow.set_tracking_uri(None)
        mlflow.set_registry_uri(None)
    for name in filter(is_setting, list(os.environ)):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HYDRA_CACHE_DIR", str(cache_dir))
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("GIT_PYTHON_REFRESH", "quiet")
    home = tmp_path / "project"
    home.mkdir()
    (home / "hydra.toml").write_text("")
    monkeypatch.chdir(home)
    return home


@pytest.fixture(params=["rest", "sqlite", "file"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The tracking URI of an empty store, or of the shared server: once per kind of store."""
    match request.param:
        case "rest":
            return str(request.getfixturevalue("server"))
        case "sqlite":
            return f"sqlite:///{tmp_path}/mlflow.db"
        case _:
            return f"file://{tmp_path}/mlruns"


@pytest.fixture
def model_name(request: pytest.FixtureRequest) -> str:
    """The name of a registered model that only this test uses."""
    return fresh_name(request.node.originalname.removeprefix("test_").replace("_", "-"))


@pytest.fixture(scope="session")
def fixtures() -> Path:
    """The files that the Rust tests use, too."""
    return ROOT / "tests/fixtures"


@pytest.fixture(scope="session")
def training_rows() -> tuple[Any, Any]:
    """A pandas frame of 120 rows, `size` and `weekday`, and labels: 1 where `size` is large."""
    import pandas as pd

    size = np.arange(120.0)
    return pd.DataFrame({"size": size, "weekday": size % 7}), (size >= 60).astype(int)


@pytest.fixture(scope="session")
def small_model(training_rows: tuple[Any, Any]) -> Any:
    """A fitted `LGBMClassifier` of five trees."""
    return train(training_rows, n_estimators=5)


def train(rows: tuple[Any, Any], **parameters: Any) -> Any:
    """An `LGBMClassifier` that was fitted to rows and labels."""
    import lightgbm

    defaults = {"verbosity": -1, "n_jobs": 1, "min_child_samples": 5}
    return lightgbm.LGBMClassifier(**{**defaults, **parameters}).fit(*rows)
