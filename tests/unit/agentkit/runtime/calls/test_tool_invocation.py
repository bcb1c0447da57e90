from __future__ import annotations

import asyncio
import logging

import httpx2
import pytest

from agentkit.errors import NotDone, ToolArgumentsInvalid, ToolError, ToolInterrupted, ToolNotStarted, ToolUnavailable
from agentkit.interfaces import Tool
from agentkit.runtime.calls.tool_invocation import invoke_tool, tool_context
from agentkit.tools import tool

CONTEXT = tool_context("task-1", "call-1", 2)


@tool(effect="pure")
def add(left: int, right: int) -> int:
    return left + right


@tool(effect="pure")
def disk_full() -> str:
    raise ValueError("the disk is full")


@tool(effect="pure")
def closed_station() -> str:
    raise ToolUnavailable("The station is closed.")


@tool(effect="pure")
def disconnected() -> str:
    raise ConnectionResetError("reset by peer")


@tool(effect="irreversible")
def disconnected_transfer() -> str:
    raise ConnectionResetError("reset by peer")


@tool(effect="irreversible")
def declined_transfer() -> str:
    raise ValueError("declined")


@tool(effect="irreversible")
def unready_transfer() -> str:
    raise ToolNotStarted("unready_transfer was not called: no process was ready.")


@tool(effect="pure")
async def http_timeout() -> str:
    raise httpx2.ReadTimeout("no response")


@tool(effect="pure")
def wrapped_disconnection() -> str:
    try:
        raise ConnectionRefusedError("port closed")
    except OSError as error:
        raise ValueError("bank unreachable") from error


@tool(effect="pure")
def connection_timeout() -> str:
    raise TimeoutError("no route")


@tool(effect="pure", timeout="10ms")
async def slow() -> str:
    await asyncio.Event().wait()
    return "never"


@tool(effect="irreversible", timeout="10ms")
async def slow_transfer() -> str:
    await asyncio.Event().wait()
    return "never"


def test_the_idempotency_key_names_task_and_call() -> None:
    assert CONTEXT.idempotency_key == "task-1/call-1"
    assert CONTEXT.step == 2


async def test_the_value_of_the_tool_is_returned() -> None:
    assert await invoke_tool(add, {"left": 1, "right": 2}, CONTEXT) == 3


@pytest.mark.parametrize(
    ("failing", "error", "text"),
    [
        pytest.param(disk_full, ToolError, "disk_full failed: ValueError: the disk is full", id="exception"),
        pytest.param(closed_station, ToolUnavailable, "The station is closed.", id="tool error"),
        pytest.param(
            disconnected_transfer,
            ToolInterrupted,
            "ConnectionResetError: reset by peer",
            id="lost connection of an irreversible tool",
        ),
        pytest.param(http_timeout, ToolUnavailable, "ReadTimeout", id="an HTTP client's timeout"),
        pytest.param(wrapped_disconnection, ToolUnavailable, "bank unreachable", id="an error from a lost connection"),
        pytest.param(declined_transfer, ToolError, "declined", id="an irreversible tool says no"),
        pytest.param(unready_transfer, NotDone, "was not called", id="an irreversible tool was not ready"),
        pytest.param(disconnected, ToolUnavailable, "reset by peer", id="lost connection"),
        pytest.param(connection_timeout, ToolUnavailable, "TimeoutError: no route", id="timeout of its own"),
        pytest.param(slow, ToolError, "slow timed out after 0.01 s. Ask for", id="timeout"),
        pytest.param(
            slow_transfer,
            ToolInterrupted,
            "slow_transfer timed out after 0.01 s.",
            id="timeout of an irreversible tool",
        ),
    ],
)
async def test_every_failure_is_a_tool_error_with_a_message_for_the_model(
    failing: Tool, error: type[ToolError], text: str
) -> None:
    with pytest.raises(ToolError) as raised:
        await invoke_tool(failing, {}, CONTEXT)
    assert type(raised.value) is error
    assert text in str(raised.value)


async def test_invalid_arguments_are_refused_before_the_tool_runs() -> None:
    with pytest.raises(ToolArgumentsInvalid, match="left"):
        await invoke_tool(add, {"left": "one", "right": 2}, CONTEXT)


async def test_an_exception_of_a_tool_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "opspawn.tools"), pytest.raises(ToolError):
        await invoke_tool(disk_full, {}, CONTEXT)
    assert "ValueError: the disk is full" in caplog.text
