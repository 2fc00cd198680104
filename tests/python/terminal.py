"""Runs a command in a pseudo-terminal, and prints what it wrote and its exit status as JSON."""

import fcntl
import json
import os
import pty
import struct
import sys
import termios

request = json.loads(sys.argv[1])
terminal, inner = pty.openpty()
# Before the command asks.
fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, request["columns"], 0, 0))
child = os.fork()
if child == 0:
    os.setsid()
    fcntl.ioctl(inner, termios.TIOCSCTTY, 0)
    for stream in (0, 1, 2):
        os.dup2(inner, stream)
    os.chdir(request["directory"])
    os.execve(request["command"][0], request["command"], {**request["variables"], **request["more"]})
os.close(inner)
output = b""
while True:
    try:
        part = os.read(terminal, 65536)
    except OSError:
        break
    if not part:
        break
    output += part
_, status = os.waitpid(child, 0)
print(json.dumps({"code": os.waitstatus_to_exitcode(status), "text": output.decode(errors="replace")}))
