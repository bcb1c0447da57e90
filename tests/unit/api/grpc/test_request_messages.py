from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from api.grpc.message_fields import idempotency_key
from api.grpc.request_messages import new_task, task_list_request, wait_seconds
from api.grpc.status_mapping import error_status
from api.proto.opspawn.v1 import tasks_pb2
from api.tasks.errors import RequestInvalid
from api.tasks.requests.task_requests import NewTask
from api.tasks.starting.task_start import request_hash
from tests.unit.api.grpc.status_details import violations_of

HELLO = tasks_pb2.Input(text="Hello")
IMAGE = tasks_pb2.Image(data=b"\x89PNG", media_type="image/png")
LATER = tasks_pb2.LimitsChange.FromString(b"\x28\x07")  # on_exhausted: 7, of a later release


def create(**fields: object) -> tasks_pb2.CreateTaskRequest:
    return tasks_pb2.CreateTaskRequest(**{"agent": "assistant", "input": HELLO, **fields})  # type: ignore[arg-type]


def invalid_fields(call: Callable[[], object]) -> list[str]:
    """Return the fields that the client reads in the status of an invalid request."""
    with pytest.raises(RequestInvalid) as raised:
        call()
    return list(violations_of(error_status(raised.value)))


def test_a_request_is_the_same_task_as_over_rest() -> None:
    image = tasks_pb2.InputPart(image=IMAGE)
    file = tasks_pb2.InputPart(file=tasks_pb2.File(data=b"%PD", media_type="application/pdf", name="a.pdf"))
    request = create(
        input=tasks_pb2.Input(parts=[tasks_pb2.InputPart(text="Look:"), image, file]),
        limits=tasks_pb2.LimitsChange(max_steps=2, max_repeats=0, deadline=Duration(seconds=90)),
        tags=["a"],
        metadata={"k": "v"},
    )
    body = {
        "agent": "assistant",
        "input": [
            {"type": "text", "text": "Look:"},
            {"type": "image", "data": "iVBORw==", "media_type": "image/png"},
            {"type": "file", "data": "JVBE", "media_type": "application/pdf", "name": "a.pdf"},
        ],
        "limits": {"max_steps": 2, "max_repeats": 0, "deadline": 90.0},
        "tags": ["a"],
        "metadata": {"k": "v"},
    }
    assert new_task(request) == NewTask.model_validate(body)
    assert request_hash(new_task(request)) == request_hash(NewTask.model_validate(body))


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"input": tasks_pb2.Input(text=" ")}, ["input"]),
        ({"input": tasks_pb2.Input(text="a", parts=[tasks_pb2.InputPart(text="b")])}, ["input"]),
        (
            {"input": tasks_pb2.Input(parts=[tasks_pb2.InputPart(image=tasks_pb2.Image(data=b"x"))])},
            ["input.parts[0]"],
        ),
        ({"input": tasks_pb2.Input(text="a", prompt=tasks_pb2.PromptInput(prompt="b/c"))}, ["input"]),
        ({"input": tasks_pb2.Input(prompt=tasks_pb2.PromptInput(prompt="b"))}, ["input.prompt.prompt"]),
        ({"agent": "a" * 256}, ["agent"]),
        ({"limits": tasks_pb2.LimitsChange(max_steps=0)}, ["limits.max_steps"]),
        ({"limits": LATER}, ["limits.on_exhausted"]),
        ({"tags": ["fine", "x" * 65]}, ["tags[1]"]),
        ({"metadata": {"4711": "v" * 1025}}, ["metadata.4711"]),
        ({"start_at": Timestamp(seconds=2**40)}, ["start_at"]),
        ({"output_schema": Struct(fields={"minimum": Value(number_value=float("nan"))})}, ["output_schema"]),
        ({"conversation_id": "c"}, ["conversation_id"]),
        ({"tags": [""], "model": "m" * 300}, ["model", "tags[0]"]),
    ],
)
def test_a_wrong_field_is_named_by_its_path(fields: dict[str, object], names: list[str]) -> None:
    assert invalid_fields(lambda: new_task(create(**fields))) == names


def test_prompts_and_resources_are_the_same_input_as_over_rest() -> None:
    prompt = tasks_pb2.PromptInput(prompt="notes/review", arguments={"change": "17"})
    resource = tasks_pb2.InputPart(resource=tasks_pb2.ResourceInput(uri="a:b", server="notes"))
    requests = [create(input=tasks_pb2.Input(prompt=prompt)), create(input=tasks_pb2.Input(parts=[resource]))]
    bodies = [
        {"prompt": "notes/review", "arguments": {"change": "17"}},
        [{"type": "resource", "uri": "a:b", "server": "notes"}],
    ]
    for request, body in zip(requests, bodies, strict=True):
        assert request_hash(new_task(request)) == request_hash(
            NewTask.model_validate({"agent": "assistant", "input": body})
        )


def test_a_request_without_input_lacks_it() -> None:
    assert invalid_fields(lambda: new_task(tasks_pb2.CreateTaskRequest(agent="assistant"))) == ["input"]


def test_an_idempotency_key_is_optional_but_not_empty() -> None:
    assert idempotency_key(create()) is None
    assert idempotency_key(create(idempotency_key="k1")) == "k1"
    assert invalid_fields(lambda: idempotency_key(create(idempotency_key=""))) == ["idempotency_key"]


def test_zero_and_empty_filters_are_left_out() -> None:
    request = task_list_request(tasks_pb2.ListTasksRequest(limit=0, agent="", cursor=""))
    assert (request.limit, request.agent, request.cursor, request.status) == (50, None, None, ())


def test_filters_have_the_words_and_times_of_the_core() -> None:
    message = tasks_pb2.ListTasksRequest(
        status=[tasks_pb2.TASK_STATUS_TIMED_OUT], created_after=Timestamp(seconds=1_795_290_791)
    )
    request = task_list_request(message)
    assert request.status == ("timed_out",)
    assert request.created_after == datetime.fromtimestamp(1_795_290_791, UTC)


@pytest.mark.parametrize(
    ("message", "names"),
    [
        (tasks_pb2.ListTasksRequest(limit=201), ["limit"]),
        (tasks_pb2.ListTasksRequest(status=[99]), ["status[0]"]),  # type: ignore[list-item]
        (tasks_pb2.ListTasksRequest(tag="a'"), ["tag"]),
    ],
    ids=["limit", "status", "tag"],
)
def test_a_wrong_filter_is_named(message: tasks_pb2.ListTasksRequest, names: list[str]) -> None:
    assert invalid_fields(lambda: task_list_request(message)) == names


@pytest.mark.parametrize(("seconds", "nanos"), [(61, 0), (60, 1), (-1, 0)])
def test_a_wait_is_bounded(seconds: int, nanos: int) -> None:
    request = tasks_pb2.GetTaskRequest(wait=Duration(seconds=seconds, nanos=nanos))
    assert invalid_fields(lambda: wait_seconds(request)) == ["wait"]


def test_a_wait_is_read_in_seconds() -> None:
    assert wait_seconds(tasks_pb2.GetTaskRequest(wait=Duration(seconds=1, nanos=500_000_000))) == 1.5
    assert wait_seconds(tasks_pb2.GetTaskRequest()) == 0
