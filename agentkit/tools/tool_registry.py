"""Tools by name: a ``Toolset`` that refuses to hold two of one name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agentkit.errors import ToolInvalid, ToolNotFound
from agentkit.interfaces import Tool
from agentkit.specs import ToolSpec
from agentkit.tools.function_tool import FunctionTool, check_name
from agentkit.validation_messages import did_you_mean

__all__ = ["ToolRegistry"]


class ToolRegistry:
    """Tools by name, in the order in which they were added."""

    def __init__(self, tools: Iterable[Tool] = ()) -> None:
        self._tools: dict[str, Tool] = {}
        self._origins: dict[str, str] = {}
        for tool in tools:
            self.add(tool)

    def add(self, tool: Tool, origin: str | None = None) -> None:
        """Add a tool; ``origin`` says where it comes from, for people.

        Raises:
            ToolInvalid: its name is taken (names both origins) or can't be one.
        """
        name = tool.spec.name
        origin = origin or (tool.origin if isinstance(tool, FunctionTool) else repr(tool))
        check_name(name, origin)
        if name in self._tools:
            raise ToolInvalid(
                f"{origin}: there is a tool {name!r} already: {self._origins[name]}. Rename one: @tool(name=...)."
            )
        self._tools[name] = tool
        self._origins[name] = origin

    def specs(self) -> Sequence[ToolSpec]:
        """Return what there is."""
        return [tool.spec for tool in self._tools.values()]

    def get(self, name: str) -> Tool:
        """Return one tool.

        Raises:
            ToolNotFound: no such tool; the message lists those there are.
        """
        if name not in self._tools:
            there = ", ".join(self._tools) or "none"
            raise ToolNotFound(f"There is no tool {name!r}.{did_you_mean(name, self._tools)} Tools: {there}.")
        return self._tools[name]
