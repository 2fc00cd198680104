"""A model in several threads of Python, and several threads for a call."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from hydra_registry import Model

SCORES = Path(__file__).parents[2] / "tests" / "fixtures" / "scores"


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.load(SCORES / "large.txt")


@pytest.fixture(scope="module")
def rows(model: Model) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(4_000, model.n_features_))


def test_the_number_of_threads_does_not_change_a_bit(model: Model, rows: np.ndarray) -> None:
    one = model.predict(rows, n_threads=1)
    for threads in [0, 2, 3, 64, None]:
        assert model.predict(rows, n_threads=threads).tolist() == one.tolist()
    assert model.with_threads(2).predict(rows).tolist() == one.tolist()
    assert model.predict(rows[:1], n_threads=8).tolist() == one[:1].tolist()


def test_threads_of_python_share_a_model(model: Model, rows: np.ndarray) -> None:
    expected = model.predict(rows, n_threads=1)
    first = model.predict(rows, num_iteration=3, n_threads=1)

    def work(index: int) -> bool:
        few = slice(index, index + 40)
        return (
            model.predict(rows[few], n_threads=1 + index % 2).tolist() == expected[few].tolist()
            and model.predict(rows[few], num_iteration=3).tolist() == first[few].tolist()
            and model.predict(rows[index : index + 1]).tolist() == expected[index : index + 1].tolist()
            and model.predict(rows[few], num_iteration=1 + index % 20).shape == (40,)
        )

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(300)))


def test_other_threads_run_during_a_long_call(model: Model, rows: np.ndarray) -> None:
    many, ticks, done = np.tile(rows, (50, 1)), [], threading.Event()

    def tick() -> None:
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    clock = threading.Thread(target=tick)
    clock.start()
    start = time.perf_counter()
    model.predict(many, n_threads=1)
    end = time.perf_counter()
    done.set()
    clock.join()
    during = [at for at in ticks if start < at < end]
    # With the GIL kept, there is none.
    assert len(during) >= 5, (len(during), end - start)
