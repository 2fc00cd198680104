"""The script is the command line: the same output, exit codes and signals as the binary's, wherever both are there."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from hydra_registry import ModelRegistry

SCRIPT = [sys.executable, "-c", "from hydra_registry._cli import main; main()"]
BINARY = [os.environ.get("HYDRA_TEST_BINARY", str(ROOT / "target/debug/hydra-registry"))]

ways = pytest.mark.parametrize("way", [pytest.param(BINARY, id="binary"), pytest.param(SCRIPT, id="script")])


def run(way: list[str], *words: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Runs a command line."""
    return subprocess.run([*way, *words], capture_output=True, timeout=120, **options)


COMMANDS = [
    "--help",
    "--version",
    "promote --help",
    "",
    "no-such-command",
    "promote --no-such-flag",
    "list",
    "list --output json",
    "list --limit 1",
    "champion",
    "champion --output json",
    "champion --as-of 2020-01-01",
    "show --version 1",
    "show --version 9",
    "show --version 9 --output json",
    "history",
    "history --output json",
    "history verify",
    "history show 1",
    "status",
    "status no-such-*",
    "doctor",
    "doctor --output json",
    "promote --dry-run",
    "promote 1",
    "rollback --dry-run",
    "policy inspect",
    "download --version 1 --out -",
    "predict rows.csv --out-format csv",
    "predict rows.csv --output-type contrib",
    "predict missing.csv",
    "predict rows.csv --batch-rows 0",
    "--model a/b list",
    "--tracking-uri ftp://x list",
    "evaluate labelled.csv --label label --no-record",
]


#: How fast a prediction was, which differs.
SPEED = re.compile(rb"in [0-9.]+ s \([0-9]+ rows per second\)")


@pytest.mark.parametrize("store", ["rest", "sqlite", "file"])
def test_the_script_does_what_the_binary_does(
    store: str, request: pytest.FixtureRequest, tmp_path: Path, model_name: str, small_model: Any, training_rows: Any
) -> None:
    uri = {"rest": "", "sqlite": f"sqlite:///{tmp_path}/mlflow.db", "file": f"{tmp_path}/mlruns"}[store]
    uri = uri or str(request.getfixturevalue("server"))
    registry = ModelRegistry(uri, model_name)
    registry.log_candidate(small_model, {"auc": 0.9}, {})
    registry.promote_to_champion(1)
    registry.log_candidate(small_model, {"auc": 0.9}, {})
    training_rows[0].to_csv("rows.csv", index=False)
    training_rows[0].assign(label=training_rows[1]).to_csv("labelled.csv", index=False)
    environment = {**os.environ, "MLFLOW_TRACKING_URI": uri, "HYDRA_MODEL": model_name, "COLUMNS": "100"}
    for command in COMMANDS:
        answers = [run(way, *command.split(), env=environment) for way in (BINARY, SCRIPT)]
        binary, script = [(one.returncode, one.stdout, SPEED.sub(b"", one.stderr)) for one in answers]
        if command.startswith("history") or "dry-run" in command or command == "evaluate":
            # Their times differ.
            assert binary[0] == script[0], (command, binary, script)
        elif "evaluate" in command or command == "promote 1":
            assert (binary[0], binary[2]) == (script[0], script[2]), (command, binary, script)
        else:
            assert binary == script, command


def test_training_says_what_to_do_instead(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,y\n1,0\n2,1\n")
    ended = run(SCRIPT, "log-candidate", "--train", str(tmp_path / "rows.csv"), "--label", "y")
    assert ended.returncode == 2
    assert b"hint: train in Python and pass the model to `ModelRegistry.log_candidate`" in ended.stderr


@ways
def test_a_reader_that_goes_away_is_not_an_error(way: list[str], tmp_path: Path, small_model: Any) -> None:
    registry = ModelRegistry(f"{tmp_path}/mlruns", "churn")
    registry.log_candidate(small_model, {"auc": 0.9}, {})
    rows = "size,weekday\n" + "1,2\n" * 300_000
    small_model.booster_.save_model("model.txt")
    Path("rows.csv").write_text(rows)
    command = [*way, "predict", "rows.csv", "--model-file", "model.txt"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == b"prediction\n"
        process.stdout.close()
        assert b"error" not in process.stderr.read()
        assert process.wait(60) == 0


@ways
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_a_command(way: list[str], number: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        process = subprocess.Popen([*way, "--tracking-uri", uri, "list"], stderr=subprocess.DEVNULL)
        silent.accept()
        process.send_signal(number)
        assert process.wait(10) == -number


@ways
def test_logging_is_taken_back_by_ctrl_c(way: list[str], server: Any, model_name: str, small_model: Any) -> None:
    from test_interrupt import Slow

    small_model.booster_.save_model("model.txt")
    registry = ModelRegistry(str(server), model_name)
    registry.log_candidate("model.txt", {"auc": 0.9}, {})
    slow = Slow(str(server))
    slow.delay = 0.3
    words = ["--tracking-uri", slow.url, "--model", model_name, "log-candidate", "model.txt", "--metric", "auc=1"]
    process = subprocess.Popen([*way, *words], stderr=subprocess.PIPE)
    while slow.requests < 4:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    errors = process.stderr.read()
    assert process.wait(60) == 2, errors
    assert b"interrupted" in errors
    assert len(registry.list_versions()) == 1
    slow.close()


@ways
@pytest.mark.parametrize("closed", [0, 1, 2])
def test_closed_streams_are_no_files(way: list[str], closed: int, tmp_path: Path, small_model: Any) -> None:
    """A database that is opened must not get the number of a closed stream, and with it the output."""
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    ModelRegistry(uri, "churn").log_candidate(small_model, {"auc": 0.9}, {})
    command = [*way, "--tracking-uri", uri, "--model", "churn", "list"]
    ended = subprocess.run(["sh", "-c", f'exec "$@" {closed}>&-', "sh", *command], timeout=60)
    assert ended.returncode == 0
    assert len(ModelRegistry(uri, "churn").list_versions()) == 1


def test_a_process_that_has_loaded_sqlite_uses_another_one(tmp_path: Path, small_model: Any) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    ModelRegistry(uri, "churn").log_candidate(small_model, {"auc": 0.9}, {})
    script = "import sqlite3, sys; from hydra_registry._cli import main; main(sys.argv[1:])"
    for words, status in [(["list"], 0), (["champion"], 4)]:
        command = [sys.executable, "-c", script, "--tracking-uri", uri, "--model", "churn", *words]
        ended = subprocess.run(command, capture_output=True, timeout=60)
        assert ended.returncode == status, ended
        assert (b"candidate" in ended.stdout) == (status == 0), ended


def test_signals_reach_a_command_whose_interpreter_has_loaded_sqlite(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sqlite3")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        command = [*SCRIPT, "--tracking-uri", uri, "--model", "churn", "list"]
        running = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        connection, _ = silent.accept()
        with connection:
            running.send_signal(signal.SIGTERM)
            assert running.wait(30) == -signal.SIGTERM
            connection.settimeout(30)
            # Nobody is left that holds the other end.
            while connection.recv(4096):
                pass


def test_the_command_line_imports_little() -> None:
    script = """
import sys
from hydra_registry import _cli
try:
    _cli.main(["--version"])
except SystemExit as end:
    assert end.code == 0
heavy = {"numpy", "pandas", "pyarrow", "mlflow", "lightgbm", "sqlite3"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.DEVNULL)


def test_the_module_is_a_program_too() -> None:
    ended = run([sys.executable, "-m", "hydra_registry._cli"], "--version")
    assert ended.returncode == 0 and ended.stdout.startswith(b"hydra-registry ")
