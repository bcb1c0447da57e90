"""One trace a task, at a real receiver: across an approval, another worker, a cache of none, and for a caller."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from oteltap import OtelTapHttpProtobufReceiver, OtelTapHttpProtobufReceiverSettings
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.worker import Worker

from activities.storage.transcript_cache import TranscriptCache
from activities.storage.transcript_reader import TranscriptReader
from activities.worker_activities import worker_activities
from agentkit.errors import ModelUnavailable
from agentkit.input_requests import InputRequest
from agentkit.messages import ToolCall, user_message
from agentkit.schemas.output_check import InlineOutputChecker
from agentkit.telemetry import trace_id
from agentkit.testing import InMemoryMemory, ScriptedModel, ScriptedResponse
from agentkit.tools import ToolRegistry, tool
from tests.polling import eventually, eventually_found
from tests.reserved_ports import reserve_port
from tests.workflows.answering import answer
from tests.workflows.conftest import Handle, TaskEnvironment
from tests.workflows.memory_workers import agent_with_memory, memory_served, start_for_user
from workflows.agent_task import AgentTask
from workflows.search_attributes import AGENT, MEMO_INPUT_REQUESTS, MEMO_TRACEPARENT
from workflows.task_types import TaskInput
from workflows.telemetry.worker_telemetry import worker_telemetry
from workflows.workflow_sandbox import sandboxed_runner

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SECRET = "hunter2hunter2"


@tool(effect="idempotent")
def look(place: str) -> str:
    """Look there."""
    return f"{place}: {SECRET}"


@tool(effect="irreversible")
def pay(amount: int) -> str:
    """Pay."""
    return f"paid {amount}"


@asynccontextmanager
async def receiving(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[Span]]:
    """Receive the spans of workers that start meanwhile, in the order of their arrival."""
    port, spans = reserve_port(), list[Span]()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")

    async def collect(receiver: OtelTapHttpProtobufReceiver) -> None:
        async for span in receiver.stream_traces():
            spans.append(span)

    async with OtelTapHttpProtobufReceiver(OtelTapHttpProtobufReceiverSettings(http_port=port)) as receiver:
        collecting = asyncio.create_task(collect(receiver))
        try:
            yield spans
        finally:
            collecting.cancel()


def forgetful_worker(env: TaskEnvironment, model: ScriptedModel) -> Worker:
    """Return a worker that replays a task from its beginning at each workflow task."""
    reader = TranscriptReader(env.client, TranscriptCache(1_000_000))
    tools = ToolRegistry([look, pay])
    parts = (env.client, env.settings, {"scripted": model}, tools, reader, InlineOutputChecker())
    return Worker(
        env.client,
        task_queue=env.settings.task_queue,
        workflows=[AgentTask],
        activities=worker_activities(*parts),
        workflow_runner=sandboxed_runner(),
        plugins=worker_telemetry(env.client, env.settings),
        max_cached_workflows=0,
    )


async def start(env: TaskEnvironment, traceparent: str | None = None) -> Handle:
    """Start a task as the API does: with its agent's name, and the caller's span."""
    return await env.client.start_workflow(
        AgentTask.run,
        TaskInput(agent=env.agent(look, pay, name="buyer"), message=user_message("Buy it.")),
        id=f"task-{uuid.uuid4().hex}",
        task_queue=env.settings.task_queue,
        search_attributes=TypedSearchAttributes([SearchAttributePair(AGENT, "buyer")]),
        memo={MEMO_TRACEPARENT: traceparent} if traceparent else None,
    )


async def listed_requests(handle: Handle) -> list[InputRequest]:
    """Return the open requests of a task by its memo: a query may hang where a worker caches nothing."""
    memo = await (await handle.describe()).memo_value(MEMO_INPUT_REQUESTS, default=())
    return [InputRequest.model_validate(each) for each in memo]


def named(spans: list[Span], name: str) -> list[Span]:
    """Return the spans of this name."""
    return [span for span in spans if span.name == name]


async def test_a_task_with_an_approval_a_retry_and_another_worker_is_one_tree(
    env: TaskEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    responses: list[ScriptedResponse] = [
        ModelUnavailable("Later.", status=503, retry_after=0),
        (ToolCall(id="l", name="look", arguments={"place": "shop"}),),
        (ToolCall(id="p", name="pay", arguments={"amount": 3}),),
    ]
    async with receiving(monkeypatch) as spans:
        async with forgetful_worker(env, ScriptedModel(responses)):
            handle = await start(env)
            await eventually_found(partial(listed_requests, handle))
            await eventually(lambda: len(named(spans, "chat m")) == 3)
            (request,) = await listed_requests(handle)
        before = Counter(span.name for span in spans)
        async with forgetful_worker(env, ScriptedModel(["Bought."])):
            await answer(handle, request, "approve")
            await env.result(handle)
        await eventually(lambda: bool(named(spans, "invoke_agent buyer")))
    assert before == {"chat m": 3, "execute_tool look": 1}, "a waiting task shows what it did"
    counts = Counter(span.name for span in spans)
    tool_spans = {"execute_tool look": 1, "execute_tool pay": 1}
    assert counts == {"invoke_agent buyer": 1, "chat m": 4, "wait approval": 1, **tool_spans}
    (root,) = named(spans, "invoke_agent buyer")
    assert {span.trace_id for span in spans} == {trace_id(handle.id).to_bytes(16)}
    assert {span.parent_span_id for span in spans if span is not root} == {root.span_id}
    assert root.parent_span_id == b""
    assert len({span.span_id for span in spans}) == len(spans)
    failed = [span for span in spans if span.status.code == Status.STATUS_CODE_ERROR]
    assert [span.name for span in failed] == ["chat m"], "the retry is a span of its own"
    assert SECRET not in "".join(map(str, spans))


async def test_memories_are_recalled_in_the_same_trace(env: TaskEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving(monkeypatch) as spans:
        async with memory_served(env, InMemoryMemory(), plugins=worker_telemetry), env.worker(ScriptedModel(["Hi."])):
            handle = await start_for_user(env, "Hello.", agent_with_memory(env, recall=3))
            await env.result(handle)
        await eventually(lambda: len(spans) == 3)
    assert {span.name for span in spans} == {"recall", "chat m", "invoke_agent unknown"}
    assert {span.trace_id for span in spans} == {trace_id(handle.id).to_bytes(16)}


async def test_the_trace_of_a_caller_is_continued(env: TaskEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving(monkeypatch) as spans:
        async with env.worker(ScriptedModel(["Hello."]), look, pay):
            await env.result(await start(env, CALLER))
        await eventually(lambda: len(spans) == 2)
    (root,) = named(spans, "invoke_agent buyer")
    assert {span.trace_id.hex() for span in spans} == {CALLER.split("-")[1]}
    assert root.parent_span_id.hex() == CALLER.split("-")[2]
    (chat,) = named(spans, "chat m")
    attributes = {each.key: each.value for each in chat.attributes}
    assert attributes["gen_ai.usage.input_tokens"].int_value == 10
    assert attributes["gen_ai.provider.name"].string_value == "scripted"
