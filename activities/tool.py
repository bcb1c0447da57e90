"""Call a tool, durably: one dynamic activity serves every ``tool.{name}``, and its probe, ``probe.{name}``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from pydantic import JsonValue
from temporalio import activity
from temporalio.client import Client
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from activities.failure_mapping import application_error
from activities.heartbeat import Heartbeat, heartbeating
from activities.lost_attempts import LostAttempts
from activities.mcp.task_inputs import WorkflowInputs
from activities.payload_types import PROBE_PREFIX, TOOL_PREFIX, decode_context
from activities.storage.content_storage import ContentStorage
from activities.storage.result_keeping import ResultKeeper, redacted_output
from activities.tool_calls import ToolCalls
from activities.worker.worker_survey import WorkersWithTool
from agentkit.errors import LocalAttemptLost, ToolCallRefused, ToolError, ToolNotFound, ToolNotServed
from agentkit.interfaces import (
    READ_RESULT,
    CallSignals,
    Done,
    McpServers,
    NoMcpServers,
    NoSecrets,
    Secrets,
    Tool,
    ToolContext,
    ToolOutput,
    ToolProgress,
    Toolset,
    ToolValue,
)
from agentkit.interfaces.probe import probe_record
from agentkit.runtime.calls.elicitation import ElicitationInvalid, check_client_request
from agentkit.runtime.calls.tool_invocation import invoke_probe, invoke_tool
from agentkit.runtime.calls.tool_results import shown_value
from agentkit.tools.builtin.read_result import read_result_tool

__all__ = ["ToolActivities"]

_Arguments = dict[str, JsonValue]
_CallError = ToolError | ToolCallRefused

_REPORT_TIME_S = 1.0
"""What is left of an attempt's time to report its result, after that was stored."""
_SURVEY_TIMEOUT_S = 3.0
"""For asking other workers whether they have a tool, and at most a quarter of the attempt's time."""


class ToolActivities:
    """The tool activity of a worker.

    It takes two plain JSON arguments, the model's arguments and a ``ToolContext``, and returns plain JSON; so a worker
    in any language can register ``tool.{name}`` in its place.
    """

    def __init__(
        self,
        toolset: Toolset,
        calls: ToolCalls | None = None,
        worker: str = "this worker",
        secrets: Secrets | None = None,
        client: Client | None = None,
        mcp_servers: McpServers | None = None,
    ) -> None:
        """Serve ``toolset``; ``worker`` names the worker in its refusals, and ``secrets`` are those of tools.

        Long results and files are kept in the payload storage of ``client``; without one, they aren't kept.
        """
        self._secrets = secrets or NoSecrets()
        storage = None if client is None else ContentStorage(client)
        self._client = client
        self._toolset = toolset
        self._mcp_servers = mcp_servers or NoMcpServers()
        self._keeper = ResultKeeper(storage)
        self._read_result = read_result_tool(storage)
        self._worker = worker
        self._calls = calls or ToolCalls()
        self._lost_attempts = LostAttempts()
        self._workers_with_tool = None if client is None else WorkersWithTool(client)

    @activity.defn(dynamic=True)
    async def call_tool(self, args: Sequence[RawValue]) -> ToolValue:
        """Call the tool that the activity's type names, or its probe.

        Raises:
            ApplicationError: its message is written for the model; retryable only if the failure is transient. Of type
                one of the ``ToolCallRefused``, the call has not started, and is made again.
        """
        clock = asyncio.get_running_loop()
        deadline = clock.time() + _attempt_timeout_s() - _REPORT_TIME_S
        async with heartbeating() as heartbeat:
            try:
                value = await self._call(args, heartbeat)
            except (ToolError, ToolCallRefused) as error:
                # "from None": the cause may be of any size, and its traceback is in the log.
                raise application_error(self._redacted(error)) from None
            value = redacted_output(self._secrets, value)
            return await self._keeper.keep(activity.info().workflow_id or "", value, deadline - clock.time())

    async def _call(self, args: Sequence[RawValue], heartbeat: Heartbeat) -> ToolValue:
        info = activity.info()
        arguments, context = _decode(args)
        if info.activity_type.startswith(PROBE_PREFIX):
            tool = await self._served_tool(info.activity_type.removeprefix(PROBE_PREFIX))
            outcome = await invoke_probe(tool, arguments, self._with_secrets(tool, context))
            return probe_record(Done(shown_value(outcome.result)[0]) if isinstance(outcome, Done) else outcome)
        if not info.activity_type.startswith(TOOL_PREFIX):
            raise ToolNotFound(f"This worker has no activity {info.activity_type!r}.")
        tool = await self._called_tool(info.activity_type.removeprefix(TOOL_PREFIX), context)
        if info.is_local and await self._lost_attempts.may_repeat_one():
            raise LocalAttemptLost(f"{tool.spec.name} may have ended a worker before.")
        context = self._with_secrets(tool, context).with_signals(self._signals(context, heartbeat))
        async with self._calls.running(tool, context, may_wait=not info.is_local):
            value = await invoke_tool(tool, arguments, context)
        await _check_required(value)
        return value

    async def _called_tool(self, name: str, context: ToolContext) -> Tool:
        if context.mcp is None:
            return await self._served_tool(name)
        server, _, tool = name.partition("/")
        try:
            return self._mcp_servers.tool(server, tool, effect=context.mcp.effect)
        except ToolNotFound as error:
            raise ToolNotServed(f"{self._worker}: {error}") from None

    async def _served_tool(self, name: str) -> Tool:
        try:
            return self._tool(name)
        except ToolNotServed as error:
            raise ToolNotServed(f"{error}{await self._others_text(name)}") from None

    async def _others_text(self, name: str) -> str:
        """Return who else has the tool; nothing for a local activity, which is soon an activity."""
        info = activity.info()
        if self._workers_with_tool is None or info.is_local:
            return ""
        timeout_s = min(_SURVEY_TIMEOUT_S, _attempt_timeout_s() / 4)
        return f" {await self._workers_with_tool.sentence(name, info.task_queue, timeout_s)}"

    def _signals(self, context: ToolContext, heartbeat: Heartbeat) -> CallSignals:
        signals = CallSignals(partial(self._report, heartbeat))
        if context.mcp is not None and self._client is not None:
            signals.ask = WorkflowInputs(self._client, context.task_id, context.call_id).ask
        return signals

    def _report(self, heartbeat: Heartbeat, progress: ToolProgress) -> None:
        """Put progress into the next heartbeat; a function's thread may call this, too."""
        heartbeat.details = progress.model_copy(update={"text": self._secrets.redact_text(progress.text)})

    def _with_secrets(self, tool: Tool, context: ToolContext) -> ToolContext:
        names = tool.spec.secrets
        return context.with_secrets(self._secrets.values(names)) if names else context

    def _redacted(self, error: _CallError) -> _CallError:
        text = str(error)
        redacted = self._secrets.redact_text(text)
        return error if redacted == text else type(error)(redacted)

    def _tool(self, name: str) -> Tool:
        try:
            tool = self._toolset.get(name)
            return self._read_result if tool.spec.name == READ_RESULT and tool.spec == self._read_result.spec else tool
        except ToolNotFound as error:
            raise ToolNotServed(f"{self._worker}: {error}") from None


async def _check_required(value: ToolValue) -> None:
    """Check the input that a server requires before its task asks for it.

    Raises:
        ToolError: there is some that nobody can be asked for.
    """
    if not isinstance(value, ToolOutput) or value.input_required is None:
        return
    try:
        for request in value.input_required.requests:
            await asyncio.to_thread(check_client_request, request)
    except ElicitationInvalid as error:
        raise ToolError(f"The call has no result: its server asked for input. {error}") from None


def _decode(args: Sequence[RawValue]) -> tuple[_Arguments, ToolContext]:
    if len(args) != 2:
        raise ApplicationError(f"expected 2 arguments (arguments, context), got {len(args)}", non_retryable=True)
    converter = activity.payload_converter()
    arguments: _Arguments = converter.from_payload(args[0].payload, _Arguments)
    info = activity.info()
    context = decode_context(converter.from_payload(args[1].payload), info.workflow_id or "", info.activity_id)
    return arguments, context.model_copy(update={"attempt": info.attempt})


def _attempt_timeout_s() -> float:
    info = activity.info()
    timeout = info.start_to_close_timeout or info.schedule_to_close_timeout
    return 60.0 if timeout is None else timeout.total_seconds()
