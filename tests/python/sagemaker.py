"""Starts a server as SageMaker starts a container, and checks SageMaker's rules for it:
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html

Usage: sagemaker.py BINARY MODEL_FILE ROWS

Prints one JSON object: for each rule, what was found. Fails if a rule is broken.
"""

import json
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

binary, model, rows = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
found = {}


def post(body, content_type, attributes="trace=7"):
    headers = {"content-type": content_type, "x-amzn-sagemaker-custom-attributes": attributes, "accept": "*/*"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/invocations", body, headers)
    start = time.monotonic()
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["predictions"], time.monotonic() - start


def ping():
    start = time.monotonic()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=2) as answer:
        body = answer.read()
        assert answer.status == 200 and not body.strip(), (answer.status, body)
    return time.monotonic() - start


with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
home = pathlib.Path(tempfile.mkdtemp())
directory = home / "opt" / "ml" / "model"
directory.mkdir(parents=True)
shutil.copy(model, directory)
# The model's directory is read-only, and nothing else is there.
directory.chmod(0o555)
variables = {"HYDRA_SERVE_LISTEN": f"127.0.0.1:{port}", "HYDRA_SERVE_MODEL_FILE": str(directory)}
start = time.monotonic()
# One word, as in `docker run IMAGE serve`.
server = subprocess.Popen([binary, "serve"], env=variables, cwd="/", stderr=subprocess.PIPE)
threading.Thread(target=server.stderr.read, daemon=True).start()
try:
    while True:
        try:
            ping()
            break
        except OSError:
            assert server.poll() is None, "the server ended"
            assert time.monotonic() - start < 8 * 60, "not healthy after 8 minutes"
            time.sleep(0.02)
    found["healthy after"] = time.monotonic() - start

    begin = time.monotonic()
    socket.create_connection(("127.0.0.1", port), timeout=0.25).close()
    found["connected after"] = time.monotonic() - begin

    columns = [f"f{index}" for index in range(len(rows[0]))]
    split = {"dataframe_split": {"columns": columns, "data": rows}}
    found["json"], took = post(json.dumps(split).encode(), "application/json")
    lines = [",".join(columns)] + [",".join(map(str, row)) for row in rows]
    found["csv"], _ = post("\n".join(lines).encode(), "text/csv")
    assert took < 60
    # The largest payload of a real-time endpoint: 25 MB.
    line = ",".join(f"{value:.20f}" for value in rows[0]) + "\n"
    count = 25_000_000 // len(line) - 1
    large = (",".join(columns) + "\n" + line * count).encode()
    # While it is answered, health checks are.
    slowest = []
    watch = threading.Thread(target=lambda: slowest.extend(ping() for _ in range(20)))
    watch.start()
    predictions, took = post(large, "text/csv")
    watch.join()
    assert len(predictions) == count and took < 60 and max(slowest) < 2, (len(predictions), took, slowest)
    found["large"], found["slowest ping"] = predictions[0], max(slowest)

    begin = time.monotonic()
    server.send_signal(signal.SIGTERM)
    assert server.wait(30) == 0
    found["ended after"] = time.monotonic() - begin
finally:
    server.kill()
    directory.chmod(0o755)
    shutil.rmtree(home)
print(json.dumps(found))
