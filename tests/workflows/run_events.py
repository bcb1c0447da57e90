"""The events of a task over all of its runs, as the API derives them from Temporal's histories."""

from __future__ import annotations

import json
from typing import Any

from api.events.history_decoder import HistoryDecoder
from api.events.history_mapper import HistoryMapper
from tests.workflows.conftest import TaskEnvironment

__all__ = ["events_of_runs", "without_times"]

_TIMES = frozenset({"at", "opened_at", "expires_at", "task_id"})


async def events_of_runs(env: TaskEnvironment, task_id: str) -> list[dict[str, Any]]:
    """Return the JSON of all events of a task, those of its first run first."""
    decoder = HistoryDecoder(env.client.data_converter)
    runs: list[list[dict[str, Any]]] = []
    run_id: str | None = None
    while run_id != "":
        history = await env.client.get_workflow_handle(task_id, run_id=run_id).fetch_history()
        mapper = HistoryMapper(task_id, run_id or "newest")
        events = [event for each in history.events for event in mapper.map(await decoder.decode(each))]
        runs.append([json.loads(event.json) for event in events])
        run_id = history.events[0].workflow_execution_started_event_attributes.continued_execution_run_id
    return [event for run in reversed(runs) for event in run]


def without_times(value: Any) -> Any:
    """Return JSON without times and ids of tasks, which differ from task to task."""
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if key not in _TIMES}
    return [without_times(item) for item in value] if isinstance(value, list) else value
