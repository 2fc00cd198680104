"""Ctrl-C ends a call: at once if nothing has to be taken back, and cleanly while a candidate is logged."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
import urllib.parse
from collections.abc import Iterator
from typing import Any

import pytest

from hydra_registry import ModelRegistry


class Slow:
    """A proxy that waits before it passes on what arrives."""

    def __init__(self, target: str) -> None:
        found = urllib.parse.urlsplit(target)
        self._target = (found.hostname, found.port)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.delay = 0.0
        self.requests = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                server = socket.create_connection(self._target)
                for source, sink, delayed in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._pass_on, args=(source, sink, delayed), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, delayed: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if delayed:
                    self.requests += 1
                    time.sleep(self.delay)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def slow(server: Any) -> Iterator[Slow]:
    """A slow way to the server."""
    proxy = Slow(str(server))
    yield proxy
    proxy.close()


@contextlib.contextmanager
def interrupted(after: float) -> Iterator[None]:
    """Sends SIGINT to this process after some seconds, and expects the exception soon after."""
    began = time.monotonic()
    # Python has no handler if the tests were started in the background of a shell, which ignores SIGINT there.
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(after, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            yield
        timer.join()
    finally:
        signal.signal(signal.SIGINT, former)
    assert time.monotonic() - began < after + 10


def logged(server: Any, name: str, model: Any) -> ModelRegistry:
    """A registry with one version."""
    registry = ModelRegistry(str(server), name)
    registry.log_candidate(model, {"auc": 0.9}, {})
    return registry


def test_a_read_ends_at_once(slow: Slow, server: Any, model_name: str, small_model: Any) -> None:
    logged(server, model_name, small_model)
    registry = ModelRegistry(slow.url, model_name)
    slow.delay = 60
    for call in (registry.list_versions, registry.load_champion, lambda: list(registry.history())):
        with interrupted(0.5):
            call()
    slow.delay = 0
    assert len(ModelRegistry(slow.url, model_name).list_versions()) == 1


def test_a_promotion_leaves_a_ledger_that_goes_on(slow: Slow, server: Any, model_name: str, small_model: Any) -> None:
    direct = logged(server, model_name, small_model)
    registry = ModelRegistry(slow.url, model_name)
    slow.delay = 0.4
    for after in (0.3, 0.9, 1.5, 2.1):
        with contextlib.suppress(AssertionError, pytest.fail.Exception), interrupted(after):
            registry.promote_to_champion(1)
    slow.delay = 0
    direct.promote_to_champion(1)
    assert direct.load_champion().version == 1
    direct.repair()
    assert direct.diagnose() == []


def test_logging_is_taken_back(slow: Slow, server: Any, model_name: str, small_model: Any) -> None:
    from mlflow import MlflowClient

    direct = logged(server, model_name, small_model)
    registry = ModelRegistry(slow.url, model_name)
    slow.delay = 0.3
    with interrupted(1.5):
        registry.log_candidate(small_model.booster_, {"auc": 0.9}, {})
    assert [one["version"] for one in direct.list_versions()] == [1]
    client = MlflowClient(str(server), str(server))
    experiment = client.get_experiment_by_name(model_name)
    assert experiment is not None
    states = [run.info.status for run in client.search_runs([experiment.experiment_id])]
    assert sorted(states) == ["FAILED", "FINISHED"]


def test_a_second_interruption_ends_at_once(slow: Slow, server: Any, model_name: str, small_model: Any) -> None:
    logged(server, model_name, small_model)
    registry = ModelRegistry(slow.url, model_name)
    slow.delay = 30
    second = threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT))
    second.start()
    with interrupted(0.7):
        registry.log_candidate(small_model.booster_, {"auc": 0.9}, {})
    second.cancel()


def test_the_worker_outlives_an_interruption(tmp_path: Any, small_model: Any, training_rows: Any) -> None:
    """The terminal sends Ctrl-C to the worker, too, which must not end."""
    registry = ModelRegistry(f"sqlite:///{tmp_path}/mlflow.db", "churn")
    registry.log_candidate(small_model, {"auc": 0.9}, {})
    rows = training_rows[0].assign(label=training_rows[1])
    import pandas as pd

    many = pd.concat([rows] * 3000, ignore_index=True)
    many.to_parquet("rows.parquet")
    with interrupted(0.5):
        for _ in range(100):
            registry.evaluate("rows.parquet", label="label", record=False)
    assert len(registry.list_versions()) == 1


def test_other_handlers_decide_themselves(slow: Slow, server: Any, model_name: str, small_model: Any) -> None:
    logged(server, model_name, small_model)
    registry = ModelRegistry(slow.url, model_name)
    slow.delay = 0.5
    seen: list[int] = []
    former = signal.signal(signal.SIGUSR1, lambda number, _: seen.append(number))
    try:
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        assert len(registry.list_versions()) == 1
        assert seen == [signal.SIGUSR1]
    finally:
        signal.signal(signal.SIGUSR1, former)
