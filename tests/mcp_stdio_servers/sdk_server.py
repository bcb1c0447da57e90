"""An MCP server on the official SDK, which speaks all versions of the protocol."""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.prompts.base import AssistantMessage, UserMessage
from mcp.server.mcpserver.resolve import Elicit, Resolve
from mcp_types import ToolAnnotations
from pydantic import BaseModel

logging.disable(logging.CRITICAL)
server = MCPServer("sdk")


class Confirmation(BaseModel):
    """What a person is asked for."""

    ok: bool


def confirmation(path: str) -> Elicit[Confirmation]:
    return Elicit(f"Delete {path}?", Confirmation)


@server.tool(annotations=ToolAnnotations(idempotent_hint=True))
def delete(path: str, confirmed: Annotated[Confirmation, Resolve(confirmation)]) -> str:
    """Delete a file, after a person has confirmed it."""
    return f"Deleted {path}." if confirmed.ok else "Kept."


@server.tool()
async def count(up_to: int, ctx: Context) -> str:
    """Count, and report progress."""
    for number in range(1, up_to + 1):
        await ctx.report_progress(number, up_to, f"at {number}")
    return "Counted."


@server.tool()
async def wait(seconds: float) -> str:
    """Wait."""
    await asyncio.sleep(seconds)
    return "Waited."


@server.tool()
async def add_tool(ctx: Context) -> str:
    """Offer one more tool."""

    @server.tool()
    def added() -> str:
        """Was added."""
        return "Added."

    await ctx.notify_tools_changed()
    return "Done."


@server.resource("memo://{name}")
def memo(name: str) -> str:
    """A memo."""
    return f"Memo about {name}"


@server.resource("file:///logo.png", mime_type="image/png")
def logo() -> bytes:
    """A logo."""
    return b"\x89PNG\r\n\x1a\n"


@server.prompt()
def review(code: str) -> list[UserMessage | AssistantMessage]:
    """Ask for a review."""
    return [UserMessage(f"Review this: {code}"), AssistantMessage("Gladly.")]


@server.prompt()
def echo(text: str) -> str:
    """Have a text said."""
    return f"Say {text}"


if __name__ == "__main__":
    server.run("stdio")
