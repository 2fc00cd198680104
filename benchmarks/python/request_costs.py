"""The requests of a promotion and of a rollback, and what each costs a server with one worker.

Usage: request_costs.py SERVER_URL PROGRAM MODEL_FILE HOME ROUNDS

PROGRAM is the command line of hydra-registry. It and MLflow's Python client, as in `registry.py`, take turns. Both talk to a
proxy that passes one request at a time, so that the time of a request is its own: no request waits for another one. Prints
a line for each route: operation, contender, route, how often a request was measured, the number of rounds, and the median of
the times in milliseconds; with tabs between them.
"""

import os
import re
import statistics
import subprocess
import sys
import threading
import time
from collections import defaultdict
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

upstream, program, model_file, home, rounds = sys.argv[1:]
server = urlsplit(upstream)
sent, one_at_a_time = [], threading.Lock()


class Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {key: value for key, value in self.headers.items() if key.lower() not in ("host", "connection")}
        with one_at_a_time:
            start = time.perf_counter()
            connection = HTTPConnection(server.hostname, server.port)
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            text = answer.read()
            sent.append((self.command, self.path, (time.perf_counter() - start) * 1e3))
        connection.close()
        self.send_response(answer.status)
        for key, value in answer.getheaders():
            if key.lower() not in ("content-length", "connection", "transfer-encoding"):
                self.send_header(key, value)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = pass_on

    def log_message(self, *_):
        pass


def route(method, path):
    path = urlsplit(path).path
    path = re.sub(r"^/(api/2\.0|ajax-api/2\.0)/", "", path)
    if "mlflow-artifacts" in path:
        listing = path.endswith("/artifacts")
        return f"{method} {'list artifacts' if listing else 'an artifact'}"
    return f"{method} {path.removeprefix('mlflow/')}"


proxy = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
threading.Thread(target=proxy.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{proxy.server_address[1]}"
environment = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "HYDRA_"))}
environment["HYDRA_CACHE_DIR"] = f"{home}/cache"


def ours(*words):
    command = [program, "--tracking-uri", url, "--model", "requests-ours", *words]
    subprocess.run(command, check=True, cwd=home, env=environment, stdout=subprocess.DEVNULL)


def log_ours():
    ours("log-candidate", model_file, "--metric", "auc=0.9", "--config-file", "config.json")


class Python:
    """Python's moves, from `registry.py`, of versions of its own model."""

    def __init__(self):
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
        words = [sys.executable, os.path.join(os.path.dirname(__file__), "registry.py"), url, "requests-python", model_file]
        self.worker = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=home)

    def ask(self, operation):
        self.worker.stdin.write(f"{operation} 0\n")
        self.worker.stdin.flush()
        answer = self.worker.stdout.readline()
        if not answer.startswith("ok"):
            raise SystemExit(f"Python's {operation} failed: {answer}")


python = Python()
costs = {operation: {who: defaultdict(list) for who in ("ours", "python")} for operation in ("promote", "rollback")}
for turn in range(int(rounds) + 2):
    log_ours()
    python.ask("log")
    if turn > 0:
        # A dry run opens the models of the versions, so that the promotion below finds them in the cache.
        ours("promote", "--dry-run")
    for operation in costs:
        if operation == "rollback" and turn == 0:
            continue
        for who, run in (("ours", lambda: ours(operation)), ("python", lambda: python.ask(operation))):
            sent.clear()
            run()
            # The first champion replaces none, and the second round warms the server up.
            if turn < 2:
                continue
            for method, path, ms in sent:
                costs[operation][who][route(method, path)].append(ms)
python.worker.stdin.close()
python.worker.wait()
for operation, contenders in costs.items():
    for who, routes in contenders.items():
        for name, times in routes.items():
            print(operation, who, name, len(times), rounds, statistics.median(times), sep="\t")
