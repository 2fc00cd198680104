"""The script `hydra-registry`: the command line, in this process."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import NoReturn

from . import _native
from ._process import command


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command line with `sys.argv`, or with `arguments`, and exits with its status."""
    words = ["hydra-registry", *(sys.argv[1:] if arguments is None else arguments)]
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    _open_standard_streams()
    if threading.current_thread() is threading.main_thread():
        # Python's handler only makes a note for the interpreter, which does not run meanwhile.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    status = _native.cli_main(words, command("compiler_main"))
    if status is None and arguments is None:
        _replace(words)
    sys.exit(_in_child(words) if status is None else status)


def _open_standard_streams() -> None:
    """Takes the numbers of closed streams, as a program in Rust does: a file that got one would receive the output."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _replace(words: Sequence[str]) -> None:
    """Goes on as another program, because Python's copy of SQLite is loaded in this one. Signals reach it directly."""
    if program := command("cli_main"):
        os.execv(program[0], [*program, *words])


def _in_child(words: Sequence[str]) -> int:
    """Runs the command line in another process, because Python's copy of SQLite is loaded in this one."""
    import subprocess

    status = subprocess.call([*command("cli_main"), *words])
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    main()
