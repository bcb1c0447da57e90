from __future__ import annotations

from collections import UserDict
from collections.abc import KeysView
from datetime import UTC, datetime

from pydantic import JsonValue

from api.events.event import Event
from api.events.event_position import Position
from api.events.sse import frame

AT = datetime(2026, 11, 21, 20, 0, 0, 5, tzinfo=UTC)
RUN_ID = "01a1ffcd-5e85-7cd7-81f6-7b759043dc53"


class CountedData(UserDict[str, JsonValue]):
    """Data that counts how often it is read."""

    reads = 0

    def keys(self) -> KeysView[str]:
        self.reads += 1
        return super().keys()


def test_an_event_is_encoded_once_for_any_number_of_watchers() -> None:
    data = CountedData({"text": "x"})
    event = Event("model.failed", "t", AT, data, 2, Position(RUN_ID, 9, 1))
    frames = {frame(event) for _ in range(500)}
    assert (len(frames), data.reads) == (1, 1)
    assert event.id is event.id


def test_only_events_with_a_position_have_an_id() -> None:
    position = Position(RUN_ID, 9, 1)
    assert Event("task.status", "t", AT, {}, position=position).id == position.encode("t")
    assert Event("model.delta", "t", AT, {}).id is None


def test_the_json_has_the_fields_of_the_event_and_its_type_but_no_position() -> None:
    event = Event("tool.failed", "t", AT, {"error": {"type": "ToolError"}}, 2, Position(RUN_ID, 9, 1))
    assert event.json == (
        b'{"type":"tool.failed","task_id":"t","at":"2026-11-21T20:00:00.000005Z","step":2,"error":{"type":"ToolError"}}'
    )


def test_an_event_outside_of_steps_has_no_step() -> None:
    assert b"step" not in Event("task.cancelled", "t", AT, {"status": "cancelled"}).json


def test_the_json_is_one_line_of_utf_8_whatever_the_data() -> None:
    json = Event("model.delta", "t", AT, {"text": "ü\n\r\u2028\x00"}).json
    assert "ü" in json.decode()
    assert len(json.splitlines()) == 1
