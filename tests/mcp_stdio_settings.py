"""Settings of MCP servers over stdio, for tests: real ones, and ours that misbehave."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agentkit.interfaces import ToolContext
from agentkit.mcp_config.mcp_settings import McpServerSettings
from agentkit.policy_rules import Effect

__all__ = ["call_context", "raw_server", "sdk_server"]

_SERVERS = Path(__file__).parent / "mcp_stdio_servers"


def raw_server(*modes: str, env: Mapping[str, str] | None = None, **options: Any) -> McpServerSettings:
    """Return the settings of ``raw_server.py``, with these keys under ``opspawn``. It starts in milliseconds."""
    return McpServerSettings.model_validate(
        {
            "command": sys.executable,
            "args": ["-I", "-S", str(_SERVERS / "raw_server.py"), *modes],
            "env": dict(env or {}),
            "opspawn": {"protocol": "legacy", **options},
        }
    )


def sdk_server(**options: Any) -> McpServerSettings:
    """Return the settings of ``sdk_server.py``, with these keys under ``opspawn``."""
    return McpServerSettings.model_validate(
        {"command": sys.executable, "args": [str(_SERVERS / "sdk_server.py")], "opspawn": options}
    )


def call_context(effect: Effect = "irreversible", **values: Any) -> ToolContext:
    """Return the context of a call of an MCP tool."""
    mcp = {"effect": effect, **values}
    return ToolContext.model_validate(
        {"task_id": "t1", "call_id": "c1", "idempotency_key": "t1/c1", "step": 1, "mcp": mcp}
    )
