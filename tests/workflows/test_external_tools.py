"""Tools that workers of other programs serve: plain JSON both ways, within Temporal's limits, whatever they send."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pytest
from temporalio import activity
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from agentkit.errors import ToolNotServed
from agentkit.messages import ToolCall, ToolResult
from agentkit.runtime.calls.tool_results import MAX_RESULT_CHARS
from agentkit.runtime.loop import MAX_PARALLEL_CALLS
from agentkit.specs import Effect, ToolSpec
from agentkit.testing import ScriptedModel
from agentkit.tools.external_tool import ExternalTool
from tests.unit.api.events.golden import events_of
from workflows.agent_task import AgentTask
from workflows.tools.plain_json import MAX_PLAIN_BYTES

if TYPE_CHECKING:
    from tests.workflows.conftest import TaskEnvironment

KIB_200 = "ä" * 100 * 1024

Served = Callable[[RawValue, RawValue], RawValue]


def external(env: TaskEnvironment, effect: Effect = "pure", **fields: Any) -> ExternalTool:
    """Return the definition of a tool on a queue of its own."""
    schema = {"type": "object", "properties": {"text": {"type": "string"}}, "additionalProperties": False}
    options = {"approval": "never", "task_queue": f"{env.settings.task_queue}-other", **fields}
    spec = {"name": "other", "description": "Served elsewhere.", "parameters": schema, "effect": effect, **options}
    return ExternalTool(ToolSpec.model_validate({**spec, "external": True}))


async def other_worker(env: TaskEnvironment, *activities: Callable[..., Any]) -> Worker:
    """Return a worker of another program: it has Temporal's own data converter, and no payload storage."""
    client = Client(env.client.service_client)
    return Worker(client, task_queue=f"{env.settings.task_queue}-other", activities=activities)


def serving(serve: Served, name: str = "tool.other") -> Callable[..., Any]:
    """Return an activity that gets and returns payloads as they are on the wire."""

    @activity.defn(name=name)
    async def run(arguments: RawValue, context: RawValue) -> RawValue:
        return serve(arguments, context)

    return run


def plain(value: Any, encoding: str = "json/plain") -> RawValue:
    return RawValue(Payload(metadata={"encoding": encoding.encode()}, data=json.dumps(value).encode()))


def call(number: int = 0, **arguments: Any) -> ToolCall:
    return ToolCall(id=f"c{number}", name="other", arguments=arguments)


async def results_of(
    env: TaskEnvironment, tool: ExternalTool, calls: Sequence[ToolCall], serve: Served
) -> list[ToolResult]:
    async with env.worker(ScriptedModel([list(calls), "done"]), tool), await other_worker(env, serving(serve)):
        _, handle = await env.run("Go.", env.agent(tool))
        return await env.tool_results(handle)


async def test_another_programs_worker_gets_arguments_and_context_as_plain_json(env: TaskEnvironment) -> None:
    received: list[Any] = []

    def serve(arguments: RawValue, context: RawValue) -> RawValue:
        assert {payload.metadata["encoding"] for payload in (arguments.payload, context.payload)} == {b"json/plain"}
        received.extend(json.loads(value.payload.data) for value in (arguments, context))
        return plain({"length": 3})

    tool = external(env)
    async with env.worker(ScriptedModel([call(text="abc"), "done"]), tool), await other_worker(env, serving(serve)):
        _, handle = await env.run("Go.", env.agent(tool))
        (result,) = await env.tool_results(handle)
    assert received == [
        {"text": "abc"},
        {"task_id": handle.id, "call_id": "c0", "idempotency_key": f"{handle.id}/c0", "step": 1, "agent": "a"},
    ]
    assert (result.content, result.is_error) == ('{"length": 3}', False)


async def test_200_kib_go_both_ways_without_our_payload_storage(env: TaskEnvironment) -> None:
    received: list[str] = []

    def serve(arguments: RawValue, context: RawValue) -> RawValue:
        received.append(json.loads(arguments.payload.data)["text"])
        return plain(KIB_200)

    (result,) = await results_of(env, external(env), [call(text=KIB_200)], serve)
    assert received == [KIB_200]
    assert (result.content[:3], result.is_error) == ("äää", False)
    assert len(result.content) <= MAX_RESULT_CHARS


async def test_as_many_calls_as_a_step_may_have_fit_temporals_messages_with_200_kib_each(env: TaskEnvironment) -> None:
    received: set[str] = set()

    def serve(arguments: RawValue, context: RawValue) -> RawValue:
        received.add(json.loads(context.payload.data)["call_id"])
        return plain(len(json.loads(arguments.payload.data)["text"]))

    calls = [call(number, text=KIB_200) for number in range(MAX_PARALLEL_CALLS)]
    results = await results_of(env, external(env), calls, serve)
    assert received == {call.id for call in calls}
    assert {result.content for result in results} == {str(len(KIB_200))}


async def test_arguments_that_temporal_cannot_take_are_an_error_before_the_call(env: TaskEnvironment) -> None:
    tool = external(env, "irreversible")
    async with env.worker(ScriptedModel([call(text="x" * MAX_PLAIN_BYTES), "done"]), tool):
        _, handle = await env.run("Go.", env.agent(tool))
        (result,) = await env.tool_results(handle)
        ledger = await handle.query(AgentTask.tool_calls)
        events = await env.history(handle)
    assert [entry.state for entry in ledger.tool_calls] == ["not_done"]
    assert result.content == (
        "other was not called: its arguments have 1,000,011 bytes, and it takes 1,000,000 at most. "
        "Send less at a time, or a reference to the data."
    )
    assert result.is_error
    scheduled = [event.activity_task_scheduled_event_attributes.activity_type.name for event in events]
    assert "tool.other" not in scheduled


@pytest.mark.parametrize(
    ("returned", "content"),
    [
        pytest.param(RawValue(Payload()), "null", id="nothing, as in Go"),
        pytest.param(RawValue(Payload(metadata={"encoding": b"binary/null"})), "null", id="nothing"),
        pytest.param(
            RawValue(Payload(metadata={"encoding": b"binary/plain"}, data=b"\x00")),
            "its result can't be read: its encoding is 'binary/plain', and not json/plain.",
            id="bytes",
        ),
        pytest.param(plain("x", "binary/encrypted"), "its encoding is 'binary/encrypted'", id="a codec of its own"),
        pytest.param(RawValue(Payload(metadata={"encoding": b"json/plain"}, data=b"{")), "can't be read", id="no JSON"),
        pytest.param(plain("x" * 3_000_000), "larger than Temporal takes, which is 2 MiB", id="over 2 MiB"),
        pytest.param(plain("x" * 6_000_000), "larger than Temporal takes, which is 2 MiB", id="over 4 MiB"),
    ],
)
async def test_whatever_another_programs_worker_returns_the_task_goes_on(
    env: TaskEnvironment, returned: RawValue, content: str
) -> None:
    tool = external(env, "irreversible")
    served = serving(lambda arguments, context: returned)
    async with env.worker(ScriptedModel([call(), "done"]), tool), await other_worker(env, served):
        _, handle = await env.run("Go.", env.agent(tool))
        (result,) = await env.tool_results(handle)
        ledger = await handle.query(AgentTask.tool_calls)
        events = await events_of(await handle.fetch_history(), data_dir=env.settings.data_dir)
    assert content in result.content, result.content
    assert result.is_error == (content != "null")
    assert [entry.state for entry in ledger.tool_calls] == ["done"]
    assert len([event for event in events if event.type in ("tool.completed", "tool.failed")]) == 1


async def test_arguments_that_do_not_fit_the_schema_do_not_leave(env: TaskEnvironment) -> None:
    received: list[RawValue] = []

    def serve(arguments: RawValue, context: RawValue) -> RawValue:
        received.append(arguments)
        return plain("served")

    wrong, right = await results_of(env, external(env, "irreversible"), [call(text=1), call(1, text="a")], serve)
    assert wrong.content.endswith("call again:\n- text: 1 is not of type 'string'")
    assert (right.content, len(received)) == ("served", 1)


@pytest.mark.parametrize(
    ("effect", "non_retryable", "attempts"),
    [("idempotent", False, 4), ("idempotent", True, 1), ("irreversible", False, 1)],
    ids=["retried", "not retryable", "irreversible"],
)
async def test_the_model_reads_the_message_of_a_failure_after_as_many_attempts_as_the_effect_allows(
    env: TaskEnvironment, effect: Effect, non_retryable: bool, attempts: int
) -> None:
    made: list[int] = []

    def serve(arguments: RawValue, context: RawValue) -> RawValue:
        made.append(activity.info().attempt)
        raise ApplicationError("No such mailbox: ada.", type="Bounced", non_retryable=non_retryable)

    (result,) = await results_of(env, external(env, effect), [call()], serve)
    assert (result.content, result.is_error) == ("No such mailbox: ada.", True)
    assert len(made) == attempts


@pytest.mark.parametrize(("heartbeat", "timeout_s"), [(None, 0), (7, 7)], ids=["none needed", "as defined"])
async def test_an_attempt_may_take_the_tools_timeout_and_heartbeats_are_needed_where_its_file_says_so(
    env: TaskEnvironment, heartbeat: float | None, timeout_s: int
) -> None:
    tool = external(env, timeout=33, heartbeat=heartbeat)
    served = serving(lambda arguments, context: plain("served"))
    async with env.worker(ScriptedModel([call(), "done"]), tool), await other_worker(env, served):
        _, handle = await env.run("Go.", env.agent(tool))
        events = await env.history(handle)
    (scheduled,) = [
        event.activity_task_scheduled_event_attributes
        for event in events
        if event.activity_task_scheduled_event_attributes.activity_type.name == "tool.other"
    ]
    assert (scheduled.heartbeat_timeout.seconds, scheduled.start_to_close_timeout.seconds) == (timeout_s, 33)


async def wait_for_refusal(env: TaskEnvironment, handle: Any, error_type: str) -> None:
    async with asyncio.timeout(30):
        async for event in handle.fetch_history_events(wait_new_event=True):
            failure = event.activity_task_failed_event_attributes.failure
            if failure.application_failure_info.type == error_type:
                return


async def test_a_worker_that_lacks_the_tool_refuses_it_and_one_that_has_it_serves_the_irreversible_call(
    env: TaskEnvironment,
) -> None:
    tool = external(env, "irreversible")
    unrelated = serving(lambda arguments, context: plain("no"), name="tool.unrelated")
    async with env.worker(ScriptedModel([call(), "done"]), tool):
        async with await other_worker(env, unrelated):
            handle = await env.start("Go.", env.agent(tool))
            await wait_for_refusal(env, handle, "NotFoundError")
        async with await other_worker(env, serving(lambda arguments, context: plain("served"))):
            await env.result(handle)
            (result,) = await env.tool_results(handle)
    assert result.content == "served"


async def test_our_own_worker_refuses_a_call_of_an_external_tool(env: TaskEnvironment) -> None:
    tool = external(env, task_queue=env.settings.task_queue)
    async with env.worker(ScriptedModel([call(), "done"]), tool):
        handle = await env.start("Go.", env.agent(tool))
        await wait_for_refusal(env, handle, ToolNotServed.__name__)
        await handle.terminate()
