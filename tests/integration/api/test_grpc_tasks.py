"""Tasks over gRPC: the same rules and errors as over REST."""

from __future__ import annotations

import asyncio
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
from tests.integration.api.conftest import WITHIN, Front, eventually
from tests.integration.api.grpc_front import failure, request, rpc

SCHEMA = {"type": "object", "properties": {"answer": {"type": "integer", "minimum": 1}}, "required": ["answer"]}


def struct(**values: Any) -> Struct:
    found = Struct()
    found.update(values)
    return found


async def test_a_task_is_started_waited_for_and_the_same_over_rest(front: Front) -> None:
    call = ToolCall(id="1", name="nothing", arguments={})
    async with front.worker([call, "the answer"]), rpc(front) as api:
        answer = await api.stub.CreateTask(request(tags=["a"], metadata={"k": "v"}, user="ann"))
        assert answer.created
        assert answer.task.status == tasks_pb2.TASK_STATUS_QUEUED
        task = await api.task(answer.task.id, wait=WITHIN)
    rest = await front.task(task.id)
    assert (task.status, task.output.string_value) == (tasks_pb2.TASK_STATUS_COMPLETED, "the answer")
    assert (task.input.text, list(task.tags), dict(task.metadata), task.user) == ("Hello", ["a"], {"k": "v"}, "ann")
    assert (task.steps, task.usage.model_calls, task.usage.tokens) == (2, 2, 30)
    assert not task.HasField("error")
    for name in ("created_at", "started_at", "completed_at"):
        assert getattr(task, name).ToDatetime(tzinfo=UTC) == datetime.fromisoformat(rest[name])
    assert MessageToDict(task.links, preserving_proto_field_name=True) == rest["links"]


async def test_a_key_gives_the_first_task_again_whichever_protocol_asked(front: Front) -> None:
    created = await front.http.post(
        "/api/v1/tasks", json={"agent": "assistant", "input": "Hello"}, headers={"Idempotency-Key": "k1"}
    )
    async with rpc(front) as api:
        again = await api.stub.CreateTask(request(idempotency_key="k1"))
        refused = await failure(api.stub.CreateTask(request("Other", idempotency_key="k1")))
        no_key = await failure(api.stub.CreateTask(request(idempotency_key="")))
    assert (again.task.id, again.created) == (created.json()["id"], False)
    assert (refused.code, refused.reason) == (StatusCode.ALREADY_EXISTS, "IDEMPOTENCY_CONFLICT")
    assert refused.fields.keys() == no_key.fields.keys() == {"idempotency_key"}


async def test_everything_that_a_request_can_say_arrives(front: Front) -> None:
    spec = struct(name="adhoc", model="demo:demo", instructions="Sum.", limits={"max_steps": 3})
    image = tasks_pb2.Image(data=b"\x89PNG", media_type="image/png")
    parts = [tasks_pb2.InputPart(text="Look:"), tasks_pb2.InputPart(image=image)]
    limits = tasks_pb2.LimitsChange(max_steps=2, deadline=Duration(seconds=90))
    async with front.worker(['{"answer": 42}']), rpc(front) as api:
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


async def test_a_failed_task_tells_why(front: Front) -> None:
    async with front.worker([ModelRequestRejected("no such model", status=404)]), rpc(front) as api:
        task = await api.task(await api.submit(), wait=WITHIN)
    assert task.status == tasks_pb2.TASK_STATUS_FAILED
    assert (task.error.type, task.error.step) == ("ModelRequestRejected", 1)
    assert not task.HasField("output")


async def test_tasks_are_listed_in_pages_and_by_filters(front: Front) -> None:
    async with rpc(front) as api:
        tag = front.settings.task_queue
        ids = [await api.submit(tags=[tag]) for _ in range(3)]

        async def page(**fields: Any) -> tasks_pb2.ListTasksResponse:
            return await api.stub.ListTasks(tasks_pb2.ListTasksRequest(tag=tag, **fields))

        first = await eventually(lambda: page(limit=2), lambda answer: answer.total == 3)
        second = await page(limit=2, cursor=first.next_cursor)
        none = await page(status=[tasks_pb2.TASK_STATUS_COMPLETED, tasks_pb2.TASK_STATUS_FAILED])
        wrong = await failure(page(cursor="x"))
    assert [task.id for task in (*first.tasks, *second.tasks)] == ids[::-1]
    assert (second.next_cursor, none.total) == ("", 0)
    assert (wrong.code, wrong.reason, [*wrong.fields]) == (StatusCode.INVALID_ARGUMENT, "CURSOR_INVALID", ["cursor"])


async def test_a_task_is_cancelled_once(front: Front) -> None:
    async with rpc(front) as api:
        task_id = await api.submit()
        asked = tasks_pb2.CancelTaskRequest(task_id=task_id)
        assert (await api.stub.CancelTask(asked)).task.id == task_id
        async with front.worker([]):
            assert (await api.task(task_id, wait=WITHIN)).status == tasks_pb2.TASK_STATUS_CANCELLED
        late = await failure(api.stub.CancelTask(asked))
    assert (late.code, late.reason) == (StatusCode.FAILED_PRECONDITION, "TASK_ENDED")


async def test_what_is_wrong_with_a_request_is_told_by_its_fields(front: Front) -> None:
    image = tasks_pb2.InputPart(image=tasks_pb2.Image(data=b"x"))
    odd = tasks_pb2.LimitsChange.FromString(b"\x28\x07")  # on_exhausted: 7, of a release to come
    wrong: dict[str, dict[str, Any]] = {
        "agent": {"agent": "nobody"},
        "input": {"input": tasks_pb2.Input(text=" ")},
        "input.parts[1]": {"input": tasks_pb2.Input(parts=[tasks_pb2.InputPart(text="a"), image])},
        "limits.max_steps": {"limits": tasks_pb2.LimitsChange(max_steps=0)},
        "limits.on_exhausted": {"limits": odd},
        "tags[1]": {"tags": ["fine", "x" * 65]},
        "start_at": {"start_at": Timestamp(seconds=2**40)},
        "output_schema": {"output_schema": struct(minimum=float("nan"))},
        "conversation_id": {"conversation_id": "c"},
    }
    async with rpc(front) as api:
        for field, fields in wrong.items():
            found = await failure(api.stub.CreateTask(request(**fields)))
            assert (found.code, list(found.fields)) == (StatusCode.INVALID_ARGUMENT, [field]), found
        several = await failure(api.stub.CreateTask(tasks_pb2.CreateTaskRequest(tags=[""], model="m" * 300)))
        too_long = await failure(api.task("x", wait=61))
    assert several.reason == too_long.reason == "REQUEST_INVALID"
    assert several.fields.keys() == {"input", "tags[0]", "model"}
    assert several.message.endswith("(2 more)")
    assert too_long.fields.keys() == {"wait"}


@pytest.mark.parametrize("task_id", ["", "task-4711", "x" * 300], ids=["empty", "unknown", "long"])
async def test_an_unknown_task_is_not_found_by_any_call(front: Front, task_id: str) -> None:
    async with rpc(front) as api:
        watching = api.all(task_id)
        cancelling = api.stub.CancelTask(tasks_pb2.CancelTaskRequest(task_id=task_id))
        for call in (api.task(task_id), api.task(task_id, wait=1), watching, cancelling):
            found = await failure(call)
            assert (found.code, found.reason) == (StatusCode.NOT_FOUND, "TASK_NOT_FOUND")


async def test_answering_input_is_not_there_yet_and_says_so(front: Front) -> None:
    async with rpc(front) as api:
        found = await failure(api.stub.AnswerInput(tasks_pb2.AnswerInputRequest(task_id="x")))
    assert (found.code, found.reason) == (StatusCode.UNIMPLEMENTED, "NOT_IN_THIS_RELEASE")
    assert "nothing to answer" in found.message


async def test_without_temporal_it_is_told_when_to_come_back(front: Front, unused_tcp_port: int) -> None:
    nowhere = await connect(Settings(temporal_port=unused_tcp_port), lazy=True)
    async with rpc(front, client=nowhere) as api:
        found = await failure(api.task("x"))
    assert (found.code, found.reason, found.retry_seconds) == (StatusCode.UNAVAILABLE, "TEMPORAL_UNREACHABLE", 2)


async def test_large_messages_pass_up_to_the_limit_of_a_request(front: Front) -> None:
    largest = front.settings.max_input_bytes
    text = "é" * (largest // 2 - 1000)
    async with front.worker([text]), rpc(front) as api:
        task = await api.task(await api.submit(text), wait=WITHIN)
        assert (task.input.text, task.output.string_value) == (text, text)
        with pytest.raises(AioRpcError, match="larger than max") as raised:
            await api.submit("x" * (largest + 1))
    assert raised.value.code() is StatusCode.RESOURCE_EXHAUSTED


async def test_a_wait_ends_when_the_server_stops_or_the_client_has_gone(front: Front) -> None:
    async with rpc(front) as api:
        task_id = await api.submit()
        before = len(asyncio.all_tasks())
        gone = asyncio.create_task(api.task(task_id, wait=60))
        await eventually(_tasks_here, lambda count: count > before + 3)
        gone.cancel()
        await eventually(_tasks_here, lambda count: count <= before)
        waiting = asyncio.create_task(api.task(task_id, wait=60))
        await eventually(_tasks_here, lambda count: count > before + 3)
        api.services.stopping.set()
        assert (await asyncio.wait_for(waiting, WITHIN)).status == tasks_pb2.TASK_STATUS_QUEUED


async def _tasks_here() -> int:
    return len(asyncio.all_tasks())
