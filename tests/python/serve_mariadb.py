"""Runs MariaDB for as long as standard input stays open.

Usage: serve_mariadb.py PROGRAMS DIRECTORY

PROGRAMS has the unpacked packages of Debian. Reads names of databases, one per line, creates each and answers with its URI.
`DIRECTORY/driver` holds only the driver, so that any MLflow can use the databases with it on PYTHONPATH. The script removes
DIRECTORY at the end.
"""

import getpass
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

import pymysql

# MariaDB stops when this process ends, even after a kill.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
programs, home = Path(sys.argv[1]), Path(sys.argv[2])
share = programs / "usr/share/mysql"
libraries = [str(path) for path in programs.glob("**/x86_64-linux-gnu")] + [str(programs / "usr/lib")]
environment = {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(libraries)}
(home / "driver").mkdir()
(home / "driver/pymysql").symlink_to(Path(find_spec("pymysql").origin).parent)
(home / "data").mkdir()
password = secrets.token_hex(16)
log = open(home / "mariadb.log", "wb")
mariadbd = [
    programs / "usr/sbin/mariadbd", "--no-defaults", f"--user={getpass.getuser()}", f"--datadir={home}/data",
    f"--lc-messages-dir={share}", f"--character-sets-dir={share}/charsets", f"--plugin-dir={home}",
    # The data need not survive a crash of the machine.
    "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=128M",
]
tables = "".join((share / name).read_text() for name in ["mysql_system_tables.sql", "mysql_system_tables_data.sql"])
with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
(home / "init.sql").write_text(
    f"CREATE USER mlflow@'127.0.0.1' IDENTIFIED BY '{password}';\nGRANT ALL ON *.* TO mlflow@'127.0.0.1';\n"
)
settings = [
    "--bind-address=127.0.0.1", f"--port={port}", f"--socket={home}/socket", f"--pid-file={home}/pid",
    "--skip-name-resolve", "--max-connections=400", f"--init-file={home}/init.sql",
    "--character-set-server=utf8mb4", "--collation-server=utf8mb4_general_ci",
]


def connect():
    return pymysql.connect(host="127.0.0.1", port=port, user="mlflow", password=password, autocommit=True)


def wait_for(server):
    deadline = time.monotonic() + 60
    while True:
        try:
            return connect()
        except pymysql.err.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


try:
    subprocess.run(
        mariadbd + ["--bootstrap", "--skip-grant-tables"], check=True, env=environment, stdout=log, stderr=log,
        input=f"CREATE DATABASE mysql;\nUSE mysql;\n{tables}".encode(),
    )
    server = subprocess.Popen(
        mariadbd + settings, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
    )
    try:
        wait_for(server).close()
        for line in sys.stdin:
            name = line.strip()
            # The names of MLflow differ by case, and order as bytes. An idle connection does not live as long as this process.
            with connect() as connection:
                connection.cursor().execute(f"CREATE DATABASE `{name}` COLLATE utf8mb4_bin")
            print(f"mysql+pymysql://mlflow:{password}@127.0.0.1:{port}/{name}", flush=True)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=60)
except Exception:
    sys.stderr.write((home / "mariadb.log").read_text(errors="replace"))
    raise
finally:
    shutil.rmtree(home, ignore_errors=True)
