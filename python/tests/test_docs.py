"""The Python in the documents and the example runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, train
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException


def blocks(path: str) -> list[str]:
    """The Python blocks of a document."""
    return re.findall(r"^```python\n(.*?)^```", (ROOT / path).read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def names(server: Any, model_name: str, training_rows: Any, clean_environment: Path) -> dict[str, Any]:
    """What the documents take for granted: a trained model, its rows, a server, an archived version."""
    model = train(training_rows, n_estimators=60)
    model.booster_.save_model("model.lgb")
    frame = training_rows[0]
    return {"model": model, "estimator": model, "frame": frame, "rows": frame, "uri": str(server)}


def run(text: str, names: dict[str, Any], model_name: str) -> None:
    text = text.replace("http://mlflow.internal:5000", names["uri"]).replace('"churn"', f'"{model_name}"')
    text = text.replace("models:/churn@", f"models:/{model_name}@")
    exec(compile(text, "<document>", "exec"), names)


@pytest.fixture
def former(names: dict[str, Any], model_name: str) -> None:
    """A champion, for the documents to roll back to."""
    from hydra_registry import ModelRegistry

    registry = ModelRegistry(names["uri"], model_name)
    _, version = registry.log_candidate(names["model"], {"auc": 0.8}, {})
    registry.promote_to_champion(version)


@pytest.mark.usefixtures("former")
def test_the_readme_runs(names: dict[str, Any], model_name: str) -> None:
    run(blocks("README.md")[0], names, model_name)
    assert names["version"] == 2


@pytest.mark.usefixtures("former")
def test_the_page_about_python_runs(
    names: dict[str, Any], model_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", names["uri"])
    lifecycle, predictions, pyfunc, gate = blocks("docs/python.md")
    for block in (lifecycle, predictions):
        run(block, names, model_name)
    # The block before replaced the estimator by a model file.
    run(pyfunc, names, model_name)
    names["MlflowClient"] = MlflowClient
    gate, refused = gate.replace(" 7)", " 2)").rstrip().rsplit("\n", 1)
    run(gate, names, model_name)
    with pytest.raises(MlflowException, match="rollback"):
        run(refused, names, model_name)


def test_the_loop_of_an_experiment_runs(clean_environment: Path) -> None:
    loop = ROOT / "examples/python/experiment_loop.py"
    done = subprocess.run([sys.executable, loop], capture_output=True, text=True, cwd=clean_environment)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines if line.startswith("version ")] == [
        "version 1 (small)",
        "version 2 (few columns)",
        "version 3 (default)",
    ], done.stdout
    assert sum("rejected:" in line for line in lines) == 1, done.stdout
    assert lines[-1] == "  rolled back to version 1", done.stdout
