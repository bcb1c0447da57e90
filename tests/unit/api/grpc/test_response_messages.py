from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import get_args

import pytest

from agentkit.messages import FilePart, ImagePart, InputPart, TextPart
from api.events.event import Event
from api.grpc.response_messages import event_message, task_list_message, task_message
from api.proto.opspawn.v1 import tasks_pb2
from api.tasks.task_snapshot import TaskPage, TaskSnapshot, TaskUrls
from workflows.task_types import TaskStatus

AT = datetime(2026, 11, 21, 19, 53, 11, 265334, UTC)
QUEUED = TaskSnapshot(
    id="task-1", agent="assistant", status="queued", created_at=AT, links=TaskUrls("/t/", "http://ui/").links("task-1")
)


def test_fields_without_a_value_are_not_set() -> None:
    assert {field.name for field, _ in task_message(QUEUED).ListFields()} == {
        *("id", "agent", "status", "usage", "created_at", "links")
    }


@pytest.mark.parametrize("status", get_args(TaskStatus))
def test_every_status_has_its_value(status: TaskStatus) -> None:
    value = task_message(replace(QUEUED, status=status)).status
    assert tasks_pb2.TaskStatus.Name(value) == f"TASK_STATUS_{status.upper()}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Hello", tasks_pb2.Input(text="Hello")),
        (
            (TextPart(text="Look:"), ImagePart(data=b"iVBORw==", media_type="image/png")),
            tasks_pb2.Input(
                parts=[
                    tasks_pb2.InputPart(text="Look:"),
                    tasks_pb2.InputPart(image=tasks_pb2.Image(data=b"\x89PNG", media_type="image/png")),
                ]
            ),
        ),
        (
            (ImagePart(url="https://example.org/a.png"),),
            tasks_pb2.Input(parts=[tasks_pb2.InputPart(image=tasks_pb2.Image(url="https://example.org/a.png"))]),
        ),
        (
            (FilePart(data=b"JVBE", media_type="application/pdf", name="a.pdf"),),
            tasks_pb2.Input(
                parts=[
                    tasks_pb2.InputPart(file=tasks_pb2.File(data=b"%PD", media_type="application/pdf", name="a.pdf"))
                ]
            ),
        ),
    ],
    ids=["text", "bytes", "url", "file"],
)
def test_an_input_is_text_or_parts(content: str | tuple[InputPart, ...], message: tasks_pb2.Input) -> None:
    assert task_message(replace(QUEUED, input=content)).input == message


def test_a_time_keeps_its_microseconds() -> None:
    assert task_message(QUEUED).created_at.ToDatetime(tzinfo=UTC) == AT


def test_the_last_page_has_no_cursor() -> None:
    message = task_list_message(TaskPage((QUEUED, QUEUED), None, 7))
    assert (len(message.tasks), message.next_cursor, message.total) == (2, "", 7)
    assert task_list_message(TaskPage((), "next", 7)).next_cursor == "next"


def test_a_live_event_has_no_id() -> None:
    message = event_message(Event("model.delta", "task-1", AT, {"text": "Hel"}, step=1))
    assert (message.id, message.type, message.step, message.data["text"]) == ("", "model.delta", 1, "Hel")
    assert not event_message(Event("task.started", "task-1", AT, {})).HasField("step")
