"""The command lines of Opspawn's own processes."""

from __future__ import annotations

import sys

__all__ = ["module_command"]


def module_command(name: str, *arguments: str) -> tuple[str, ...]:
    """Return the command that runs our module ``worker`` or ``api``, whatever modules of these names lie elsewhere."""
    # -P: modules of the working directory must not replace those that ours import.
    return (sys.executable, "-P", "-m", "opspawn", "--module", name, *arguments)
