"""A receiver of webhooks: writes every request into DIRECTORY/requests.jsonl and answers as DIRECTORY/mode says.

The modes: `ok`, a status such as `500`, `slow` (an answer after 20 seconds), `redirect` (to /elsewhere of this server).
"""

import json
import pathlib
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

directory = pathlib.Path(sys.argv[1])


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        mode = (directory / "mode").read_text()
        request = {"path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()}, "body": body, "mode": mode}
        with open(directory / "requests.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(request) + "\n")
        if mode == "slow":
            time.sleep(20)
        status = 302 if mode == "redirect" else 204 if mode in ("ok", "slow") else int(mode)
        self.send_response(status)
        if mode == "redirect":
            self.send_header("location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
print(server.server_address[1], flush=True)
server.serve_forever()
