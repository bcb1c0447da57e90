"""What the SDK has to know of a server's tools before it calls one, shared by all clients of the server.

Without it, the SDK lists the tools after each first call of a client, to check the structured content; and it leaves
out the headers that protocol 2026-07-28 wants for some arguments. A client of one request has never listed the tools.
"""

from __future__ import annotations

from typing import Any

from mcp import Client, ClientSession, MCPError

__all__ = ["ToolSchemas"]

_MAX_PAGES = 100
_STATE = ("_tool_output_schemas", "_tool_output_validators", "_x_mcp_header_maps")
"""The attributes of a session that hold what it derives from a listing; the SDK has no public access to them."""


class ToolSchemas:
    """The schemas of a server's tools, as they were listed last."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, Any]] | None = None

    async def install(self, client: Client) -> None:
        """Give a connected client the schemas; if there are none yet, it lists the tools."""
        if self._known is not None:
            for name, value in self._known.items():
                setattr(client.session, name, dict(value))
        elif client.server_capabilities.tools is not None:
            await _list_all(client)
            self._known = _state(client.session)

    def keep(self, client: Client) -> None:
        """Take over what a client has listed meanwhile; call it before the client is left."""
        if self._known is not None:
            self._known = _state(client.session)

    def forget(self) -> None:
        """List the tools anew for the next client."""
        self._known = None


def _state(session: ClientSession) -> dict[str, dict[str, Any]]:
    return {name: getattr(session, name) for name in _STATE}


async def _list_all(client: Client) -> None:
    cursor: str | None = None
    for _ in range(_MAX_PAGES):
        try:
            cursor = (await client.list_tools(cursor=cursor, cache_mode="bypass")).next_cursor
        except MCPError:
            return  # whoever wants the list gets the error; a call may succeed all the same
        if cursor is None:
            return
