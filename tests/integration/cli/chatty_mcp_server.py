"""An MCP server over stdio that reports progress, asks its client, and writes what it does to a file."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from mcp.server.mcpserver import Context, MCPServer
from mcp.types import ToolAnnotations
from pydantic import BaseModel

server = MCPServer("chatty")


class Name(BaseModel):
    """What is asked."""

    name: str


def record(text: str) -> None:
    """Add a line to the file that the test reads."""
    with Path(sys.argv[1]).open("a") as file:
        file.write(f"{text}\n")


@server.tool()
async def delete_everything(place: str) -> str:
    """Delete everything in a place."""
    record(f"deleted {place}")
    return f"Deleted everything in {place}."


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
async def work(ctx: Context) -> str:
    """Work for a long time."""
    await ctx.report_progress(1, 4, "counting")
    record("working")
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        record("cancelled")
        raise
    return "done"


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
async def greet(ctx: Context) -> str:
    """Greet a person by name."""
    result = await ctx.elicit("Who are you?", Name)
    return f"Hello, {result.data.name}!" if result.action == "accept" else f"Hello, stranger ({result.action})!"


server.run("stdio")
