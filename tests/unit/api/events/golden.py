"""The events of recorded histories, as lines that a person can read."""

from __future__ import annotations

import json
from pathlib import Path

from temporalio.client import WorkflowHistory

from activities.settings import Settings
from activities.temporal.data_converter import data_converter
from api.events.event import Event
from api.events.history_decoder import HistoryDecoder
from api.events.history_mapper import HistoryMapper

HISTORIES = Path(__file__).parent / "histories"
GOLDEN = Path(__file__).parent / "golden"
REPLAY_HISTORIES = Path(__file__).parents[3] / "replay" / "histories"
RUN_ID = "01a1ffcd-5e85-7cd7-81f6-7b759043dc53"

RECORDED_HERE = {file.stem: file for file in sorted(HISTORIES.glob("*.json"))}
_OF_TASKS = [file for file in sorted(REPLAY_HISTORIES.glob("*.json")) if not file.stem.startswith("conversation")]
RECORDED = {file.stem: file for file in _OF_TASKS} | RECORDED_HERE


def read_history(name: str) -> WorkflowHistory:
    """Return a recorded history."""
    return WorkflowHistory.from_json(f"recorded-{name}", json.loads(RECORDED[name].read_text()))


async def events_of(history: WorkflowHistory, *, data_dir: Path = GOLDEN) -> list[Event]:
    """Return the events of a history."""
    mapper = HistoryMapper(history.workflow_id, RUN_ID)
    decoder = HistoryDecoder(data_converter(Settings(data_dir=data_dir)))
    return [event for each in history.events for event in mapper.map(await decoder.decode(each))]


async def golden_lines(name: str) -> list[str]:
    """Return each event's position and JSON on a line; without ``usage``, which gains fields."""
    lines = []
    for event in await events_of(read_history(name)):
        assert event.position is not None
        data = json.loads(event.json)
        data.pop("usage", None)
        lines.append(f"{event.position.event_id}.{event.position.index} {json.dumps(data, ensure_ascii=False)}")
    return lines
