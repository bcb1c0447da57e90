"""Agents and tools in REST's JSON: the schemas of responses, with examples."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, JsonValue

from agentkit.specs import Limits, ToolSpec

__all__ = ["AgentListResponse", "AgentResponse", "ToolListResponse"]

_AGENT: JsonValue = {
    "name": "assistant",
    "description": "Answers questions and does sums.",
    "models": ["demo:demo"],
    "planner": "tools",
    "instructions": "You are a helpful assistant.",
    "tools": ["calculator", "current_time"],
    "limits": {"max_steps": 30},
    "problem": None,
}

_TOOL: JsonValue = {
    "name": "calculator",
    "description": "Work out an arithmetic expression.",
    "parameters": {"type": "object", "properties": {"expression": {"type": "string"}}, "required": ["expression"]},
    "effect": "pure",
    "timeout": 10,
    "fast": True,
}


class AgentResponse(BaseModel):
    """An agent that tasks can be given to."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"example": _AGENT})

    name: str
    description: str = ""
    models: tuple[str, ...] = ()
    planner: str | None = None
    instructions: str = ""
    tools: tuple[str, ...] = ()
    """Names of tools, and ``mcp:SERVER/PATTERN`` of those that a task lists when it starts."""
    limits: Limits = Limits()
    problem: str | None = None
    """Why tasks for it would be refused; null when it is ready."""


class AgentListResponse(BaseModel):
    """All agents; also those that can't be used, with their problem."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"example": {"agents": [_AGENT], "problems": []}})

    agents: tuple[AgentResponse, ...]
    problems: tuple[str, ...] = ()
    """Errors in the files of the app directory."""


class ToolListResponse(BaseModel):
    """All tools that agents can be given."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"example": {"tools": [_TOOL]}})

    tools: tuple[ToolSpec, ...]
