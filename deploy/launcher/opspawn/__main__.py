"""The entry point of Opspawn's processes: ``opspawn``, ``python -m opspawn``, the children of ``opspawn dev``."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

__all__ = ["SOURCE_DIR", "main"]

_PACKAGE_DIR = Path(__file__).resolve().parent

SOURCE_DIR = _PACKAGE_DIR if (_PACKAGE_DIR / "cli").is_dir() else _PACKAGE_DIR.parents[2]
"""Holds ``cli``, ``api`` and the others: this directory when installed, the root in a checkout."""


def main() -> None:
    """Run the command line; after ``--module NAME`` run that module instead, as ``python -m NAME`` does.

    Our packages come first: neither a distribution nor ``PYTHONPATH`` can replace them.
    """
    sys.path.insert(0, str(SOURCE_DIR))
    if sys.argv[1:2] == ["--module"]:
        name = sys.argv[2]
        del sys.argv[1:3]
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    else:
        from cli.main import main as run_command_line

        run_command_line()


if __name__ == "__main__":
    main()
