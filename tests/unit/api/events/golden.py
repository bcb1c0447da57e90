"""What the recorded histories tell, as lines that a person can read."""

from __future__ import annotations

import json
from pathlib import Path

from temporalio.client import WorkflowHistory

from activities.settings import Settings
from activities.temporal.client import data_converter
from api.events.event import Event
from api.events.history_decoder import Decoder
from api.events.history_mapper import PartMapper

OURS = Path(__file__).parent / "histories"
GOLDEN = Path(__file__).parent / "golden"
REPLAYED = Path(__file__).parents[3] / "replay" / "histories"
RUN_ID = "01a1ffcd-5e85-7cd7-81f6-7b759043dc53"

RECORDED_HERE = {file.stem: file for file in sorted(OURS.glob("*.json"))}
RECORDED = {file.stem: file for file in sorted(REPLAYED.glob("*.json"))} | RECORDED_HERE


def history_of(name: str) -> WorkflowHistory:
    """Read a recorded history."""
    return WorkflowHistory.from_json(f"recorded-{name}", json.loads(RECORDED[name].read_text()))


async def events_of(history: WorkflowHistory, *, data_dir: Path = GOLDEN) -> list[Event]:
    """Map a whole history."""
    mapper, decoder = PartMapper(history.workflow_id, RUN_ID), Decoder(data_converter(Settings(data_dir=data_dir)))
    return [event for happened in history.events for event in mapper.map(await decoder.decode(happened))]


async def told(name: str) -> list[str]:
    """Return each event's place in history and its JSON, on a line; usage is left out, since it gains fields."""
    lines = []
    for event in await events_of(history_of(name)):
        assert event.position is not None
        found = json.loads(event.json)
        found.pop("usage", None)
        lines.append(f"{event.position.event_id}.{event.position.index} {json.dumps(found, ensure_ascii=False)}")
    return lines
