from __future__ import annotations

from datetime import UTC, datetime

from api.events.event import Event
from api.events.event_position import Position

AT = datetime(2026, 11, 21, 20, 0, 0, 5, tzinfo=UTC)
RUN_ID = "01a1ffcd-5e85-7cd7-81f6-7b759043dc53"


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
