"""Call a tool, durably: one dynamic activity serves every ``tool.{name}``."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue
from temporalio import activity
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from activities.failure_mapping import application_error
from activities.heartbeat import heartbeating
from activities.payload_types import TOOL_PREFIX
from agentkit.errors import ToolError, ToolNotFound, ToolNotServed
from agentkit.interfaces import Tool, ToolContext, Toolset
from agentkit.runtime.tool_invocation import invoke_tool
from agentkit.runtime.tool_results import bounded_value

__all__ = ["ToolActivities"]

_Arguments = dict[str, JsonValue]


class ToolActivities:
    """The tool activity of a worker.

    It takes two plain JSON arguments, the model's arguments and a ``ToolContext``, and returns plain JSON; so a worker
    in any language can register ``tool.{name}`` in its place.
    """

    def __init__(self, toolset: Toolset) -> None:
        self._toolset = toolset

    @activity.defn(dynamic=True)
    async def call_tool(self, args: Sequence[RawValue]) -> JsonValue:
        """Call the tool that the activity's type names.

        Raises:
            ApplicationError: its message is written for the model; retryable only if the failure is transient. Of type
                ``ToolNotServed``, the call has not started: another worker may have the tool.
        """
        async with heartbeating():
            try:
                tool = self._tool(activity.info().activity_type)
                arguments, context = _decode(args)
                value = await invoke_tool(tool, arguments, context)
            except (ToolError, ToolNotServed) as error:
                # "from None": the cause may be of any size, and its traceback is in the log.
                raise application_error(error) from None
        return bounded_value(value)  # text that the model would not read stays out of history

    def _tool(self, activity_type: str) -> Tool:
        if not activity_type.startswith(TOOL_PREFIX):
            raise ToolNotFound(f"This worker has no activity {activity_type!r}.")
        try:
            return self._toolset.get(activity_type.removeprefix(TOOL_PREFIX))
        except ToolNotFound as error:
            raise ToolNotServed(str(error)) from None


def _decode(args: Sequence[RawValue]) -> tuple[_Arguments, ToolContext]:
    if len(args) != 2:
        raise ApplicationError(f"expected 2 arguments (arguments, context), got {len(args)}", non_retryable=True)
    converter = activity.payload_converter()
    arguments: _Arguments = converter.from_payload(args[0].payload, _Arguments)
    context: ToolContext = converter.from_payload(args[1].payload, ToolContext)
    return arguments, context.model_copy(update={"attempt": activity.info().attempt})
