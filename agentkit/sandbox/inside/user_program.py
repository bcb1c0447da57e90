"""Run the program of a model: Python code in this process, or a shell command in its place."""

from __future__ import annotations

import os
import sys

__all__ = ["run_python", "run_shell"]

_FILE = "<code>"
_ONLY_AST = 0x400
"""``ast.PyCF_ONLY_AST``; to import ast would double the time that the start takes."""
_SHELLS = ("/bin/bash", "/usr/bin/bash", "/bin/sh")


def run_shell(command: str) -> None:
    """Replace this process by a shell that runs ``command``."""
    shell = next(path for path in _SHELLS if os.access(path, os.X_OK) or path == _SHELLS[-1])
    os.execv(shell, [shell, "-c", command])


def run_python(code: str) -> None:
    """Run ``code`` as the main module, and print the value of its last line, as a notebook does.

    Raises:
        SystemExit: the code raised it, or (with 1) another exception, whose traceback was printed.
    """
    _forget_own_modules()
    module = type(sys)("__main__")
    sys.modules["__main__"] = module
    sys.argv = [""]
    try:
        tree = compile(code, _FILE, "exec", _ONLY_AST)
        last = tree.body.pop() if tree.body and type(tree.body[-1]).__name__ == "Expr" else None
        exec(compile(tree, _FILE, "exec"), module.__dict__)
        if last is not None:
            # An Interactive module's expressions are shown, by sys.displayhook.
            shown = compile("0", _FILE, "single", _ONLY_AST)
            shown.body = [last]
            exec(compile(shown, _FILE, "single"), module.__dict__)
    except SystemExit:
        raise
    except BaseException as error:
        _print_error(error, code)
        sys.exit(1)


def _print_error(error: BaseException, code: str) -> None:
    """Print the traceback from the model's own code on."""
    import linecache
    import traceback

    linecache.cache[_FILE] = (len(code), None, code.splitlines(keepends=True), _FILE)
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != _FILE:
        trace = trace.tb_next
    sys.stdout.flush()
    traceback.print_exception(type(error), error, trace)


def _forget_own_modules() -> None:
    """Make imports find installed packages and the scratch directory, and nothing of ours."""
    package = __name__.rpartition(".")[0]
    for name in list(sys.modules):
        if name == package or name.startswith(f"{package}."):
            del sys.modules[name]
    sys.path[0] = ""
