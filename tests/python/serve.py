"""Runs an MLflow server for as long as standard input stays open.

Usage: serve.py PORT DIRECTORY [further options of `mlflow server`]

The test process holds the other end of the pipe. When that process ends, even by a kill, the pipe closes, and the script
stops the server and deletes its directory.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
from importlib.metadata import version
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
if "--workers" in options:
    # Several workers are watched, and one that does not answer in 5 seconds is ended with the requests that it serves. A machine
    # that builds and tests at the same time can be slower than that.
    if tuple(map(int, version("mlflow").split(".")[:2])) >= (3, 4):
        command += ["--uvicorn-opts", "--timeout-worker-healthcheck 120"]
    else:
        command += ["--gunicorn-opts", "--timeout 120"]
environment = dict(os.environ)
if "basic-auth" in options:
    # Passwords are slow to check, so the server remembers those that it has checked.
    Path(f"{home}/auth.ini").write_text(
        f"[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{home}/accounts.db\nadmin_username = admin\n"
        "auth_cache_ttl_seconds = 600\n"
    )
    environment |= {
        "MLFLOW_AUTH_CONFIG_PATH": f"{home}/auth.ini",
        "MLFLOW_AUTH_ADMIN_PASSWORD": "admin-password",
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "secret of a test",
    }
log = open(f"{home}/server.log", "wb")
server = subprocess.Popen(
    command + options, cwd=home, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
)
ending = threading.Event()


def watch():
    """Ends the script when the server ends, so that a failed start is reported at once, and keeps the log."""
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
