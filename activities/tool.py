"""Call a tool, durably: one dynamic activity serves every ``tool.{name}``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pydantic import JsonValue
from temporalio import activity
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from activities.failure_mapping import to_temporal
from activities.heartbeat import heartbeating
from activities.payload_types import TOOL_PREFIX
from agentkit.errors import ToolError, ToolNotFound, ToolUnavailable
from agentkit.interfaces import Tool, ToolContext, Toolset
from agentkit.runtime.tool_results import bounded_value

__all__ = ["ToolActivities"]

Arguments = dict[str, JsonValue]


class ToolActivities:
    """Calls the tools of a toolset on behalf of workflows.

    A tool's activity takes two plain JSON arguments, the model's arguments and a ``ToolContext``, and returns plain
    JSON; so a worker in any language that registers ``tool.{name}`` can stand in for it.
    """

    def __init__(self, toolset: Toolset) -> None:
        self._toolset = toolset

    @activity.defn(dynamic=True)
    async def call_tool(self, args: Sequence[RawValue]) -> JsonValue:
        """Call the tool that the activity's type names.

        Raises:
            ApplicationError: with the words that the model should read; retryable only if transient.
        """
        async with heartbeating():
            try:
                tool = self._tool(activity.info().activity_type)
                arguments, context = _decode(args)
                value = await self._call(tool, arguments, context)
            except ToolError as error:
                # "from None": what a tool raised may be of any size, and its traceback stands in the log.
                raise to_temporal(error) from None
        return bounded_value(value)  # what the model would not see stays out of history

    def _tool(self, activity_type: str) -> Tool:
        if not activity_type.startswith(TOOL_PREFIX):
            raise ToolNotFound(f"This worker knows no activity {activity_type!r}.")
        return self._toolset.get(activity_type.removeprefix(TOOL_PREFIX))

    async def _call(self, tool: Tool, arguments: Arguments, context: ToolContext) -> JsonValue:
        name, timeout = tool.spec.name, tool.spec.timeout
        deadline = asyncio.timeout(timeout)
        try:
            async with deadline:
                return await tool.call(arguments, context)
        except TimeoutError as error:
            if not deadline.expired():
                raise ToolUnavailable(f"{name} failed: {type(error).__name__}: {error}") from error
            raise _timed_out(tool) from error
        except ToolError:
            raise
        except OSError as error:
            raise ToolUnavailable(f"{name} failed: {type(error).__name__}: {error}") from error
        except Exception as error:
            activity.logger.exception("Tool call failed")
            raise ToolError(f"{name} failed: {type(error).__name__}: {error}") from error


def _timed_out(tool: Tool) -> ToolError:
    what = f"{tool.spec.name} timed out after {tool.spec.timeout:g} s."
    if tool.spec.effect == "irreversible":
        return ToolError(f"{what} Whether it took effect is UNKNOWN. Don't call it again before you have checked.")
    return ToolError(f"{what} Ask for something smaller.")


def _decode(args: Sequence[RawValue]) -> tuple[Arguments, ToolContext]:
    if len(args) != 2:
        raise ApplicationError(f"expected 2 arguments (arguments, context), got {len(args)}", non_retryable=True)
    converter = activity.payload_converter()
    arguments: Arguments = converter.from_payload(args[0].payload, Arguments)
    context: ToolContext = converter.from_payload(args[1].payload, ToolContext)
    return arguments, context.model_copy(update={"attempt": activity.info().attempt})
