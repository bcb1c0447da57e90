"""Tasks over gRPC: the same rules and errors as over REST."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import StatusCode
from grpc.aio import AioRpcError

from activities.settings import Settings
from activities.temporal.client import connect
from agentkit.errors import ModelRequestRejected
from agentkit.messages import ToolCall
from api.proto.opspawn.v1 import tasks_pb2
from tests.integration.api.conftest import WITHIN, ApiHarness, eventually
from tests.integration.api.grpc_harness import failure, request, serve_grpc

SCHEMA = {"type": "object", "properties": {"answer": {"type": "integer", "minimum": 1}}, "required": ["answer"]}


def struct(**values: Any) -> Struct:
    message = Struct()
    message.update(values)
    return message


def agent_spec(conditions: Struct) -> Struct:
    """Return an agent whose policy has one rule."""
    rule = struct(tool="calculator", then="deny")
    rule.update({"if": conditions})
    return struct(name="a", tools=["calculator"], policy=[rule])


async def test_a_task_is_created_awaited_and_the_same_over_rest(harness: ApiHarness) -> None:
    call = ToolCall(id="1", name="nothing", arguments={})
    async with harness.worker([call, "the answer"]), serve_grpc(harness) as api:
        response = await api.stub.CreateTask(request(tags=["a"], metadata={"k": "v"}, user="ann"))
        assert response.created
        assert response.task.status == tasks_pb2.TASK_STATUS_QUEUED
        task = await api.task(response.task.id, wait=WITHIN)
    rest = await harness.task(task.id)
    assert (task.status, task.output.string_value) == (tasks_pb2.TASK_STATUS_COMPLETED, "the answer")
    assert (task.input.text, list(task.tags), dict(task.metadata), task.user) == ("Hello", ["a"], {"k": "v"}, "ann")
    assert (task.steps, task.usage.model_calls, task.usage.tokens) == (2, 2, 30)
    assert not task.HasField("error")
    for name in ("created_at", "started_at", "completed_at"):
        assert getattr(task, name).ToDatetime(tzinfo=UTC) == datetime.fromisoformat(rest[name])
    assert MessageToDict(task.links, preserving_proto_field_name=True) == rest["links"]


async def test_an_idempotency_key_counts_over_rest_and_grpc_together(harness: ApiHarness) -> None:
    created = await harness.http.post(
        "/api/v1/tasks", json={"agent": "assistant", "input": "Hello"}, headers={"Idempotency-Key": "k1"}
    )
    async with serve_grpc(harness) as api:
        again = await api.stub.CreateTask(request(idempotency_key="k1"))
        refused = await failure(api.stub.CreateTask(request("Other", idempotency_key="k1")))
        no_key = await failure(api.stub.CreateTask(request(idempotency_key="")))
    assert (again.task.id, again.created) == (created.json()["id"], False)
    assert (refused.code, refused.reason) == (StatusCode.ALREADY_EXISTS, "IDEMPOTENCY_CONFLICT")
    assert refused.fields.keys() == no_key.fields.keys() == {"idempotency_key"}


async def test_every_field_of_a_request_reaches_the_task(harness: ApiHarness) -> None:
    spec = struct(name="adhoc", model="demo:demo", instructions="Sum.", limits={"max_steps": 3})
    image = tasks_pb2.Image(data=b"\x89PNG", media_type="image/png")
    parts = [tasks_pb2.InputPart(text="Look:"), tasks_pb2.InputPart(image=image)]
    limits = tasks_pb2.LimitsChange(max_steps=2, deadline=Duration(seconds=90))
    async with harness.worker(['{"answer": 42}']), serve_grpc(harness) as api:
        task_id = await api.submit(
            agent_spec=spec,
            input=tasks_pb2.Input(parts=parts),
            limits=limits,
            output_schema=struct(**SCHEMA),
            start_at=Timestamp(seconds=1),
        )
        task = await api.task(task_id, wait=WITHIN)
    assert (task.agent, MessageToDict(task.output)) == ("adhoc", {"answer": 42})
    assert list(task.input.parts) == parts


async def test_a_failed_task_has_its_error(harness: ApiHarness) -> None:
    async with harness.worker([ModelRequestRejected("no such model", status=404)]), serve_grpc(harness) as api:
        task = await api.task(await api.submit(), wait=WITHIN)
    assert task.status == tasks_pb2.TASK_STATUS_FAILED
    assert (task.error.type, task.error.step) == ("ModelRequestRejected", 1)
    assert not task.HasField("output")


async def test_tasks_are_listed_in_pages_and_by_filters(harness: ApiHarness) -> None:
    async with serve_grpc(harness) as api:
        tag = harness.settings.task_queue
        ids = [await api.submit(tags=[tag]) for _ in range(3)]

        async def page(**fields: Any) -> tasks_pb2.ListTasksResponse:
            return await api.stub.ListTasks(tasks_pb2.ListTasksRequest(tag=tag, **fields))

        # The total and the tasks of one page are of two moments: the page that is judged is read when all are listed.
        await eventually(page, lambda response: len(response.tasks) == 3)
        first = await page(limit=2)
        second = await page(limit=2, cursor=first.next_cursor)
        none = await page(status=[tasks_pb2.TASK_STATUS_COMPLETED, tasks_pb2.TASK_STATUS_FAILED])
        wrong = await failure(page(cursor="x"))
    assert [task.id for task in (*first.tasks, *second.tasks)] == ids[::-1]
    assert first.total == 3
    assert (second.next_cursor, none.total) == ("", 0)
    assert (wrong.code, wrong.reason, [*wrong.fields]) == (StatusCode.INVALID_ARGUMENT, "CURSOR_INVALID", ["cursor"])


async def test_a_task_is_cancelled_once(harness: ApiHarness) -> None:
    async with serve_grpc(harness) as api:
        task_id = await api.submit()
        cancel = tasks_pb2.CancelTaskRequest(task_id=task_id)
        assert (await api.stub.CancelTask(cancel)).task.id == task_id
        async with harness.worker([]):
            assert (await api.task(task_id, wait=WITHIN)).status == tasks_pb2.TASK_STATUS_CANCELLED
        late = await failure(api.stub.CancelTask(cancel))
    assert (late.code, late.reason) == (StatusCode.FAILED_PRECONDITION, "TASK_ENDED")


async def test_each_wrong_field_is_named_by_its_path(harness: ApiHarness) -> None:
    image = tasks_pb2.InputPart(image=tasks_pb2.Image(data=b"x"))
    later = tasks_pb2.LimitsChange.FromString(b"\x28\x07")  # on_exhausted: 7, of a later release
    wrong: dict[str, dict[str, Any]] = {
        "agent": {"agent": "nobody"},
        "input": {"input": tasks_pb2.Input(text=" ")},
        "input.parts[1]": {"input": tasks_pb2.Input(parts=[tasks_pb2.InputPart(text="a"), image])},
        "limits.max_steps": {"limits": tasks_pb2.LimitsChange(max_steps=0)},
        "limits.on_exhausted": {"limits": later},
        "tags[1]": {"tags": ["fine", "x" * 65]},
        "start_at": {"start_at": Timestamp(seconds=2**40)},
        "output_schema": {"output_schema": struct(minimum=float("nan"))},
        "conversation_id": {"conversation_id": "c"},
        "agent_spec.policy[0].if.exp": {"agent_spec": agent_spec(struct(exp=struct(lte=5)))},
        "agent_spec.policy[0].if.expression": {"agent_spec": agent_spec(struct(expression=struct()))},
        "agent_spec.approvals": {"agent_spec": struct(name="a", approvals=[])},
    }
    async with serve_grpc(harness) as api:
        for field, fields in wrong.items():
            refused = await failure(api.stub.CreateTask(request(**fields)))
            assert (refused.code, list(refused.fields)) == (StatusCode.INVALID_ARGUMENT, [field]), refused
        several = await failure(api.stub.CreateTask(tasks_pb2.CreateTaskRequest(tags=[""], model="m" * 300)))
        too_long = await failure(api.task("x", wait=61))
    assert several.reason == too_long.reason == "REQUEST_INVALID"
    assert several.fields.keys() == {"input", "tags[0]", "model"}
    assert several.message.endswith("(2 more)")
    assert too_long.fields.keys() == {"wait"}


@pytest.mark.parametrize("task_id", ["", "task-4711", "x" * 300], ids=["empty", "unknown", "long"])
async def test_an_unknown_task_is_not_found_by_any_call(harness: ApiHarness, task_id: str) -> None:
    async with serve_grpc(harness) as api:
        watching = api.all(task_id)
        cancelling = api.stub.CancelTask(tasks_pb2.CancelTaskRequest(task_id=task_id))
        answering = api.stub.AnswerInput(
            tasks_pb2.AnswerInputRequest(
                task_id=task_id, input_request_id="input_1", decision=tasks_pb2.DECISION_APPROVE
            )
        )
        for call in (api.task(task_id), api.task(task_id, wait=1), watching, cancelling, answering):
            refused = await failure(call)
            assert (refused.code, refused.reason) == (StatusCode.NOT_FOUND, "TASK_NOT_FOUND")


async def test_without_temporal_a_call_is_unavailable_with_a_retry_delay(
    harness: ApiHarness, unused_tcp_port: int
) -> None:
    nowhere = await connect(Settings(temporal_port=unused_tcp_port), lazy=True)
    async with serve_grpc(harness, client=nowhere) as api:
        refused = await failure(api.task("x"))
    assert (refused.code, refused.reason, refused.retry_seconds) == (StatusCode.UNAVAILABLE, "TEMPORAL_UNREACHABLE", 2)


async def test_large_messages_pass_up_to_the_limit_of_a_request(harness: ApiHarness) -> None:
    largest = harness.settings.max_input_bytes
    text = "é" * (largest // 2 - 1000)
    async with harness.worker([text]), serve_grpc(harness) as api:
        task = await api.task(await api.submit(text), wait=WITHIN)
        assert (task.input.text, task.output.string_value) == (text, text)
        with pytest.raises(AioRpcError, match="larger than max") as raised:
            await api.submit("x" * (largest + 1))
    assert raised.value.code() is StatusCode.RESOURCE_EXHAUSTED


async def test_a_wait_ends_when_the_server_stops_or_the_client_disconnects(harness: ApiHarness) -> None:
    async with serve_grpc(harness) as api:
        task_id = await api.submit()
        before = len(asyncio.all_tasks())
        cancelled = asyncio.create_task(api.task(task_id, wait=60))
        await eventually(_asyncio_tasks, lambda count: count > before + 3)
        cancelled.cancel()
        await eventually(_asyncio_tasks, lambda count: count <= before)
        waiting = asyncio.create_task(api.task(task_id, wait=60))
        await eventually(_asyncio_tasks, lambda count: count > before + 3)
        api.services.stopping.set()
        assert (await asyncio.wait_for(waiting, WITHIN)).status == tasks_pb2.TASK_STATUS_QUEUED


async def _asyncio_tasks() -> int:
    return len(asyncio.all_tasks())


async def raw_call(channel: Any, method: str, data: bytes) -> object:
    """Make a call with these bytes as its request; return the bytes of the first response."""
    path = f"/opspawn.v1.TaskService/{method}"
    if method == "WatchTask":
        return await anext(aiter(channel.unary_stream(path)(data, timeout=WITHIN)))
    return await channel.unary_unary(path)(data, timeout=WITHIN)


def varint(number: int) -> bytes:
    """Return a number as protobuf writes it."""
    return bytes([number & 0x7F | 0x80]) + varint(number >> 7) if number > 0x7F else bytes([number])


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\xff\xff\xff", id="garbage"),
        pytest.param(b"\x0a\x02\xff\xfe", id="no UTF-8"),
        pytest.param(b"\x0a\x7f", id="cut off"),
    ],
)
@pytest.mark.parametrize("method", ["CreateTask", "GetTask", "ListTasks", "CancelTask", "WatchTask", "AnswerInput"])
async def test_a_request_that_can_not_be_decoded_is_invalid(harness: ApiHarness, method: str, data: bytes) -> None:
    async with serve_grpc(harness) as api:
        refused = await failure(raw_call(api.channel, method, data))
        assert (await api.task((await api.stub.CreateTask(request())).task.id)).agent == "assistant"
    assert (refused.code, refused.reason) == (StatusCode.INVALID_ARGUMENT, "REQUEST_INVALID")
    assert "can't be decoded" in refused.message


async def test_a_request_that_is_nested_too_deeply_is_invalid(harness: ApiHarness) -> None:
    value = b"\x11" + bytes(8)
    for _ in range(60):  # each is a Value with a list of one
        value = b"\x32" + varint(len(value) + len(varint(len(value))) + 1) + b"\x0a" + varint(len(value)) + value
    entry = b"\x0a\x05const\x12" + varint(len(value)) + value
    schema = b"\x0a" + varint(len(entry)) + entry
    async with serve_grpc(harness) as api:
        refused = await failure(raw_call(api.channel, "CreateTask", b"\x32" + varint(len(schema)) + schema))
    assert refused.reason == "REQUEST_INVALID"


@pytest.mark.parametrize("levels", [40, 98], ids=["protobuf", "the deepest that is taken"])
async def test_a_deep_output_and_deep_arguments_are_sent_over_rest_and_grpc(harness: ApiHarness, levels: int) -> None:
    deep: Any = "x"
    for _ in range(levels):
        deep = [deep]
    schema = struct(type="array")
    call = ToolCall(id="1", name="calculator", arguments={"expression": deep})
    calculator = harness.catalog.toolset.get("calculator")
    async with harness.worker([call, json.dumps(deep)], calculator), serve_grpc(harness) as api:
        task_id = await api.submit(output_schema=schema)
        task = await api.task(task_id, wait=WITHIN)
        events = await api.all(task_id)
    assert (await harness.task(task_id))["output"] == deep
    assert innermost(MessageToDict(task.output)) == innermost(deep) == "x"
    (started,) = [event for event in events if event.type == "tool.started"]
    assert innermost(MessageToDict(started.data)["call"]["arguments"]["expression"]) == "x"


def innermost(value: Any) -> Any:
    """Return what is in nested lists, in their JSON, too."""
    while True:
        if isinstance(value, str) and value.startswith("["):
            value = json.loads(value)
        if not isinstance(value, list):
            return value
        value = value[0]
