"""One trace a task, at a real receiver: across an approval, another worker, a cache of none, and for a caller."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import MetricMeter, SearchAttributePair, TypedSearchAttributes
from temporalio.plugin import SimplePlugin
from temporalio.runtime import Runtime
from temporalio.worker import Plugin, Worker

from activities.settings import Settings
from activities.storage.transcript_cache import TranscriptCache
from activities.storage.transcript_reader import TranscriptReader
from activities.telemetry.task_metrics import TaskMetrics
from activities.temporal.data_converter import CompactPayloadConverter
from activities.tenants.tenant_settings import TenantSettings
from activities.worker_activities import worker_activities
from agentkit.config.secret_sources import SecretSource
from agentkit.errors import ModelRequestRejected, ModelUnavailable
from agentkit.input_requests import InputRequest
from agentkit.interfaces import ModelRequest, NewMemory
from agentkit.memory.edge_points import EdgePoints
from agentkit.memory.vector_memory import VectorMemory
from agentkit.messages import ToolCall, user_message
from agentkit.schemas.output_check import InlineOutputChecker
from agentkit.secrets import SecretStore
from agentkit.telemetry import trace_id
from agentkit.testing import ScriptedModel, ScriptedResponse, WordEmbedder
from agentkit.tools import ToolRegistry, tool
from tests.polling import eventually, eventually_found
from tests.received_telemetry import ReceivedTelemetry, attributes_of, plain, receiving_telemetry, span_tree
from tests.recorded_labels import meter_of
from tests.workflows.answering import answer
from tests.workflows.conftest import Handle, TaskEnvironment
from tests.workflows.memory_workers import ADA, agent_with_memory, memory_served, start_for_user
from tests.workflows.repeated_queries import RepeatedQueries
from workflows.agent_task import AgentTask
from workflows.search_attributes import AGENT, MEMO_INPUT_REQUESTS, MEMO_TRACEPARENT
from workflows.task_types import TaskInput
from workflows.telemetry.task_facts import TaskFactsCache
from workflows.telemetry.worker_telemetry import WorkerTelemetry, worker_telemetry
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
async def receiving(monkeypatch: pytest.MonkeyPatch, content: str = "NO_CONTENT") -> AsyncIterator[ReceivedTelemetry]:
    """Receive what workers export that start meanwhile."""
    async with receiving_telemetry() as received:
        variables = {**received.variables, "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": content}
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield received


def forgetful_worker(env: TaskEnvironment, model: ScriptedModel, plugin: Plugin | None = None) -> Worker:
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
        plugins=worker_telemetry(env.client, env.settings) if plugin is None else [plugin],
        max_cached_workflows=0,
    )


async def start(
    env: TaskEnvironment,
    traceparent: str | None = None,
    *,
    text: str = "Buy it.",
    start_delay: timedelta | None = None,
) -> Handle:
    """Start a task as the API does: with its agent's name, and the caller's span."""
    start_at = None if start_delay is None else datetime.now(UTC) + start_delay
    return await env.client.start_workflow(
        AgentTask.run,
        TaskInput(agent=env.agent(look, pay, name="buyer"), message=user_message(text), start_at=start_at),
        id=f"task-{uuid.uuid4().hex}",
        task_queue=env.settings.task_queue,
        search_attributes=TypedSearchAttributes([SearchAttributePair(AGENT, "buyer")]),
        memo={MEMO_TRACEPARENT: traceparent} if traceparent else None,
        start_delay=start_delay,
    )


async def listed_requests(handle: Handle) -> list[InputRequest]:
    """Return the open requests of a task by its memo: a query may hang where a worker caches nothing."""
    memo = await (await handle.describe()).memo_value(MEMO_INPUT_REQUESTS, default=())
    return [InputRequest.model_validate(each) for each in memo]


async def test_a_task_with_an_approval_a_retry_and_another_worker_is_one_tree(
    env: TaskEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    responses: list[ScriptedResponse] = [
        ModelUnavailable("Later.", status=503, retry_after=0),
        (ToolCall(id="l", name="look", arguments={"place": "shop"}),),
        (ToolCall(id="p", name="pay", arguments={"amount": 3}),),
    ]
    async with receiving(monkeypatch) as received:
        async with forgetful_worker(env, ScriptedModel(responses)):
            handle = await start(env)
            await eventually_found(partial(listed_requests, handle))
            await eventually(lambda: len(received.named("chat m")) == 3)
            (request,) = await listed_requests(handle)
        before = Counter(span.name for span in received.spans)
        async with forgetful_worker(env, ScriptedModel(["Bought."])):
            await answer(handle, request, "approve")
            await env.result(handle)
        await eventually(lambda: bool(received.named("invoke_agent buyer")))
    assert before == {"chat m": 3, "execute_tool look": 1}, "a waiting task shows what it did"
    counts = Counter(span.name for span in received.spans)
    tool_spans = {"execute_tool look": 1, "execute_tool pay": 1}
    assert counts == {"invoke_agent buyer": 1, "chat m": 4, "wait approval": 1, **tool_spans}
    assert span_tree(received.spans).startswith("invoke_agent buyer")
    (root,) = received.named("invoke_agent buyer")
    assert {span.trace_id for span in received.spans} == {trace_id(handle.id).to_bytes(16)}
    assert {span.parent_span_id for span in received.spans if span is not root} == {root.span_id}
    assert root.parent_span_id == b""
    failed = [span for span in received.spans if span.status.code == Status.STATUS_CODE_ERROR]
    assert [span.name for span in failed] == ["chat m"], "the retry is a span of its own"
    assert SECRET not in "".join(map(str, received.spans)), "no contents unless they are asked for"
    assert not received.events


async def test_memories_are_recalled_and_embedded_in_the_same_trace(
    env: TaskEnvironment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    memory = VectorMemory(EdgePoints(tmp_path), WordEmbedder("openai:words"))
    await memory.remember(ADA, NewMemory(text="Ada likes tea.", key="1"))
    note = ToolCall(id="r", name="remember", arguments={"text": "Ada has a cat."})
    async with receiving(monkeypatch, "SPAN_ONLY") as received:
        models = ScriptedModel([note, "Hi."])
        async with memory_served(env, memory, plugins=worker_telemetry), env.worker(models):
            handle = await start_for_user(env, "Tea?", agent_with_memory(env, recall=3, long_term=True))
            await env.result(handle)
        await eventually(lambda: len(received.spans) == 7)
    assert span_tree(received.spans).splitlines() == [
        "invoke_agent unknown       opspawn.status=completed",
        "├── recall",
        "│   └── embeddings words",
        "├── chat m",
        "├── execute_tool remember",
        "│   └── embeddings words",
        "└── chat m",
    ]
    (recall,) = received.named("recall")
    values = {name: plain(value) for name, value in attributes_of(recall).items()}
    assert (values["gen_ai.operation.name"], values["gen_ai.memory.record.count"]) == ("search_memory", 1)
    assert json.loads(str(values["gen_ai.memory.records"]))[0]["content"] == "Ada likes tea."
    embedded = {name: plain(value) for name, value in attributes_of(received.named("embeddings words")[0]).items()}
    assert embedded["gen_ai.operation.name"] == "embeddings"
    assert embedded["gen_ai.provider.name"] == "openai"
    assert embedded["gen_ai.embeddings.dimension.count"] == 128
    assert received.named("embeddings words")[0].kind == Span.SPAN_KIND_CLIENT


async def test_secrets_are_redacted_in_contents_names_and_attributes(
    env: TaskEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = SecretStore({"door": SecretSource(env="DOOR")}, Path(), {"DOOR": SECRET})
    call = ToolCall(id=SECRET, name="look", arguments={"place": SECRET})
    async with receiving(monkeypatch, "SPAN_AND_EVENT") as received:
        (plugin,) = worker_telemetry(env.client, env.settings, secrets)
        async with forgetful_worker(env, ScriptedModel([call, f"It is {SECRET}."]), plugin):
            await env.result(await start(env, text=f"Look at {SECRET}."))
        await eventually(lambda: len(received.events) == 2 and len(received.spans) == 4)
    exported = "".join(map(str, (*received.spans, *received.events)))
    assert "[secret:door]" in exported
    assert SECRET not in exported


async def test_with_events_only_no_span_has_contents(env: TaskEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    call = ToolCall(id="l", name="look", arguments={"place": "shop"})
    async with receiving(monkeypatch, "event_only") as received:
        async with env.worker(ScriptedModel([call, "Found it."]), look, pay):
            handle = await start(env)
            await env.result(handle)
        await eventually(lambda: len(received.events) == 2 and len(received.spans) == 4)
    assert "Found it." not in "".join(map(str, received.spans))
    assert {event.event_name for event in received.events} == {"gen_ai.client.inference.operation.details"}
    assert {event.span_id for event in received.events} == {span.span_id for span in received.named("chat m")}
    values = {name: plain(value) for name, value in attributes_of(received.events[-1]).items()}
    text = [{"type": "text", "content": "Found it."}]
    assert values["gen_ai.output.messages"] == [{"role": "assistant", "parts": text, "finish_reason": "stop"}]
    assert [each["name"] for each in cast(list[dict[str, str]], values["gen_ai.tool.definitions"])] == ["look", "pay"]
    assert values["opspawn.task.id"] == handle.id


async def test_a_task_that_fails_or_is_cancelled_has_its_span(
    env: TaskEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = asyncio.Event()

    async def script(request: ModelRequest) -> ScriptedResponse:
        if request.messages[0].text == "Fail.":
            raise ModelRequestRejected("No.", status=400)
        started.set()
        return await asyncio.Future()

    async with receiving(monkeypatch) as received:
        async with env.worker(ScriptedModel(script), look, pay):
            failing, cancelled = await start(env, text="Fail."), await start(env)
            await env.failure(failing)
            await asyncio.wait_for(started.wait(), 20)
            await cancelled.cancel()
            with pytest.raises(WorkflowFailureError):
                await env.result(cancelled)
        await eventually(lambda: len(received.named("invoke_agent buyer")) == 2)
    ends = [attributes_of(span) for span in received.named("invoke_agent buyer")]
    found = {each["opspawn.task.id"].string_value: each for each in ends}
    assert found[failing.id]["opspawn.status"].string_value == "failed"
    assert found[failing.id]["error.type"].string_value == "ModelRequestRejected"
    assert found[cancelled.id]["opspawn.status"].string_value == "cancelled"


async def test_a_task_that_continues_as_new_is_one_tree(
    each_step_env: TaskEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = each_step_env
    calls = [ToolCall(id=str(number), name="look", arguments={"place": "x"}) for number in range(3)]
    async with receiving(monkeypatch) as received:
        async with env.worker(ScriptedModel.by_step([*calls, "Done."]), look, pay):
            handle = await start(env)
            first_run = (await handle.describe()).run_id
            await env.result(handle)
            assert (await handle.describe()).run_id != first_run
        await eventually(lambda: bool(received.named("invoke_agent buyer")))
    assert span_tree(received.spans)
    assert len(received.named("execute_tool look")) == 3


async def test_a_tool_call_whose_contents_cannot_be_captured_is_done_all_the_same(
    env: TaskEnvironment, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Undecoded(CompactPayloadConverter):
        def from_payloads(self, payloads: Sequence[Payload], type_hints: list[type] | None = None) -> list[Any]:
            if type_hints is None and b"dark" in payloads[0].data:  # the tool itself asks for its types
                raise ValueError("It can't be decoded.")
            return super().from_payloads(payloads, type_hints)

    calls = [ToolCall(id=place, name="look", arguments={"place": place}) for place in ("shop", "dark")]
    converter = replace(env.client.data_converter, payload_converter_class=Undecoded)
    client = Client(env.client.service_client, data_converter=converter, interceptors=[RepeatedQueries()])
    env = TaskEnvironment(client, env.settings)
    async with receiving(monkeypatch, "SPAN_ONLY") as received:
        async with forgetful_worker(env, ScriptedModel([*calls, "Done."])):
            handle = await start(env)
            await env.result(handle)
        await eventually(lambda: len(received.named("execute_tool look")) == 2)
    found = {
        each["gen_ai.tool.call.id"].string_value: each
        for each in map(attributes_of, received.named("execute_tool look"))
    }
    assert json.loads(found["shop"]["gen_ai.tool.call.arguments"].string_value) == {"place": "shop"}
    assert "gen_ai.tool.call.arguments" not in found["dark"]
    assert "It can't be decoded." in caplog.text


async def test_the_queue_time_of_a_task_with_start_at_counts_from_then(env: TaskEnvironment) -> None:
    queue_times: list[float] = []

    class Metrics(TaskMetrics):
        def task_started(self, queue_s: float, labels: dict[str, str]) -> None:
            queue_times.append(queue_s)

    parts = WorkerTelemetry(TaskFactsCache(env.client), Metrics(MetricMeter.noop), None)
    plugin = SimplePlugin("test", interceptors=[parts], run_context=parts.running)
    wait = timedelta(seconds=1)
    async with forgetful_worker(env, ScriptedModel(["Hello."]), plugin):
        await env.result(await start(env, start_delay=wait))
    assert len(queue_times) == 1
    assert queue_times[0] < wait.total_seconds()


def test_agents_of_the_app_and_tenants_of_the_settings_are_always_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "buyer.yaml").write_text("instructions: Buy.")
    found: list[dict[str, str]] = []
    monkeypatch.setattr(Runtime, "metric_meter", meter_of(found))
    client: Any = None  # nothing is asked of it
    settings = Settings(app_dir=tmp_path, worker_metrics="127.0.0.1:1", tenants={"acme": TenantSettings()})
    (plugin,) = worker_telemetry(client, settings)
    (telemetry,) = plugin.interceptors  # type: ignore[misc]
    assert isinstance(telemetry, WorkerTelemetry)
    for name in (*(f"invented-{number}" for number in range(500)), "buyer", "assistant"):
        telemetry.metrics.task_started(1.0, {"agent": name, "tenant": name})
    telemetry.metrics.task_started(1.0, {"agent": "assistant", "tenant": "acme"})
    assert found[499:] == [
        {"agent": "other", "tenant": "other"},
        {"agent": "buyer", "tenant": "other"},
        {"agent": "assistant", "tenant": "other"},
        {"agent": "assistant", "tenant": "acme"},
    ]


async def test_the_trace_of_a_caller_is_continued(env: TaskEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving(monkeypatch) as received:
        async with env.worker(ScriptedModel(["Hello."]), look, pay):
            await env.result(await start(env, CALLER))
        await eventually(lambda: len(received.spans) == 2)
    (root,) = received.named("invoke_agent buyer")
    assert {span.trace_id.hex() for span in received.spans} == {CALLER.split("-")[1]}
    assert root.parent_span_id.hex() == CALLER.split("-")[2]
    (chat,) = received.named("chat m")
    attributes = attributes_of(chat)
    assert attributes["gen_ai.usage.input_tokens"].int_value == 10
    assert attributes["gen_ai.provider.name"].string_value == "scripted"
    assert plain(attributes["gen_ai.response.finish_reasons"]) == ["stop"]
