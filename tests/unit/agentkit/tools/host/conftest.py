"""A project of the test's own, whose tools are called in real tool hosts."""

from __future__ import annotations

import textwrap
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest
from pydantic import JsonValue

from agentkit.interfaces import ToolValue
from agentkit.runtime.calls.tool_invocation import invoke_tool, tool_context
from agentkit.tools.host.host_limits import DEFAULT_LIMITS, HostLimits
from agentkit.tools.host.host_pool import HostPool
from agentkit.tools.host.hosted_tool import HostedTool
from agentkit.tools.host.project_description import ProjectDescription, describe_project

HEADER = "from agentkit.tools import ToolContext, ToolError, ToolUnavailable, tool\n"


@dataclass
class Project:
    """An app directory, and its tools in a pool of hosts."""

    directory: Path
    limits: HostLimits = DEFAULT_LIMITS

    def write(self, name: str, text: str) -> Path:
        """Write a file; one of ``tools/`` with our imports before it."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        header = HEADER if name.startswith("tools/") else ""
        part = path.with_suffix(".part")
        part.write_text(header + textwrap.dedent(text), encoding="utf-8")
        part.replace(path)  # a process that starts now finds the old or the new text
        return path

    @cached_property
    def pool(self) -> HostPool:
        """The pool for the tools as they are at the first use."""
        return HostPool(self.directory, self.description, self.limits)

    @cached_property
    def description(self) -> ProjectDescription:
        return describe_project(self.directory, self.limits)

    async def call(self, name: str, **arguments: JsonValue) -> ToolValue:
        """Call a tool, as a worker does."""
        specs = [tool.spec for file in self.description.files for tool in file.tools if tool.spec.name == name]
        return await invoke_tool(HostedTool(specs[0], self.pool), arguments, tool_context("task", "call", 1))


@pytest.fixture
async def project(tmp_path: Path) -> AsyncIterator[Project]:
    """An empty app directory."""
    project = Project(tmp_path / "app")
    yield project
    await project.pool.close()
