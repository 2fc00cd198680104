"""SQLite databases are opened by another process, next to MLflow's own copy of SQLite in this one."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from hydra_registry import ModelRegistry, RefusedError, WorkerDied, _native


def worker() -> int:
    """The id of the worker of this process."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                arguments = (process / "cmdline").read_bytes().split(b"\0")
                parent = (process / "stat").read_text().rsplit(")", 1)[1].split()[1]
                if b"worker_main" in arguments and int(parent) == os.getpid():
                    return int(process.name)
        time.sleep(0.01)
    raise AssertionError("there is no worker")


@pytest.fixture
def uri(tmp_path: Path) -> str:
    """The URI of a database."""
    return f"sqlite:///{tmp_path}/mlflow.db"


def test_mlflow_and_we_write_to_one_database_while_the_worker_is_killed(uri: str, tmp_path: Path, small_model: Any) -> None:
    from mlflow import MlflowClient

    registry = ModelRegistry(uri, "churn")
    registry.log_candidate(small_model.booster_, {"auc": 0.9}, {})
    registry.promote_to_champion(1)
    client = MlflowClient(uri, uri)
    experiment = client.create_experiment("mlflow's own")
    written: list[int] = []
    failed: list[BaseException] = []

    def of_mlflow() -> None:
        try:
            for number in range(200):
                run = client.create_run(experiment, run_name=f"run {number}")
                client.log_metric(run.info.run_id, "auc", number / 200)
                written.append(number)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=of_mlflow)
    thread.start()
    done = killed = 0
    while done < 200:
        if killed < 10 and done // 18 > killed:
            killed += 1
            # In the middle of the statement, which takes some milliseconds.
            timer = threading.Timer(0.002 * killed, os.kill, (worker(), signal.SIGKILL))
            timer.start()
        try:
            statement = registry.quarantine if done % 2 == 0 else registry.release
            statement(1, reason=f"statement {done}")
        except WorkerDied as error:
            assert error.retryable and error.hint
        except RefusedError as error:
            # The statement before was lost with its worker.
            assert error.kind == "not-quarantined", error
        done += 1
    thread.join()
    assert not failed, failed
    assert len(written) == 200 and killed == 10
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    registry.repair()
    assert registry.diagnose() == []
    assert len(client.search_runs([experiment], max_results=1000)) == 200


def test_a_killed_worker_is_replaced(uri: str, small_model: Any) -> None:
    registry = ModelRegistry(uri, "churn")
    other = ModelRegistry(uri, "other")
    registry.log_candidate(small_model, {"auc": 0.9}, {})
    first = worker()
    os.kill(first, signal.SIGKILL)
    time.sleep(0.3)
    assert len(registry.list_versions()) == 1
    other.log_candidate(small_model, {"auc": 0.9}, {})
    assert worker() != first


def test_the_worker_ends_with_its_process(uri: str) -> None:
    script = f"""
import sys, subprocess, os
from hydra_registry import ModelRegistry
registry = ModelRegistry({uri!r}, "churn")
print(subprocess.run(["ps", "-o", "pid=", "--ppid", str(os.getpid())], capture_output=True, text=True).stdout.split()[0])
sys.stdout.flush()
os.kill(os.getpid(), 9)
"""
    found = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    pid = int(found.stdout)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and b"worker_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
        assert time.monotonic() < deadline, "the worker lives on"
        time.sleep(0.05)


def test_relative_paths_are_those_of_the_directory_then(
    tmp_path: Path, small_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Path.cwd()
    registry = ModelRegistry("sqlite:///relative.db", "churn")
    monkeypatch.chdir(tmp_path)
    registry.log_candidate(small_model, {"auc": 0.9}, {})
    assert (home / "relative.db").exists() and not (tmp_path / "relative.db").exists()
    assert ModelRegistry("sqlite:///relative.db", "churn").list_versions() == []


def test_the_default_store_of_a_project_is_a_database(small_model: Any) -> None:
    registry = ModelRegistry(model_name="churn")
    registry.log_candidate(small_model, {"auc": 0.9}, {})
    assert Path("mlflow.db").exists()


def test_this_process_never_opens_a_database(uri: str, tmp_path: Path) -> None:
    assert "_sqlite3" in sys.modules
    assert _native.cli_main(["hydra-registry", "list"]) is None
    ModelRegistry(uri, "churn")
    opened = {os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")}
    assert not [path for path in opened if path.startswith(str(tmp_path))]


def test_threads_share_the_worker(uri: str, small_model: Any) -> None:
    registry = ModelRegistry(uri, "churn")
    registry.log_candidate(small_model, {"auc": 0.9}, {})
    registry.promote_to_champion(1)
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(registry.load_champion().version)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [1] * 16


def test_a_large_model_arrives_whole(uri: str, training_rows: Any) -> None:
    from conftest import train

    registry = ModelRegistry(uri, "churn")
    model = train(training_rows, n_estimators=600, num_leaves=60, min_child_samples=1)
    registry.log_candidate(model, {"auc": 0.9}, {})
    loaded = registry.load("candidate")
    assert (loaded.predict_proba(training_rows[0]) == model.predict_proba(training_rows[0])).all()
