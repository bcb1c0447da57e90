"""A ``Toolset`` in which each name is unique."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agentkit.errors import ToolInvalid, ToolNotFound
from agentkit.interfaces import Tool
from agentkit.specs import ToolSpec
from agentkit.tools.function_tool import FunctionTool, check_tool_name
from agentkit.validation.validation_messages import did_you_mean

__all__ = ["ToolRegistry"]


class ToolRegistry:
    """Tools by name, in the order in which they were added."""

    def __init__(self, tools: Iterable[Tool] = ()) -> None:
        self._tools: dict[str, Tool] = {}
        self._origins: dict[str, str] = {}
        for tool in tools:
            self.add(tool)

    def add(self, tool: Tool, origin: str | None = None) -> None:
        """Add a tool; ``origin`` names its source in error messages.

        Raises:
            ToolInvalid: the name is taken (the message has both origins) or not allowed.
        """
        name = tool.spec.name
        origin = origin or (tool.origin if isinstance(tool, FunctionTool) else repr(tool))
        check_tool_name(name, origin)
        if name in self._tools:
            raise ToolInvalid(
                f"{origin}: there is a tool {name!r} already: {self._origins[name]}. Rename one: @tool(name=...)."
            )
        self._tools[name] = tool
        self._origins[name] = origin

    def specs(self) -> Sequence[ToolSpec]:
        """Return the specs of all tools."""
        return [tool.spec for tool in self._tools.values()]

    def get(self, name: str) -> Tool:
        """Return one tool.

        Raises:
            ToolNotFound: no such tool; the message lists the existing ones.
        """
        if name not in self._tools:
            names = ", ".join(self._tools) or "none"
            raise ToolNotFound(f"There is no tool {name!r}.{did_you_mean(name, self._tools)} Tools: {names}.")
        return self._tools[name]
