"""Recorded histories replay, so tasks that were started by an earlier release can continue."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from activities.settings import Settings
from activities.storage.transcript_cache import TranscriptCache
from activities.temporal.data_converter import data_converter
from workflows.listing.journal import JOURNAL_KEY, JournalEntry, read_journal
from workflows.transcripts.transcript_sharing import TranscriptSharing
from workflows.worker_workflows import WORKFLOWS
from workflows.workflow_sandbox import sandboxed_runner

HISTORIES = sorted((Path(__file__).parent / "histories").glob("*.json"))

LAST_EVENTS = {
    "tool_calls": "EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED",
    "empty_response": "EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED",
    "plan": "EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED",
    "react_with_fast_tools": "EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED",
    "refused_by_a_worker_without_the_tool": "EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED",
    "input_requests": "EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED",
    "failure": "EVENT_TYPE_WORKFLOW_EXECUTION_FAILED",
    "cancellation": "EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED",
    "compaction": "EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED",
    "memory": "EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED",
    "continue_as_new": "EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW",
    "continue_as_new_2": "EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED",
    "mcp_tools_that_changed": "EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED",
    "input_for_mcp_servers": "EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW",
    "input_for_mcp_servers_2": "EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED",
    "calls_by_mcp_call": "EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW",
    "calls_by_mcp_call_2": "EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED",
    "moved_to_another_version": "EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW",
    "moved_to_another_version_2": "EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED",
    "conversation": "EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW",
    "conversation_2": "EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW",
    "conversation_3": "EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED",
}

History = dict[str, Any]


@pytest.fixture
def replayer(tmp_path: Path) -> Replayer:
    """A replayer with the sandbox, data converter and interceptor of the worker that we ship."""
    return Replayer(
        workflows=WORKFLOWS,
        interceptors=[TranscriptSharing(TranscriptCache(1_000_000).share)],
        data_converter=data_converter(Settings(data_dir=tmp_path)),
        workflow_runner=sandboxed_runner(),
    )


def read_history(name: str) -> History:
    (file,) = (file for file in HISTORIES if file.stem == name)
    history: History = json.loads(file.read_text())
    return history


def all_attributes(history: History, name: str) -> list[History]:
    """Return the attributes of that name of all events that have them."""
    return [event[name] for event in history["events"] if name in event]


@pytest.mark.parametrize("name", LAST_EVENTS)
async def test_a_recorded_task_replays(replayer: Replayer, name: str) -> None:
    workflow_id = f"recorded-{name.rstrip('_23')}"  # that of all its runs: tasks of a conversation have it in their ids
    await replayer.replay_workflow(WorkflowHistory.from_json(workflow_id, read_history(name)))


def test_the_recordings_cover_every_outcome_and_are_small() -> None:
    assert {file.stem: json.loads(file.read_text())["events"][-1]["eventType"] for file in HISTORIES} == LAST_EVENTS
    assert max(file.stat().st_size for file in HISTORIES) < 100 * 1024


def test_the_recordings_cover_every_kind_of_journal_entry() -> None:
    memos = [
        attributes["upsertedMemo"]["fields"]
        for name in LAST_EVENTS
        for attributes in all_attributes(read_history(name), "workflowPropertiesModifiedEventAttributes")
    ]
    payloads = [base64.b64decode(fields[JOURNAL_KEY]["data"]) for fields in memos if JOURNAL_KEY in fields]
    recorded = {type(entry) for payload in payloads for entry in read_journal(json.loads(payload))}
    assert recorded == set(get_args(get_args(JournalEntry)[0]))


def test_a_task_that_moved_was_recorded_on_two_versions() -> None:
    versions = [
        {
            attributes["deploymentVersion"]["buildId"]
            for attributes in all_attributes(read_history(name), "workflowTaskCompletedEventAttributes")
        }
        for name in ("moved_to_another_version", "moved_to_another_version_2")
    ]
    assert versions == [{"v1"}, {"v2"}]


def change_first_activity_type(history: History) -> None:
    all_attributes(history, "activityTaskScheduledEventAttributes")[0]["activityType"]["name"] = "other"


def change_last_event(history: History) -> None:
    last = history["events"][-1]
    del last["workflowExecutionCompletedEventAttributes"]
    last["eventType"] = "EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED"
    last["workflowExecutionCanceledEventAttributes"] = {"workflowTaskCompletedEventId": last["eventId"]}


@pytest.mark.parametrize("change", [change_first_activity_type, change_last_event])
async def test_a_history_that_the_workflow_would_not_produce_fails_to_replay(
    replayer: Replayer, change: Callable[[History], None]
) -> None:
    history = read_history("tool_calls")
    change(history)
    with pytest.raises(NondeterminismError):
        await replayer.replay_workflow(WorkflowHistory.from_json("recorded", history))


async def test_tools_of_servers_are_those_that_history_lists(replayer: Replayer) -> None:
    history = read_history("mcp_tools_that_changed")
    (listing, *_) = all_attributes(history, "activityTaskCompletedEventAttributes")
    (payload,) = listing["result"]["payloads"]
    listed = json.loads(base64.b64decode(payload["data"]))
    assert [tool["name"] for tool in listed["tools"]] == ["math__double", "math__half"]
    await replayer.replay_workflow(WorkflowHistory.from_json("recorded", history))

    payload["data"] = base64.b64encode(json.dumps({**listed, "tools": listed["tools"][1:]}).encode()).decode()
    with pytest.raises(NondeterminismError):
        await replayer.replay_workflow(WorkflowHistory.from_json("recorded", history))
