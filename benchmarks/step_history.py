"""Where the bytes of history go: ``python -m benchmarks.step_history``. Prints Markdown; needs no quiet machine.

A task of 30 steps runs with its tool as an activity, and again as a local activity. The bytes are those of steps 11 to
20, the mean of one; once a task is what its history has before its first step and after its last one.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from google.protobuf.message import Message
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

from activities.settings import Settings
from activities.temporal.data_converter import data_converter
from benchmarks.lookup_task import RESULT
from benchmarks.processes import run_servers, run_worker
from benchmarks.step_cost import OpspawnCandidate

__all__ = ["main"]

_STEPS = 30
_FIRST, _AFTER = 10, 20
"""The steps that are measured, from 0."""

_TEXTS_BYTES = 2 * len(RESULT)
"""Of the model's text and the tool's result; the scripted model's text is as long as the result."""

_TEXTS = "the model's text and the tool's result"
_RESULTS = "the rest of responses and results: the call, usage, names"
_EVENTS = "numbers, times and tags of events"

_FIELDS: Mapping[str, Collection[str]] = {
    "names of payloads' encodings": ["metadata"],
    "summaries for the Web UI": ["user_metadata"],
    "arguments of activities: the call, references": ["input"],
    _RESULTS: ["result", "details"],
    "the worker's identity, and its task queue's name": ["identity", "task_queue"],
    "the worker's build id and deployment": ["worker_version", "worker_deployment_name"],
    "request ids": ["request_id"],
    "types, ids, time-outs and retries of activities": [
        "activity_type",
        "activity_id",
        "retry_policy",
        "start_to_close_timeout",
        "heartbeat_timeout",
        "schedule_to_close_timeout",
        "schedule_to_start_timeout",
    ],
}
"""The fields of events that make up a row; each field's bytes count in the first row that has it."""


def _clear(message: Message, names: Collection[str]) -> None:
    """Remove these fields from a message and from all in it."""
    for field, value in message.ListFields():
        if field.name in names:
            message.ClearField(field.name)
        elif isinstance(value, Message):
            _clear(value, names)
        elif hasattr(value, "values"):
            for each in value.values():
                _clear(each, names) if isinstance(each, Message) else None
        elif field.message_type is not None:
            for each in value:
                _clear(each, names)


def _rows(events: Sequence[HistoryEvent]) -> Counter[str]:
    """Return the bytes of each row; ``events`` are cleared."""
    rows: Counter[str] = Counter()
    for event in events:
        for row, names in _FIELDS.items():
            before = event.ByteSize()
            _clear(event, names)
            rows[row] += before - event.ByteSize()
        rows[_EVENTS] += event.ByteSize()
    return rows


def _table(event_lists: Sequence[Sequence[HistoryEvent]]) -> str:
    steps = _AFTER - _FIRST
    columns: list[Counter[str]] = []
    totals: list[tuple[float, float]] = []
    for events in event_lists:
        sizes = [event.ByteSize() for event in events]
        starts = [index for index, event in enumerate(events) if _is_model_request(event)]
        first, after = starts[_FIRST], starts[_AFTER]
        step = sum(sizes[first:after]) / steps
        totals.append((step, sum(sizes[: starts[0]]) + sum(sizes[starts[_STEPS] :])))
        rows = _rows(events[first:after])
        rows[_TEXTS] = steps * _TEXTS_BYTES
        rows[_RESULTS] -= rows[_TEXTS]
        columns.append(rows)
    names = [_TEXTS, _RESULTS, *(name for name in _FIELDS if name != _RESULTS), _EVENTS]
    lines = [(name, *(f"{rows[name] / steps:,.0f}" for rows in columns)) for name in names]
    lines.append(("**a step**", *(f"**{step:,.0f}**" for step, _ in totals)))
    lines.append(("beyond its texts, KiB", *(f"{(step - _TEXTS_BYTES) / 1024:.2f}" for step, _ in totals)))
    lines.append(("once a task, KiB", *(f"{once / 1024:.2f}" for _, once in totals)))
    head = "| bytes of history | tool as an activity | as a local activity |\n|:--|--:|--:|\n"
    return head + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _is_model_request(event: HistoryEvent) -> bool:
    return event.activity_task_scheduled_event_attributes.activity_type.name == "request_model"


async def _measure() -> str:
    with tempfile.TemporaryDirectory(prefix="opspawn-benchmark-") as directory:
        async with run_servers(Path(directory)) as servers, run_worker("opspawn", servers) as worker:
            converter = data_converter(Settings(data_dir=servers.directory))
            client = await Client.connect(servers.temporal, data_converter=converter)
            event_lists = []
            for fast in (False, True):
                task = await OpspawnCandidate(client, worker, fast=fast).start(_STEPS)
                await task.result()
                event_lists.append([event async for event in task.fetch_history_events()])
            return _table(event_lists)


def main() -> None:
    """Measure, and print the table as Markdown."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    sys.stdout.write(asyncio.run(_measure()))


if __name__ == "__main__":
    main()
