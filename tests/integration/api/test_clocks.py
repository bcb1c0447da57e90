"""What Temporal recorded is compared with Temporal's clock, whatever this machine's clock shows."""

from __future__ import annotations

import ast
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from activities.temporal.task_queue_pollers import recent_pollers
from activities.temporal.temporal_clock import temporal_now
from tests.integration.api.conftest import ApiHarness, eventually

ROOT = Path(__file__).parents[3]

LOCAL_CLOCK_IS_RIGHT = {
    "activities/input_webhook.py": "the time of a signature, which its receiver compares with its own clock",
    "activities/storage/task_file_store.py": "times of files of this machine",
    "activities/temporal/task_file_collector.py": "the same",
    "activities/temporal/payload_collector.py": "times of files of this machine",
    "activities/temporal/encryption/tenant_encryption_keys.py": "a note in the file of a destroyed key",
    "api/events/live_tokens.py": "the time of live events, which is compared with nothing",
    "api/events/retry_watcher.py": "the same",
    "api/events/status_feed.py": "the time of an event whose task has none",
    "api/memories/memory_requests.py": "whether the expiry of a memory is past, which is no matter of seconds",
    "api/tasks/starting/task_start.py": "whether a time is within a year",
}


async def test_temporal_s_clock_is_read_once_and_runs_on(harness: ApiHarness) -> None:
    before = datetime.now(UTC)
    first = await temporal_now(harness.temporal)
    start = time.monotonic()
    second = await temporal_now(harness.temporal)
    assert before - timedelta(seconds=1) < first < second < datetime.now(UTC) + timedelta(seconds=1)
    assert second - first <= timedelta(seconds=time.monotonic() - start + 0.01)


async def test_workers_and_start_times_are_judged_by_temporal_s_clock(harness: ApiHarness) -> None:
    """A task that starts in two seconds by Temporal's clock is queued, and is taken by the worker that polls."""
    start_at = await temporal_now(harness.temporal) + timedelta(seconds=2)
    async with harness.worker(["Done"]):
        pollers = await eventually(lambda: recent_pollers(harness.temporal, harness.settings.task_queue), bool)
        assert abs(pollers[0].last_poll_at - await temporal_now(harness.temporal)) < timedelta(seconds=70)
        task_id = await harness.submit(start_at=start_at.isoformat())
        task = await harness.task(task_id, wait=20)
    assert task["status"] == "completed"
    assert datetime.fromisoformat(task["started_at"]) >= start_at - timedelta(seconds=0.5)


def test_no_other_code_of_api_and_activities_reads_this_machine_s_clock() -> None:
    """Monotonic clocks are fine: they measure how long something takes."""
    found = set()
    for path in [*(ROOT / "api").rglob("*.py"), *(ROOT / "activities").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and (node.attr, ast.unparse(node.value)) in (
                ("now", "datetime"),
                ("utcnow", "datetime"),
                ("time", "time"),
            ):
                found.add(str(path.relative_to(ROOT)))
    assert found == LOCAL_CLOCK_IS_RIGHT.keys()
