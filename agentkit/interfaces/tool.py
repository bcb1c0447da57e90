"""The ``Tool`` and ``Toolset`` Protocols, and the context that a tool call gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from pydantic import Field, JsonValue

from agentkit.records import Record
from agentkit.specs import ToolSpec

__all__ = ["Tool", "ToolContext", "Toolset"]


class ToolContext(Record):
    """What a tool may know of the call it serves."""

    task_id: str
    call_id: str
    idempotency_key: str
    """``{task_id}/{call_id}``: the same on every attempt of this call. Pass it on to what you call."""
    step: int
    attempt: int = Field(default=1, exclude_if=lambda attempt: attempt == 1)
    """Where the call runs as an activity, the worker fills it in; so it isn't in history."""


class Tool(Protocol):
    """Something a model can call."""

    @property
    def spec(self) -> ToolSpec:
        """Return its name, description, schema and effect."""
        ...

    async def call(self, arguments: Mapping[str, JsonValue], context: ToolContext) -> JsonValue:
        """Check the arguments, then act; return text or plain JSON.

        Raises:
            ToolArgumentsInvalid: before anything has happened.
            ToolUnavailable: worth another attempt.
            ToolError: the model should read why.
        """
        ...


class Toolset(Protocol):
    """Tools by name."""

    def specs(self) -> Sequence[ToolSpec]:
        """Return what there is, in a stable order."""
        ...

    def get(self, name: str) -> Tool:
        """Return one tool.

        Raises:
            ToolNotFound: no such tool; the message lists those there are.
        """
        ...
