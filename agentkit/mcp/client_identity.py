"""What servers are told about the client."""

from __future__ import annotations

from importlib import metadata

from mcp_types import Implementation

__all__ = ["CLIENT_INFO"]

CLIENT_INFO = Implementation(name="opspawn", version=metadata.version("opspawn"))
"""Servers show and log it."""
