"""Run a tool within its timeout: the same in the worker's tool activity and in the local runner."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import cast

from pydantic import JsonValue

from agentkit.config.durations import MAX_DURATION_S
from agentkit.errors import NotDone, ToolError, ToolInterrupted, ToolNotStarted, ToolUnavailable
from agentkit.interfaces import (
    PREPARATION_TIMEOUT_S,
    PreparedTool,
    ProbedTool,
    ProbeOutcome,
    Tool,
    ToolContext,
    ToolValue,
)
from agentkit.messages import StoredContent

__all__ = ["invoke_probe", "invoke_tool", "tool_context"]

logger = logging.getLogger("opspawn.tools")


def tool_context(
    task_id: str,
    call_id: str,
    step: int,
    result: StoredContent | None = None,
    *,
    agent: str | None = None,
    user: str | None = None,
) -> ToolContext:
    """Return the context of a call; its idempotency key is ``{task_id}/{call_id}``."""
    key = f"{task_id}/{call_id}"
    return ToolContext(
        task_id=task_id, call_id=call_id, idempotency_key=key, step=step, result=result, agent=agent, user=user
    )


async def invoke_tool(tool: Tool, arguments: Mapping[str, JsonValue], context: ToolContext) -> ToolValue:
    """Run one attempt of a call and return the tool's value.

    Raises:
        ToolUnavailable: the connection of the tool failed; another attempt may succeed. Not of an irreversible tool.
        ToolInterrupted: the process that ran the tool has ended; also where the connection of an irreversible tool
            failed, or its call timed out.
        NotDone: the call had no effect; also where an irreversible tool was not ready to be called.
        ToolError: any other failure, with a message for the model; exceptions of the tool are logged and wrapped.
    """
    # Not by isinstance: for a Protocol it takes 10 µs, as long as the rest of a small call.
    preparing: AbstractAsyncContextManager[Tool] = (
        cast("PreparedTool", tool).prepared() if hasattr(tool, "prepared") else nullcontext(tool)
    )
    try:
        async with preparing as ready:
            deadline = datetime.now(UTC) + timedelta(seconds=min(tool.spec.timeout, MAX_DURATION_S))
            return await _call(ready, arguments, context.model_copy(update={"deadline": deadline}))
    except ToolUnavailable as error:
        if tool.spec.effect != "irreversible":
            raise
        if isinstance(error, ToolNotStarted):
            raise NotDone(str(error)) from error
        raise ToolInterrupted(str(error)) from error


async def invoke_probe(tool: Tool, arguments: Mapping[str, JsonValue], context: ToolContext) -> ProbeOutcome:
    """Run one attempt of a tool's probe, within the tool's timeout, and return its outcome.

    Raises:
        ToolUnavailable: it failed, or took too long; another attempt may succeed.
        ToolError: it failed for good.
    """
    name, timeout = tool.spec.name, tool.spec.timeout
    try:
        async with asyncio.timeout(PREPARATION_TIMEOUT_S + timeout):
            return await cast("ProbedTool", tool).probe(arguments, context)
    except (OSError, ToolInterrupted) as error:
        raise ToolUnavailable(f"The probe of {name} failed: {type(error).__name__}: {error}") from error


async def _call(tool: Tool, arguments: Mapping[str, JsonValue], context: ToolContext) -> ToolValue:
    name, timeout = tool.spec.name, tool.spec.timeout
    deadline = asyncio.timeout(timeout)
    try:
        async with deadline:
            return await tool.call(arguments, context)
    except TimeoutError as error:
        if not deadline.expired():  # the tool's own: a connection that timed out
            raise ToolUnavailable(f"{name} failed: {type(error).__name__}: {error}") from error
        text = f"{name} timed out after {timeout:g} s."
        if tool.spec.effect == "irreversible":
            raise ToolInterrupted(text) from error
        raise ToolError(f"{text} Ask for something smaller.") from error
    except ToolInterrupted as error:
        if tool.spec.effect == "irreversible":
            raise
        raise ToolInterrupted(f"{error} Other arguments may work; if they don't, go on without it.") from error
    except ToolError:
        raise
    except OSError as error:
        raise ToolUnavailable(f"{name} failed: {type(error).__name__}: {error}") from error
    except Exception as error:  # a project's own code may raise anything
        logger.exception("Tool call failed")
        raise ToolError(f"{name} failed: {type(error).__name__}: {error}") from error
