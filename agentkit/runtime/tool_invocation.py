"""Run a tool within its timeout: the same in the worker's tool activity and in the local runner."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import cast

from pydantic import JsonValue

from agentkit.errors import ToolError, ToolInterrupted, ToolUnavailable
from agentkit.interfaces import PreparedTool, Tool, ToolContext, ToolValue
from agentkit.messages import StoredContent

__all__ = ["invoke_tool", "tool_context"]

logger = logging.getLogger("opspawn.tools")


def tool_context(task_id: str, call_id: str, step: int, result: StoredContent | None = None) -> ToolContext:
    """Return the context of a call; its idempotency key is ``{task_id}/{call_id}``."""
    key = f"{task_id}/{call_id}"
    return ToolContext(task_id=task_id, call_id=call_id, idempotency_key=key, step=step, result=result)


async def invoke_tool(tool: Tool, arguments: Mapping[str, JsonValue], context: ToolContext) -> ToolValue:
    """Run one attempt of a call and return the tool's value.

    Raises:
        ToolUnavailable: the connection of the tool failed; another attempt may succeed.
        ToolInterrupted: the process that ran the tool has ended.
        ToolError: any other failure, with a message for the model; exceptions of the tool are logged and wrapped.
    """
    # Not by isinstance: for a Protocol it takes 10 µs, as long as the rest of a small call.
    preparing: AbstractAsyncContextManager[Tool] = (
        cast("PreparedTool", tool).prepared() if hasattr(tool, "prepared") else nullcontext(tool)
    )
    async with preparing as ready:
        return await _call(ready, arguments, context)


async def _call(tool: Tool, arguments: Mapping[str, JsonValue], context: ToolContext) -> ToolValue:
    name, timeout = tool.spec.name, tool.spec.timeout
    deadline = asyncio.timeout(timeout)
    try:
        async with deadline:
            return await tool.call(arguments, context)
    except TimeoutError as error:
        if not deadline.expired():  # the tool's own: a connection that timed out
            raise ToolUnavailable(f"{name} failed: {type(error).__name__}: {error}") from error
        raise ToolError(
            _cut_off(tool, f"{name} timed out after {timeout:g} s.", "Ask for something smaller.")
        ) from error
    except ToolInterrupted as error:
        cure = "Other arguments may work; if they don't, go on without it."
        raise ToolInterrupted(_cut_off(tool, str(error), cure)) from error
    except ToolError:
        raise
    except OSError as error:
        raise ToolUnavailable(f"{name} failed: {type(error).__name__}: {error}") from error
    except Exception as error:  # a project's own code may raise anything
        logger.exception("Tool call failed")
        raise ToolError(f"{name} failed: {type(error).__name__}: {error}") from error


def _cut_off(tool: Tool, text: str, cure: str) -> str:
    """Return what the model reads of a call that was cut off: what happened, and what to do."""
    if tool.spec.effect == "irreversible":
        cure = "Whether it took effect is UNKNOWN. Don't call it again before you have checked."
    return f"{text} {cure}"
