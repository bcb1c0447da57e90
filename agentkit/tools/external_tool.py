"""A tool that a worker of another program serves: here it has a spec, and refuses to be called."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager

from pydantic import JsonValue

from agentkit.errors import ToolError, ToolNotServed
from agentkit.interfaces import Tool, ToolContext
from agentkit.specs import ToolSpec

__all__ = ["ExternalTool"]


class ExternalTool:
    """A ``PreparedTool`` that is never ready: agents list it, and only the workers of its task queue can run it."""

    def __init__(self, spec: ToolSpec) -> None:
        self._spec = spec

    @property
    def spec(self) -> ToolSpec:
        """The name, description, schema, effect and task queue."""
        return self._spec

    def prepared(self) -> AbstractAsyncContextManager[Tool]:
        """Refuse the call.

        Raises:
            ToolNotServed: always; the message names the task queue, and what a worker there must register.
        """
        raise ToolNotServed(self._refusal())

    async def call(self, arguments: Mapping[str, JsonValue], context: ToolContext) -> JsonValue:
        """Refuse the call.

        Raises:
            ToolError: always.
        """
        raise ToolError(self._refusal())

    def _refusal(self) -> str:
        return (
            f"{self._spec.name} is served by another program: a worker of task queue {self._spec.task_queue!r} that "
            f"registers the activity type 'tool.{self._spec.name}'. It can't be called here."
        )
