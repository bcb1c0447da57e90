"""Report what an extra would install and is not installed here, with the command that installs it."""

from __future__ import annotations

import importlib.util
import shlex
import sys
from pathlib import Path

from agentkit.errors import MemoryMisconfigured

__all__ = ["install_command", "require_packages"]

_ROOT = Path(__file__).parents[3]
"""The checkout, or the directory that the wheel is installed in."""


def require_packages(subject: str, extra: str, *modules: str) -> None:
    """Check that the modules can be imported; none is.

    Raises:
        MemoryMisconfigured: one is missing; the message has the command that installs the extra.
    """
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        raise MemoryMisconfigured(
            f"{subject} needs packages that aren't installed here ({', '.join(missing)}): {install_command(extra)}"
        )


def install_command(extra: str, root: Path = _ROOT) -> str:
    """Return the shell command that installs an extra: with make if ``root`` is a checkout, else with pip."""
    if not (root / "Makefile").is_file():
        return shlex.join([sys.executable, "-m", "pip", "install", f"opspawn[{extra}]"])
    directory = [] if root == Path.cwd() else ["-C", str(root)]
    return shlex.join(["make", *directory, "install", f"EXTRAS={extra}"])
