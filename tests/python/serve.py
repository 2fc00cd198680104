"""Runs an MLflow server for as long as standard input stays open.

Usage: serve.py PORT DIRECTORY [further options of `mlflow server`]

The test process holds the other end: however it ends, the pipe closes and the server goes with it.
"""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

port, home, *options = sys.argv[1:]
command = [
    str(Path(sys.executable).parent / "mlflow"), "server",
    "--host", "127.0.0.1", "--port", port, "--workers", os.environ.get("HYDRA_TEST_WORKERS", "1"),
]
if "--backend-store-uri" not in options:
    command += ["--backend-store-uri", f"sqlite:///{home}/mlflow.db"]
if "--no-serve-artifacts" not in options:
    command += ["--artifacts-destination", f"{home}/artifacts"]
log = open(f"{home}/server.log", "wb")
server = subprocess.Popen(
    command + options, cwd=home, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
)
# A server that does not come up is reported at once: the supervisor ends with it.
threading.Thread(target=lambda: os._exit(server.wait() or 1), daemon=True).start()
sys.stdin.read()
for sign in (signal.SIGTERM, signal.SIGKILL):
    try:
        os.killpg(server.pid, sign)
        server.wait(timeout=5)
    except (ProcessLookupError, subprocess.TimeoutExpired):
        continue
