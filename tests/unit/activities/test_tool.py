from __future__ import annotations

import asyncio
import dataclasses

import pytest
from pydantic import JsonValue
from temporalio.api.failure.v1 import Failure
from temporalio.common import RawValue
from temporalio.converter import DefaultFailureConverter, DefaultPayloadConverter
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.settings import Settings
from activities.temporal.client import data_converter
from activities.tool import ToolActivities
from agentkit.errors import ToolError, ToolUnavailable
from agentkit.interfaces import ToolContext
from agentkit.runtime.tool_results import MAX_RESULT_CHARS
from agentkit.tools import ToolRegistry, tool

CONTEXT: JsonValue = {"task_id": "t", "call_id": "c", "idempotency_key": "t/c", "step": 3}


@tool(effect="pure")
def about(context: ToolContext) -> JsonValue:
    return {"key": context.idempotency_key, "attempt": context.attempt, "step": context.step}


@tool(effect="pure")
def add(left: int, right: int) -> int:
    return left + right


@tool(effect="pure")
def broken() -> str:
    raise ValueError("the disk is full")


@tool(effect="pure")
def rambling() -> str:
    raise ValueError("x" * 5_000_000)


@tool(effect="pure")
def refused() -> str:
    raise ToolError("There is no such page. Search first.")


@tool(effect="pure")
def away() -> str:
    raise ToolUnavailable("The station is away.")


@tool(effect="pure")
def disconnected() -> str:
    raise ConnectionResetError("reset by peer")


@tool(effect="pure", timeout="10ms")
async def slow() -> str:
    await asyncio.Event().wait()
    return "never"


@tool(effect="irreversible", timeout="10ms")
async def slow_send() -> str:
    await asyncio.Event().wait()
    return "never"


@tool(effect="pure")
def numbers(count: int) -> list[int]:
    return list(range(count))


TOOLS = ToolRegistry([about, add, broken, rambling, refused, away, disconnected, slow, slow_send, numbers])


def environment_of(activity_type: str, attempt: int = 1) -> ActivityEnvironment:
    environment = ActivityEnvironment()
    environment.payload_converter = data_converter(Settings()).payload_converter
    environment.info = dataclasses.replace(environment.info, activity_type=activity_type, attempt=attempt)
    return environment


def raw(environment: ActivityEnvironment, *args: JsonValue) -> list[RawValue]:
    return [RawValue(environment.payload_converter.to_payload(arg)) for arg in args]


async def act(activity_type: str, *args: JsonValue, attempt: int = 1) -> JsonValue:
    environment = environment_of(activity_type, attempt)
    return await environment.run(ToolActivities(TOOLS).call_tool, raw(environment, *args))


async def test_the_activity_type_names_the_tool() -> None:
    assert await act("tool.add", {"left": 1, "right": 2}, CONTEXT) == 3


async def test_the_context_has_the_idempotency_key_and_the_attempt() -> None:
    answer = await act("tool.about", {}, CONTEXT, attempt=2)
    assert answer == {"key": "t/c", "attempt": 2, "step": 3}


@pytest.mark.parametrize(
    ("name", "arguments", "kind", "words"),
    [
        pytest.param("broken", {}, "ToolError", "broken failed: ValueError: the disk is full", id="it raises"),
        pytest.param("refused", {}, "ToolError", "There is no such page. Search first.", id="it says why"),
        pytest.param("away", {}, "ToolUnavailable", "The station is away.", id="it is away"),
        pytest.param("disconnected", {}, "ToolUnavailable", "reset by peer", id="its connection breaks"),
        pytest.param("slow", {}, "ToolError", "slow timed out after 0.01 s. Ask for", id="it is too slow"),
        pytest.param("slow_send", {}, "ToolError", "UNKNOWN. Don't call it again", id="it may have happened"),
        pytest.param("add", {"left": "one"}, "ToolArgumentsInvalid", "left", id="wrong arguments"),
        pytest.param("gone", {}, "ToolNotFound", "There is no tool 'gone'", id="this worker hasn't got it"),
    ],
)
async def test_a_failure_has_a_message_for_the_model_and_only_transient_ones_are_retryable(
    name: str, arguments: JsonValue, kind: str, words: str
) -> None:
    with pytest.raises(ApplicationError) as raised:
        await act(f"tool.{name}", arguments, CONTEXT)
    assert words in raised.value.message
    assert (raised.value.type, raised.value.non_retryable) == (kind, kind != "ToolUnavailable")


async def test_a_failure_message_of_megabytes_is_bounded() -> None:
    with pytest.raises(ApplicationError, match="left out here") as raised:
        await act("tool.rambling", {}, CONTEXT)
    failure = Failure()
    DefaultFailureConverter().to_failure(raised.value, DefaultPayloadConverter(), failure)
    assert failure.ByteSize() < 2 * MAX_RESULT_CHARS


async def test_an_activity_type_that_names_no_tool_is_refused() -> None:
    with pytest.raises(ApplicationError, match="has no activity 'clean_up'"):
        await act("clean_up", {}, CONTEXT)


async def test_another_number_of_arguments_is_refused_with_the_expected_ones() -> None:
    with pytest.raises(ApplicationError, match=r"expected 2 arguments \(arguments, context\), got 1") as raised:
        await act("tool.add", {"left": 1, "right": 2})
    assert raised.value.non_retryable


async def test_a_long_result_is_bounded_before_it_enters_history() -> None:
    bounded = await act("tool.numbers", {"count": 1_000_000}, CONTEXT)
    assert isinstance(bounded, str)
    assert len(bounded) <= MAX_RESULT_CHARS
    assert "left out here" in bounded


async def test_a_small_result_stays_plain_json() -> None:
    assert await act("tool.numbers", {"count": 3}, CONTEXT) == [0, 1, 2]


async def test_a_cancelled_call_reaches_the_tool() -> None:
    began, seen = asyncio.Event(), asyncio.Event()

    @tool(effect="pure")
    async def wait() -> str:
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.set()
            raise
        return "never"

    environment = environment_of("tool.wait")
    activities = ToolActivities(ToolRegistry([wait]))
    calling = asyncio.create_task(environment.run(activities.call_tool, raw(environment, {}, CONTEXT)))
    await asyncio.wait_for(began.wait(), 5)
    environment.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert seen.is_set()
