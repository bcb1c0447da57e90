"""Tasks that began before a change go on after it: recorded histories are replayed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from activities.settings import Settings
from activities.temporal.client import data_converter
from activities.transcript_cache import TranscriptCache
from workflows.agent_task import AgentTask
from workflows.transcript_sharing import TranscriptSharing
from workflows.workflow_sandbox import sandboxed_runner

HISTORIES = sorted((Path(__file__).parent / "histories").glob("*.json"))

ENDINGS = {
    "two_tools_and_an_answer": "EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED",
    "feedback_on_an_empty_answer": "EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED",
    "failure": "EVENT_TYPE_WORKFLOW_EXECUTION_FAILED",
    "cancellation": "EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED",
    "continue_as_new": "EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW",
    "continue_as_new_2": "EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED",
}

History = dict[str, Any]


@pytest.fixture
def replayer(tmp_path: Path) -> Replayer:
    """Replays as the worker that we ship works: same sandbox, same conversion, same interceptor."""
    return Replayer(
        workflows=[AgentTask],
        interceptors=[TranscriptSharing(TranscriptCache(1_000_000).put)],
        data_converter=data_converter(Settings(data_dir=tmp_path)),
        workflow_runner=sandboxed_runner(),
    )


def read(name: str) -> History:
    (file,) = (file for file in HISTORIES if file.stem == name)
    history: History = json.loads(file.read_text())
    return history


def first(history: History, attributes: str) -> History:
    found: History = next(event[attributes] for event in history["events"] if attributes in event)
    return found


@pytest.mark.parametrize("name", ENDINGS)
async def test_a_recorded_task_replays(replayer: Replayer, name: str) -> None:
    await replayer.replay_workflow(WorkflowHistory.from_json(f"recorded-{name}", read(name)))


def test_the_recorded_tasks_ended_in_every_way_and_are_small() -> None:
    assert {file.stem: json.loads(file.read_text())["events"][-1]["eventType"] for file in HISTORIES} == ENDINGS
    assert max(file.stat().st_size for file in HISTORIES) < 100 * 1024


def another_tool(history: History) -> None:
    first(history, "activityTaskScheduledEventAttributes")["activityType"]["name"] = "ask_oracle"


def another_ending(history: History) -> None:
    last = history["events"][-1]
    del last["workflowExecutionCompletedEventAttributes"]
    last["eventType"] = "EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED"
    last["workflowExecutionCanceledEventAttributes"] = {"workflowTaskCompletedEventId": last["eventId"]}


@pytest.mark.parametrize("doctor", [another_tool, another_ending])
async def test_a_workflow_that_would_act_otherwise_than_recorded_is_found_out(
    replayer: Replayer, doctor: Callable[[History], None]
) -> None:
    history = read("two_tools_and_an_answer")
    doctor(history)
    with pytest.raises(NondeterminismError):
        await replayer.replay_workflow(WorkflowHistory.from_json("recorded", history))
