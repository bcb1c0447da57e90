"""References to what MCP servers offer as a task's input: a prompt instead of it, and resources among its parts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from agentkit.records import Record

__all__ = ["PromptReference", "ResourceReference"]


class PromptReference(Record):
    """A prompt, which is read when the task is submitted."""

    prompt: str
    """``SERVER/NAME``: the server's name in ``mcp.json``, and the server's own name of the prompt."""
    arguments: dict[str, str] = Field(default_factory=dict)


class ResourceReference(Record):
    """A resource, which is read when the task is submitted: its contents take the place of this part."""

    type: Literal["resource"] = "resource"
    uri: str
    server: str
    """The server's name in ``mcp.json``."""
