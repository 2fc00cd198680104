"""Registries and models work in the children of a process, whatever it did before."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from hydra_registry import ModelRegistry, RefusedError


def in_child(work: Callable[[], object]) -> None:
    """Runs `work` in a forked child, which must end well and soon."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException as error:
            print(f"in the child: {error!r}", file=sys.stderr)
            os._exit(1)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            assert status == 0
            return
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise AssertionError("the child hangs")


def test_a_registry_works_before_and_after_forks(backend: str, model_name: str, small_model: Any) -> None:
    registry = ModelRegistry(backend, model_name)
    registry.log_candidate(small_model, {"auc": 0.9}, {})
    registry.promote_to_champion(1)
    rows = [[10.0, 1.0], [110.0, 1.0]]

    def child() -> None:
        assert registry.load_champion().predict(rows).tolist() == [0, 1]
        registry.log_candidate(small_model.booster_, {"auc": 0.9}, {})
        registry.promote(dry_run=True)
        in_child(lambda: registry.list_versions())
        assert ModelRegistry(backend, model_name).get_champion_info()["version"] == 1

    in_child(child)
    assert len(registry.list_versions()) == 2
    in_child(child)
    assert [one["version"] for one in registry.list_versions()] == [3, 2, 1]
    assert registry.diagnose() == []


def test_a_fork_before_the_first_call(backend: str, model_name: str, small_model: Any) -> None:
    def child() -> None:
        registry = ModelRegistry(backend, model_name)
        registry.log_candidate(small_model, {"auc": 0.9}, {})

    in_child(child)
    assert len(ModelRegistry(backend, model_name).list_versions()) == 1


def test_a_fork_while_other_threads_call(backend: str, model_name: str, small_model: Any) -> None:
    import threading

    registry = ModelRegistry(backend, model_name)
    registry.log_candidate(small_model, {"auc": 0.9}, {})
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            registry.list_versions()

    threads = [threading.Thread(target=busy) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            in_child(lambda: registry.load("candidate"))
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_a_list_that_was_begun_before_a_fork(backend: str, model_name: str, small_model: Any) -> None:
    registry = ModelRegistry(backend, model_name)
    registry.log_candidate(small_model, {"auc": 0.9}, {})
    begun = iter(registry._registry.list(b'"versions"', 1))
    in_child(lambda: pytest.raises(RefusedError, next, begun))
    assert len(list(begun)) == 1


def _versions(registry_uri: str, name: str) -> int:
    return len(ModelRegistry(registry_uri, name).list_versions())


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing(backend: str, model_name: str, small_model: Any, method: str) -> None:
    registry = ModelRegistry(backend, model_name)
    registry.log_candidate(small_model, {"auc": 0.9}, {})
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.starmap_async(_versions, [(backend, model_name)] * 4).get(120) == [1] * 4
