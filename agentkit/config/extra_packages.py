"""What an extra would install and is not installed here, with the command that installs it."""

from __future__ import annotations

import importlib.util
import shlex
import sys
from pathlib import Path

__all__ = ["install_command", "missing_packages"]

_ROOT = Path(__file__).parents[2]
"""The checkout, or the directory that the wheel is installed in."""


def missing_packages(subject: str, extra: str, *modules: str) -> str | None:
    """Return a sentence with the modules that can't be found, and the command that installs the extra; else None.

    No module is imported.
    """
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if not missing:
        return None
    return f"{subject} needs packages that aren't installed here ({', '.join(missing)}): {install_command(extra)}"


def install_command(extra: str, root: Path = _ROOT) -> str:
    """Return the shell command that installs an extra: with make if ``root`` is a checkout, else with pip."""
    if not (root / "Makefile").is_file():
        return shlex.join([sys.executable, "-m", "pip", "install", f"opspawn[{extra}]"])
    directory = [] if root == Path.cwd() else ["-C", str(root)]
    return shlex.join(["make", *directory, "install", f"EXTRAS={extra}"])
