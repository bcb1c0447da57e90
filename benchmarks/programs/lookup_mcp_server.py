"""An MCP server with one tool: over stdio, or with a port as argument over HTTP."""

from __future__ import annotations

import logging
import sys

from mcp.server.mcpserver import MCPServer
from mcp_types import ToolAnnotations

__all__ = ["look_up", "main"]

server = MCPServer("lookup")


@server.tool(annotations=ToolAnnotations(read_only_hint=True), structured_output=False)
def look_up(topic: str) -> str:
    """Look a topic up."""
    return f"{topic} ".ljust(400, "x")


def main() -> None:
    """Serve until stdin closes, or the process is ended."""
    logging.disable(logging.CRITICAL)
    if len(sys.argv) > 1:
        server.run("streamable-http", port=int(sys.argv[1]))
    else:
        server.run()


if __name__ == "__main__":
    main()
