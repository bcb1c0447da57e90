"""The program of the processes that run a project's tools.

``child_entry.py MODE APP_DIR SOCKET MEMORY_BYTES [SKIPPED...]``. It is run by its path, and finds agentkit beside
itself. Nothing else of ours may be found: a project may have modules named like ours.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

__all__ = ["main"]

_ROOT = str(Path(__file__).resolve().parents[3])
"""The directory that holds the package agentkit."""


def main(mode: str, app_dir: str, descriptor: str, memory_bytes: str, *skipped: str) -> None:
    """Describe the tools of an app directory, or serve requests to start hosts for them."""
    sys.path.insert(0, _ROOT)
    from agentkit.tools.host.fork_server import ForkServer
    from agentkit.tools.host.host_process import describe_tools

    _set_import_path(str(Path(app_dir).resolve()))
    connection = socket.socket(fileno=int(descriptor))
    if mode == "describe":
        describe_tools(connection, Path(app_dir), skipped, int(memory_bytes))
    else:
        ForkServer(connection, Path(app_dir), int(memory_bytes)).run()
    os._exit(0)


def _set_import_path(app_dir: str) -> None:
    """Put the app directory first, and remove the directory of our own packages unless others are installed there."""
    is_shared = Path(_ROOT).name in ("site-packages", "dist-packages")
    kept = [entry for entry in sys.path[1:] if is_shared or str(Path(entry).resolve()) != _ROOT]
    sys.path[:] = [app_dir, *kept]


if __name__ == "__main__":
    main(*sys.argv[1:])
