"""An app directory with MCP servers, of which some can't be used, and ``opspawn mcp`` in it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

OPSPAWN = [sys.executable, "-m", "opspawn", "mcp"]
CHATTY = Path(__file__).with_name("chatty_mcp_server.py")
CRASH = "import sys; print('No module named x', file=sys.stderr); sys.exit(3)"


def server(*args: str, **options: Any) -> dict[str, Any]:
    return {"command": sys.executable, "args": [*args], "opspawn": options}


def write_servers(tmp_path: Path) -> Path:
    """Write ``mcp.json``, and return the app directory."""
    servers = {
        "time": server("-m", "mcp_server_time"),
        "chatty": server(str(CHATTY), str(tmp_path / "record"), protocol="legacy"),
        "modern": server(str(CHATTY), str(tmp_path / "record")),
        "crash": server("-c", CRASH),
        "gone": {"command": "no-such-program"},
        "hang": server("-c", "import sys; sys.stdin.read()", connect_timeout=1),
        "off": {"command": "no-such-program", "disabled": True},
    }
    (tmp_path / "mcp.json").write_text(json.dumps({"mcpServers": servers}))
    return tmp_path


def run(app: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([*OPSPAWN, *arguments], cwd=app, input=stdin, capture_output=True, text=True, timeout=60)


def recorded(app: Path) -> list[str]:
    path = app / "record"
    return path.read_text().splitlines() if path.exists() else []


def processes_of(app: Path) -> Sequence[str]:
    """Return the command lines of the processes that serve this app."""
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line for line in found if str(app / "record") in line]
