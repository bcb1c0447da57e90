"""The environment of the processes that run a project's tools."""

from __future__ import annotations

import os
from collections.abc import Collection

from agentkit.config.secret_variables import is_named

__all__ = ["host_environment"]


def host_environment(hidden: Collection[str]) -> dict[str, str]:
    """Return this process's environment without the ``hidden`` variables, in capitals or not.

    ``*`` in a hidden name is any text.
    """
    return {name: value for name, value in os.environ.items() if not is_named(name, hidden)}
