"""Processes of this package's own: the worker that opens SQLite databases, the compiler of policies, and the command line.

They run the extension without anything else: no other module of the environment may load Python's copy of SQLite, or
stand in the way.
"""

from __future__ import annotations

import os
import sys

# The path of the extension, the function, then the arguments of the program.
_PROGRAM = """
import signal, sys
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_loader
path, function = sys.argv[1:3]
name = "hydra_registry._native"
loader = ExtensionFileLoader(name, path)
native = module_from_spec(spec_from_loader(name, loader))
loader.exec_module(native)
if function == "worker_main":
    # A terminal sends Ctrl-C to all of its processes; the parent decides what ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(native.worker_main())
signal.signal(signal.SIGINT, signal.SIG_DFL)
if function == "compiler_main":
    sys.exit(0 if native.compiler_main(*sys.argv[3:4]) else 1)
sys.exit(native.cli_main(sys.argv[3:], [sys.executable, *sys.orig_argv[1:6], "compiler_main"]))
"""


def command(function: str) -> list[str]:
    """The command that runs a function of the extension, such as `worker_main`; empty if the interpreter is not known."""
    from . import _native

    python = os.environ.get("HYDRA_PYTHON") or sys.executable
    return [python, "-S", "-E", "-c", _PROGRAM, _native.__file__, function] if python else []
