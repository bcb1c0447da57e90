"""Make toolsets out of other toolsets: some of their tools, under other names, or only with a person's approval."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from fnmatch import fnmatchcase
from typing import cast

from pydantic import JsonValue

from agentkit.errors import ToolError, ToolInvalid
from agentkit.interfaces import PreparedTool, Tool, ToolContext, ToolOutput, Toolset
from agentkit.specs import ToolSpec
from agentkit.tools.tool_registry import ToolRegistry
from agentkit.validation.validation_messages import did_you_mean

__all__ = ["filter_tools", "named", "prefix_tools", "rename_tools", "require_approval"]

SpecTest = Callable[[ToolSpec], bool]
"""Whether something is meant for the tool with this spec."""


def named(*patterns: str) -> SpecTest:
    """Return a test for tools whose name matches one of the patterns; ``*`` matches any text."""
    return lambda spec: any(fnmatchcase(spec.name, pattern) for pattern in patterns)


def filter_tools(toolset: Toolset, keep: SpecTest) -> Toolset:
    """Return the tools for which ``keep`` holds; the others can't be called through the result."""
    return _DerivedTools(toolset, lambda spec: spec if keep(spec) else None)


def prefix_tools(toolset: Toolset, prefix: str) -> Toolset:
    """Return the tools with a prefix before each name, such as ``github_``.

    Raises:
        ToolInvalid: a name isn't allowed, or a tool is served by another program under its own name.
    """
    return _DerivedTools(toolset, lambda spec: _renamed(spec, f"{prefix}{spec.name}"))


def rename_tools(toolset: Toolset, names: Mapping[str, str]) -> Toolset:
    """Return the tools with other names: ``names`` has the new name of each old one; others keep theirs.

    Raises:
        ToolInvalid: there is no tool with an old name, two tools would have one name, a name isn't allowed, or a tool
            is served by another program under its own name.
    """
    known = [spec.name for spec in toolset.specs()]
    for name in names:
        if name not in known:
            raise ToolInvalid(f"There is no tool {name!r} to rename.{did_you_mean(name, known)}")
    return _DerivedTools(toolset, lambda spec: _renamed(spec, names.get(spec.name, spec.name)))


def require_approval(toolset: Toolset, which: SpecTest | None = None) -> Toolset:
    """Return the tools with the wish that a person approves calls: of those for which ``which`` holds, or of all.

    A rule of an agent's policy still comes first.
    """

    def derive(spec: ToolSpec) -> ToolSpec:
        is_meant = which is None or which(spec)
        return spec.model_copy(update={"approval": "always"}) if is_meant else spec

    return _DerivedTools(toolset, derive)


def _renamed(spec: ToolSpec, name: str) -> ToolSpec:
    if name == spec.name:
        return spec
    if spec.task_queue is not None:
        raise ToolInvalid(f"{spec.name} can't be renamed to {name!r}: workers of {spec.task_queue!r} have it as it is.")
    return spec.model_copy(update={"name": name})


class _DerivedTools:
    """A ``Toolset``: the tools of another one, each with the spec that a function derives from its own, or left out."""

    def __init__(self, toolset: Toolset, derive: Callable[[ToolSpec], ToolSpec | None]) -> None:
        self._toolset = toolset
        self._derive = derive
        self._registry()  # raises what is wrong

    def specs(self) -> Sequence[ToolSpec]:
        """Return the derived specs, in the order of the other toolset."""
        return self._registry().specs()

    def get(self, name: str) -> Tool:
        """Return one tool.

        Raises:
            ToolNotFound: no such tool; the message lists the existing ones.
        """
        return self._registry().get(name)

    def _registry(self) -> ToolRegistry:
        """Return the tools as they are now: those of the other toolset may change."""
        registry = ToolRegistry()
        for spec in self._toolset.specs():
            derived = self._derive(spec)
            if derived is not None:
                tool = self._toolset.get(spec.name)
                registry.add(
                    tool if derived == spec else _derived_tool(tool, derived), origin=f"The tool {spec.name!r}"
                )
        return registry


def _derived_tool(tool: Tool, spec: ToolSpec) -> Tool:
    return _DerivedPreparedTool(tool, spec) if hasattr(tool, "prepared") else _DerivedTool(tool, spec)


class _DerivedTool:
    """A tool with another spec."""

    def __init__(self, tool: Tool, spec: ToolSpec) -> None:
        self._tool = tool
        self._spec = spec

    @property
    def spec(self) -> ToolSpec:
        """The derived spec."""
        return self._spec

    async def call(self, arguments: Mapping[str, JsonValue], context: ToolContext) -> JsonValue | ToolOutput:
        """Call the tool.

        Raises:
            ToolError: the tool's, with the name by which it was called.
        """
        with self._own_name():
            return await self._tool.call(arguments, context)

    @contextmanager
    def _own_name(self) -> Iterator[None]:
        try:
            yield
        except ToolError as error:
            name = rf"^(The arguments of )?{re.escape(self._tool.spec.name)}(?=\s)"
            text = re.sub(name, lambda match: f"{match[1] or ''}{self._spec.name}", str(error))
            error.args = (text,)
            raise


class _DerivedPreparedTool(_DerivedTool):
    """A ``PreparedTool`` with another spec."""

    @asynccontextmanager
    async def prepared(self) -> AsyncIterator[Tool]:
        """Return the tool, ready for one call.

        Raises:
            ToolUnavailable: what it needs is not available now; the tool was not called.
        """
        with self._own_name():
            async with cast("PreparedTool", self._tool).prepared() as ready:
                yield _DerivedTool(ready, self._spec)
