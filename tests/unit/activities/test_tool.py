from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import pytest
from pydantic import JsonValue
from temporalio.api.failure.v1 import Failure
from temporalio.common import RawValue
from temporalio.converter import DefaultFailureConverter, DefaultPayloadConverter
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.settings import Settings
from activities.temporal.data_converter import data_converter
from activities.tool import ToolActivities
from agentkit.config.secret_sources import SecretSource
from agentkit.errors import ToolError, ToolUnavailable
from agentkit.interfaces import ToolContext, ToolOutput, ToolProgress, ToolValue
from agentkit.runtime.calls.tool_results import MAX_RESULT_CHARS
from agentkit.secrets import SecretStore
from agentkit.tools import Done, NotDone, ToolRegistry, tool

CONTEXT: JsonValue = {"task_id": "t", "call_id": "c", "idempotency_key": "t/c", "step": 3}


@tool(effect="pure")
def show_context(context: ToolContext) -> JsonValue:
    return {"key": context.idempotency_key, "attempt": context.attempt, "step": context.step}


@tool(effect="pure")
def add(left: int, right: int) -> int:
    return left + right


@tool(effect="pure")
def long_error() -> str:
    raise ToolError("x" * 5_000_000)


@tool(effect="pure")
def unavailable() -> str:
    raise ToolUnavailable("The station is closed.")


@tool(effect="pure")
def numbers(count: int) -> list[int]:
    return list(range(count))


@tool(effect="pure", secrets=["vault"])
def use_secret(context: ToolContext) -> int:
    return len(context.secret("vault"))


@tool(effect="pure")
def use_undeclared_secret(context: ToolContext) -> str:
    return context.secret("vault")


@tool(effect="pure", secrets=["vault"])
async def report_secret(context: ToolContext) -> str:
    context.progress(f"opening with {context.secret('vault')}", 0.5)
    await asyncio.Event().wait()
    return "never"


FINDS_NOTHING = NotDone("0123456789 has no such payment")


@tool(effect="irreversible", probe=lambda key, arguments: FINDS_NOTHING if arguments else Done("0123456789"))
def pay(cents: int) -> str:
    raise AssertionError


TOOLS = ToolRegistry(
    [show_context, add, long_error, unavailable, numbers, use_secret, use_undeclared_secret, report_secret, pay]
)


def environment_of(activity_type: str, attempt: int = 1) -> ActivityEnvironment:
    environment = ActivityEnvironment()
    environment.payload_converter = data_converter(Settings()).payload_converter
    environment.info = dataclasses.replace(environment.info, activity_type=activity_type, attempt=attempt)
    return environment


def encoded(environment: ActivityEnvironment, *args: JsonValue) -> list[RawValue]:
    return [RawValue(environment.payload_converter.to_payload(arg)) for arg in args]


async def call_tool(activity_type: str, *args: JsonValue, attempt: int = 1) -> ToolValue:
    """Run the activity with these arguments and return its result."""
    environment = environment_of(activity_type, attempt)
    return await environment.run(ToolActivities(TOOLS).call_tool, encoded(environment, *args))


async def test_the_activity_type_names_the_tool() -> None:
    assert await call_tool("tool.add", {"left": 1, "right": 2}, CONTEXT) == 3


async def test_the_context_has_the_idempotency_key_the_step_and_the_attempt() -> None:
    context = await call_tool("tool.show_context", {}, CONTEXT, attempt=2)
    assert context == {"key": "t/c", "attempt": 2, "step": 3}


@pytest.mark.parametrize(
    ("name", "arguments", "error_type", "message"),
    [
        pytest.param("unavailable", {}, "ToolUnavailable", "The station is closed.", id="transient"),
        pytest.param("add", {"left": "one"}, "ToolArgumentsInvalid", "left", id="invalid arguments"),
        pytest.param("missing", {}, "ToolNotServed", "There is no tool 'missing'", id="unknown tool"),
    ],
)
async def test_a_tool_error_is_a_failure_of_its_type_and_only_transient_ones_are_retryable(
    name: str, arguments: JsonValue, error_type: str, message: str
) -> None:
    with pytest.raises(ApplicationError) as raised:
        await call_tool(f"tool.{name}", arguments, CONTEXT)
    assert message in raised.value.message
    assert (raised.value.type, raised.value.non_retryable) == (error_type, error_type != "ToolUnavailable")


async def test_an_error_message_of_megabytes_is_bounded() -> None:
    with pytest.raises(ApplicationError, match="left out here") as raised:
        await call_tool("tool.long_error", {}, CONTEXT)
    failure = Failure()
    DefaultFailureConverter().to_failure(raised.value, DefaultPayloadConverter(), failure)
    assert failure.ByteSize() < 2 * MAX_RESULT_CHARS


async def test_an_activity_type_that_names_no_tool_is_refused() -> None:
    with pytest.raises(ApplicationError, match="has no activity 'clean_up'"):
        await call_tool("clean_up", {}, CONTEXT)


async def test_another_number_of_arguments_is_refused_without_a_retry() -> None:
    with pytest.raises(ApplicationError, match=r"expected 2 arguments \(arguments, context\), got 1") as raised:
        await call_tool("tool.add", {"left": 1, "right": 2})
    assert raised.value.non_retryable


async def test_a_long_result_is_bounded() -> None:
    output = await call_tool("tool.numbers", {"count": 1_000_000}, CONTEXT)
    assert isinstance(output, ToolOutput)
    assert isinstance(output.value, str)
    assert len(output.value) <= MAX_RESULT_CHARS
    assert output.omitted is not None


async def test_a_short_result_is_returned_as_json() -> None:
    assert await call_tool("tool.numbers", {"count": 3}, CONTEXT) == [0, 1, 2]


async def test_cancelling_the_activity_cancels_the_tool() -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    @tool(effect="pure")
    async def wait() -> str:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return "never"

    environment = environment_of("tool.wait")
    activities = ToolActivities(ToolRegistry([wait]))
    call = asyncio.create_task(environment.run(activities.call_tool, encoded(environment, {}, CONTEXT)))
    await asyncio.wait_for(started.wait(), 5)
    environment.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert cancelled.is_set()


async def call_with_secrets(activity_type: str, variables: dict[str, str]) -> ToolValue:
    environment = environment_of(activity_type)
    secrets = SecretStore({"vault": SecretSource(env="VAULT")}, Path(), variables)
    activities = ToolActivities(TOOLS, secrets=secrets)
    return await environment.run(activities.call_tool, encoded(environment, {}, CONTEXT))


async def test_a_tool_gets_the_secrets_that_it_has_declared() -> None:
    assert await call_with_secrets("tool.use_secret", {"VAULT": "0123456789"}) == 10


async def test_a_missing_secret_is_an_error_for_the_model_with_its_source_and_the_cure() -> None:
    with pytest.raises(ApplicationError, match=r"'vault' is not set: .* no variable VAULT.*export VAULT=") as raised:
        await call_with_secrets("tool.use_secret", {})
    assert (raised.value.type, raised.value.non_retryable) == ("SecretMissing", True)


async def test_a_secret_that_is_not_declared_is_not_given() -> None:
    with pytest.raises(ApplicationError, match=r"has not declared the secret 'vault': @tool\(secrets=\['vault'\]\)"):
        await call_with_secrets("tool.use_undeclared_secret", {"VAULT": "0123456789"})


async def test_reported_progress_is_in_the_heartbeats_without_its_secrets() -> None:
    environment = environment_of("tool.report_secret")
    details: asyncio.Queue[object] = asyncio.Queue()
    environment.on_heartbeat = details.put_nowait
    secrets = SecretStore({"vault": SecretSource(env="VAULT")}, Path(), {"VAULT": "0123456789"})
    activities = ToolActivities(TOOLS, secrets=secrets)
    running = asyncio.create_task(environment.run(activities.call_tool, encoded(environment, {}, CONTEXT)))
    progress = await asyncio.wait_for(details.get(), 10)
    environment.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert isinstance(progress, ToolProgress)
    assert progress.fraction == 0.5
    assert progress.text.startswith("opening with ")
    assert "0123456789" not in progress.text


@pytest.mark.parametrize(("arguments", "outcome"), [({"cents": 7}, "not_done"), ({}, "done")])
async def test_a_probes_outcome_is_returned_without_secrets(arguments: dict[str, JsonValue], outcome: str) -> None:
    environment = environment_of("probe.pay")
    secrets = SecretStore({"vault": SecretSource(env="VAULT")}, Path(), {"VAULT": "0123456789"})
    activities = ToolActivities(TOOLS, secrets=secrets)
    record = await environment.run(activities.call_tool, encoded(environment, arguments, CONTEXT))
    assert isinstance(record, dict)
    assert record["outcome"] == outcome
    assert "0123456789" not in str(record)
