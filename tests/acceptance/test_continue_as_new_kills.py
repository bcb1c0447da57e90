"""A worker that is killed while it stores messages for continue-as-new loses none, and leaves none twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType, PendingActivityState
from temporalio.client import Client

from activities.payload_types import STORE_ACTIVITY
from activities.temporal.payload_storage import OWNER_FILE
from cli.temporal_server import TemporalServer, find_temporal
from tests.acceptance.conftest import Stack
from tests.reserved_ports import reserve_port

pytestmark = pytest.mark.acceptance

STEPS = 12
TEXT_CHARS = 80_000
ECHO_TOOL = '''
from agentkit.tools import tool


@tool(effect="pure")
def measure(text: str) -> int:
    """Return the length of a text.

    Args:
        text: Any text.
    """
    return len(text)
'''
AGENT = """
name: measurer
model: demo:demo
tools: [measure]
"""
OUTCOME = ("status", "output", "steps", "usage")
SHORT_HISTORY = (
    "limit.historyCount.suggestContinueAsNew=40",
    'history.workflowIdReuseMinimalInterval="0s"',  # else each new run waits for a second
)


@dataclass
class ShortHistoryStack(Stack):
    """A system whose tasks continue as new every few steps."""

    def start_temporal(self) -> None:
        server = TemporalServer(
            binary=find_temporal(self.settings), port=self.temporal_port, database=self.directory / "temporal.db"
        )
        options = [option for value in SHORT_HISTORY for option in ("--dynamic-config-value", value)]
        self._start("temporal", [*server.command(), *options])


@pytest.fixture
async def short_stack(tmp_path: Path) -> AsyncIterator[ShortHistoryStack]:
    stack = ShortHistoryStack(tmp_path, reserve_port(), "short-history")
    stack.write_app()
    (stack.app_dir / "agents" / "measurer.yaml").write_text(AGENT)
    (stack.app_dir / "tools" / "measure.py").write_text(ECHO_TOOL)
    async with stack.running():
        yield stack


def _text() -> str:
    calls = [f'call measure {{"text": "{chr(ord("a") + step) * TEXT_CHARS}"}}' for step in range(STEPS)]
    return "\n".join([*calls, "say measured"])


async def _is_storing(client: Client, task_id: str) -> bool:
    description = await client.get_workflow_handle(task_id).describe()
    return any(
        activity.activity_type.name == STORE_ACTIVITY
        and activity.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
        for activity in description.raw_description.pending_activities
    )


async def _kill_while_storing(stack: Stack, task_id: str, worker: str) -> None:
    """Kill the worker the moment that it stores messages."""
    client = await stack.temporal()
    async with asyncio.timeout(60):
        while not await _is_storing(client, task_id):
            pass  # each look takes milliseconds; a pause would miss it
    stack.kill(worker)


async def _storing_attempts(stack: Stack, task_id: str) -> list[int]:
    """Return the number of attempts of each time that messages were stored, over all runs of the task."""
    client, attempts = await stack.temporal(), list[int]()
    run_id: str | None = None
    while run_id != "":
        history = await client.get_workflow_handle(task_id, run_id=run_id).fetch_history()
        storing = {
            event.event_id
            for event in history.events
            if event.activity_task_scheduled_event_attributes.activity_type.name == STORE_ACTIVITY
        }
        attempts += [
            event.activity_task_started_event_attributes.attempt
            for event in history.events
            if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED
            and event.activity_task_started_event_attributes.scheduled_event_id in storing
        ]
        run_id = history.events[0].workflow_execution_started_event_attributes.continued_execution_run_id
    return attempts


def _stored_bytes(stack: Stack, task_id: str) -> int:
    """Return the size of the task's stored payloads, without what a killed process has left half written."""
    owners = (stack.directory / "data" / "payloads").glob(f"*/*/{OWNER_FILE}")
    [directory] = [path.parent for path in owners if task_id in path.read_text()]
    return sum(path.stat().st_size for path in directory.iterdir() if len(path.name) == 64)


async def test_a_worker_killed_while_it_stores_messages_loses_none_and_leaves_none_twice(
    short_stack: ShortHistoryStack,
) -> None:
    stack, text = short_stack, _text()
    undisturbed = await stack.submit(text, "measurer")
    expected = await stack.wait_for_end(undisturbed)
    assert (expected["status"], expected["output"]) == ("completed", "measured")
    disturbed = await stack.submit(text, "measurer")
    await _kill_while_storing(stack, disturbed, "worker")
    stack.start_worker("second")
    await _kill_while_storing(stack, disturbed, "second")
    stack.start_worker("third")
    task = await stack.wait_for_end(disturbed)
    assert max(await _storing_attempts(stack, disturbed)) > 1, "no attempt to store was disturbed"
    assert {key: task[key] for key in OUTCOME} == {key: expected[key] for key in OUTCOME}
    assert await stack.transcript(disturbed) == await stack.transcript(undisturbed)
    assert _stored_bytes(stack, disturbed) < 1.1 * _stored_bytes(stack, undisturbed)
