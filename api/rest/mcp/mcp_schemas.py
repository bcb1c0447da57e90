"""MCP servers and what they offer in REST's JSON: the schemas of responses, with examples."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from agentkit.interfaces import McpPrompt, McpResource
from agentkit.specs import Effect

__all__ = [
    "McpPromptListResponse",
    "McpResourceListResponse",
    "McpServerListResponse",
    "McpServerProblemResponse",
    "McpServerResponse",
    "McpToolListResponse",
    "McpToolResponse",
]

_SERVERS: JsonValue = [
    {"name": "time", "transport": "stdio", "tools": 2, "problem": None},
    {
        "name": "github",
        "transport": "http",
        "tools": None,
        "problem": {"kind": "not_authorized", "message": "MCP server 'github': refused the token (401)."},
    },
]
_TOOL: JsonValue = {
    "name": "get_current_time",
    "description": "Get current time in a specific timezone",
    "input_schema": {"type": "object", "properties": {"timezone": {"type": "string"}}, "required": ["timezone"]},
    "effect": "pure",
}
_RESOURCE: JsonValue = {
    "uri": "file:///notes/plan.md",
    "name": "plan.md",
    "title": "The plan",
    "description": None,
    "media_type": "text/markdown",
    "size": 2048,
}
_PROMPT: JsonValue = {
    "name": "review",
    "title": "Review a change",
    "description": "Asks for a review of a change.",
    "arguments": [{"name": "change", "description": "Its id", "required": True}],
}


def _example(example: JsonValue) -> ConfigDict:
    extra: dict[str, Any] = {"example": example}
    return ConfigDict(frozen=True, from_attributes=True, json_schema_extra=extra)


class McpServerProblemResponse(BaseModel):
    """Why a server can't be used now."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    kind: str
    """`command_not_found`, `crashed`, `unreachable`, `not_authorized`, `wrong_protocol`, `timed_out` or `failed`."""
    message: str


class McpServerResponse(BaseModel):
    """A server of `mcp.json`, as a worker reaches it."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    name: str
    transport: str
    """`stdio`, `http` or `sse`."""
    tools: int | None
    """How many tools it offers; null while it can't be used."""
    problem: McpServerProblemResponse | None
    """Null while it can be used."""


class McpServerListResponse(BaseModel):
    """All servers of `mcp.json` that are not disabled, by name."""

    model_config = _example({"servers": _SERVERS})

    servers: tuple[McpServerResponse, ...]


class McpToolResponse(BaseModel):
    """A tool of a server, by the server's own name."""

    model_config = _example(_TOOL)

    name: str
    description: str
    input_schema: dict[str, JsonValue]
    effect: Effect
    """As `mcp.json` or the server's annotations have it."""


class McpToolListResponse(BaseModel):
    """The tools of a server that `mcp.json` allows, in the server's order."""

    model_config = _example({"tools": [_TOOL], "left_out": 0})

    tools: tuple[McpToolResponse, ...]
    left_out: int = Field(default=0)
    """How many more there are; lists end at 4 MB."""


class McpResourceListResponse(BaseModel):
    """The resources of a server, and its templates of resources."""

    model_config = _example({"resources": [_RESOURCE], "left_out": 0})

    resources: tuple[McpResource, ...]
    left_out: int = 0


class McpPromptListResponse(BaseModel):
    """The prompts of a server."""

    model_config = _example({"prompts": [_PROMPT], "left_out": 0})

    prompts: tuple[McpPrompt, ...]
    left_out: int = 0
