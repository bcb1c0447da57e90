"""Queries of ended workflows by a replay of their history."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from temporalio.client import WorkflowQueryFailedError

from activities.payload_types import TranscriptPage, TranscriptRange
from agentkit.testing import ScriptedModel
from workflows.replayed_queries import ReplayedQueries

if TYPE_CHECKING:
    from tests.workflows.conftest import TaskEnvironment


async def test_an_ended_workflow_answers_as_its_worker_did(env: TaskEnvironment) -> None:
    async with env.worker(ScriptedModel(["Done."])):
        handle = await env.start("Go.", env.agent())
        await env.result(handle)
        expected = await handle.query("transcript", TranscriptRange(start=1), result_type=TranscriptPage)
    replayed = ReplayedQueries(env.client)
    assert await replayed.query(handle.id, None, "transcript", TranscriptPage, [TranscriptRange(start=1)]) == expected
    with pytest.raises(WorkflowQueryFailedError, match="unknown"):
        await replayed.query(handle.id, None, "unknown", TranscriptPage)
