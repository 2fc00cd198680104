"""Runs an MLflow server for as long as standard input stays open.

Usage: serve.py PORT DIRECTORY [further options of `mlflow server`]

The test process holds the other end: however it ends, the pipe closes, and the server and its directory go with it.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

port, home, *options = sys.argv[1:]
command = [
    str(Path(sys.executable).parent / "mlflow"), "server",
    "--host", "127.0.0.1", "--port", port,
]
if "--workers" not in options:
    command += ["--workers", "1"]
if "--backend-store-uri" not in options:
    command += ["--backend-store-uri", f"sqlite:///{home}/mlflow.db"]
if "--no-serve-artifacts" not in options:
    command += ["--artifacts-destination", f"{home}/artifacts"]
log = open(f"{home}/server.log", "wb")
server = subprocess.Popen(
    command + options, cwd=home, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
)
ending = threading.Event()


def watch():
    """Ends the supervisor with the server: one that does not come up is reported at once, and its log is kept."""
    code = server.wait()
    if not ending.is_set():
        os._exit(code or 1)


threading.Thread(target=watch, daemon=True).start()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
try:
    sys.stdin.read()
finally:
    ending.set()
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(server.pid, sign)
            server.wait(timeout=5)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
    shutil.rmtree(home, ignore_errors=True)
