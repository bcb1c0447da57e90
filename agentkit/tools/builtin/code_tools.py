"""The tools ``python`` and ``shell``: code that a model writes, run in a sandbox on the task's files."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Literal

from pydantic import JsonValue

from agentkit.errors import SandboxUnavailable, ToolError
from agentkit.interfaces import (
    FileSnapshot,
    Sandbox,
    SandboxedProgram,
    SandboxLimits,
    TaskFiles,
    Tool,
    ToolContext,
    Workspace,
)
from agentkit.specs import ToolSpec
from agentkit.tools.function_tool import FunctionTool, tool
from agentkit.tools.program_report import cut_off_report, program_report
from agentkit.tools.scratch_changes import scratch_changes

__all__ = ["CodeTool", "call_key", "code_tools"]

_OTHER_WORK_S = 60.0
"""For restoring and storing files, beside the program's own time."""
_UNAVAILABLE = "Nothing can be run in this process. A worker can: give the task to one."


def code_tools(
    sandbox: Sandbox | None = None,
    files: TaskFiles | None = None,
    limits: SandboxLimits = SandboxLimits(),  # noqa: B008
) -> Sequence[Tool]:
    """Return ``python`` and ``shell``. Without ``sandbox`` and ``files`` they have a spec, but their calls fail.

    They are idempotent, though code may do anything: it acts on a copy of the task's files alone, and what it changed
    is kept together with its result, once. A call that is cut off changes nothing, and another attempt starts from the
    same files; after one that was kept it returns that result.
    """
    return tuple(CodeTool(definition, kind, sandbox, files, limits) for kind, definition in _definitions(limits))


def _definitions(limits: SandboxLimits) -> Sequence[tuple[Literal["python", "shell"], FunctionTool[..., str]]]:
    """Return the tools as models see them; ``CodeTool`` runs the code."""
    timeout = limits.wall_s + _OTHER_WORK_S

    @tool(effect="idempotent", timeout=timeout)
    def python(code: str) -> str:
        """Run Python code, and return what it prints, the value of its last line, and which files it changed.

        The current directory has the task's files: they stay for later calls. Variables don't. There is no network, and
        nothing else of the machine can be changed. Use it for calculations, data and files.

        Args:
            code: Python source.
        """
        raise NotImplementedError(code)

    @tool(effect="idempotent", timeout=timeout)
    def shell(command: str) -> str:
        """Run a shell command, and return what it prints, its exit code, and which files it changed.

        The current directory has the task's files: they stay for later calls. There is no network, and nothing else of
        the machine can be changed.

        Args:
            command: For bash, or sh where there is none; several lines are allowed.
        """
        raise NotImplementedError(command)

    return (("python", python), ("shell", shell))


class CodeTool:
    """Runs one kind of program in a sandbox, on the files of the task that calls it."""

    def __init__(
        self,
        definition: FunctionTool[..., str],
        kind: Literal["python", "shell"],
        sandbox: Sandbox | None,
        files: TaskFiles | None,
        limits: SandboxLimits,
    ) -> None:
        self._definition = definition
        self._kind = kind
        self._sandbox = sandbox
        self._files = files
        self._limits = limits

    @property
    def spec(self) -> ToolSpec:
        """The name, description, schema and effect."""
        return self._definition.spec

    @property
    def sandbox_description(self) -> str | None:
        """How the code is confined, or why it can't be; None: in this process no code is run."""
        return self._sandbox.description if self._sandbox is not None else None

    @asynccontextmanager
    async def prepared(self) -> AsyncIterator[Tool]:
        """Return the tool with a workspace, as soon as one is free."""
        if self._sandbox is None or self._sandbox.tier is None:
            yield self
            return
        async with self._sandbox.workspace() as workspace:
            yield _PreparedCodeTool(self, workspace)

    async def call(self, arguments: Mapping[str, JsonValue], context: ToolContext) -> JsonValue:
        """Run the program."""
        self._definition.validated(arguments)
        if self._sandbox is None:
            raise ToolError(_UNAVAILABLE)
        try:
            async with self._sandbox.workspace() as workspace:
                return await self.call_in(workspace, arguments, context)
        except SandboxUnavailable as error:
            raise ToolError(f"{error} Don't call {self.spec.name} again; do without it.") from error

    async def call_in(self, workspace: Workspace, arguments: Mapping[str, JsonValue], context: ToolContext) -> str:
        """Run the program in a workspace: fill it with the task's files, and keep what the program changes."""
        if self._files is None:
            raise ToolError(_UNAVAILABLE)
        code = self._definition.validated(arguments)[_argument(self._kind)]
        key = call_key(context, arguments)
        if (earlier := await self._files.earlier_result(context.task_id, key)) is not None:
            return earlier
        restored = await self._files.restore(context.task_id, workspace.directory)
        try:
            result = await workspace.run(SandboxedProgram(kind=self._kind, code=code), self._limits)
        except SandboxUnavailable as error:
            raise ToolError(f"{error} Don't call {self.spec.name} again; do without it.") from error
        if result.cut_off_by is not None:
            raise ToolError(cut_off_report(result, self._limits))
        found = await asyncio.to_thread(scratch_changes, workspace.directory, restored)

        def report(before: FileSnapshot, after: FileSnapshot) -> str:
            also_changed = [path for path in found.changes.written if before.get(path) != restored.get(path)]
            return program_report(result, before, after, found.not_kept, also_changed)

        if not found.changes.written and not found.changes.deleted:
            return report(restored, restored)
        return await self._files.publish(context.task_id, key, found.changes, report)


class _PreparedCodeTool:
    """A tool with a workspace for one call."""

    def __init__(self, code_tool: CodeTool, workspace: Workspace) -> None:
        self._tool = code_tool
        self._workspace = workspace

    @property
    def spec(self) -> ToolSpec:
        """The name, description, schema and effect."""
        return self._tool.spec

    async def call(self, arguments: Mapping[str, JsonValue], context: ToolContext) -> JsonValue:
        """Run the program."""
        return await self._tool.call_in(self._workspace, arguments, context)


def _argument(kind: str) -> str:
    return "code" if kind == "python" else "command"


def call_key(context: ToolContext, arguments: Mapping[str, JsonValue]) -> str:
    """Return what identifies a call and what it was asked to do: a task that is reset may use an id again."""
    digest = hashlib.sha256(json.dumps(arguments, sort_keys=True).encode()).hexdigest()
    return f"{context.call_id}/{digest[:16]}"
