"""Arrays of float64 are scored where they are, and calls do not leak."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pytest

FEATURES, ROWS = 500, 100_000

PEAK = """
import resource, sys
import numpy as np
from hydra_registry import Model

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

model, order, kind = Model.load(sys.argv[1]), sys.argv[2], sys.argv[3]
rows = np.zeros(({rows}, {features}), order=order)
rows[:, 0] = np.arange({rows})
# Every page is there before it is measured.
rows += 1
if kind == "pandas":
    import pandas
    frame = pandas.DataFrame(rows, columns=model.feature_name_, copy=False)
    assert np.shares_memory(frame.to_numpy(), rows)
    model.predict(frame[:1])
    rows = frame
model.predict(np.ones((1, {features})))
before = peak()
answer = model.predict(rows, n_threads=2)
assert len(answer) == {rows}
print(peak() - before)
"""

LEAK = """
import resource, sys
import numpy as np
from hydra_registry import Model

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() / 2**20

model = Model.load(sys.argv[1])
rows = np.ones((1, model.n_features_))
def calls(count):
    for _ in range(count):
        model.predict(rows)
        model.predict(rows, raw_score=True, n_threads=1)
    for _ in range(count // 100):
        model.predict(rows, num_iteration=1)
        model.predict_proba(rows.tolist())
        try:
            model.predict(rows[:, 1:])
        except ValueError:
            pass
calls(5_000)
before = resident()
calls(100_000)
print(resident() - before)
"""


def run(script: str, *arguments: object) -> float:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.fixture(scope="module")
def wide_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = np.random.default_rng(0).normal(size=(200, FEATURES))
    options = {"objective": "regression", "num_leaves": 4, "verbose": -1, "num_threads": 1}
    names = [f"f{index}" for index in range(FEATURES)]
    booster = lgb.train(options, lgb.Dataset(rows, rows[:, 0], feature_name=names), 3)
    path = tmp_path_factory.mktemp("wide") / "model.txt"
    booster.save_model(path)
    return path


@pytest.mark.parametrize("kind", ["numpy", "pandas"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_of_400_mb_is_not_copied(wide_model: Path, order: str, kind: str) -> None:
    script = PEAK.format(rows=ROWS, features=FEATURES)
    assert run(script, wide_model, order, kind) < 20, "MiB besides the answer"


def test_calls_do_not_leak() -> None:
    path = Path(__file__).parents[2] / "tests/fixtures/models/binary_str/pickle/model.pkl"
    assert run(LEAK, path) < 2, "MiB"
