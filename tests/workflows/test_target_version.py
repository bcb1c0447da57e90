"""Unversioned tasks pay nothing for versions, and never move."""

from __future__ import annotations

from typing import TYPE_CHECKING

from activities.temporal.version_moves import UPGRADE_SIGNAL
from agentkit.messages import ToolCall
from agentkit.testing import ScriptedModel
from agentkit.tools.ask_person import ask_person_tool
from workflows.task_types import PendingInput

if TYPE_CHECKING:
    from tests.workflows.conftest import TaskEnvironment


async def test_an_unversioned_task_goes_on_in_its_run_when_it_is_asked_to_move(env: TaskEnvironment) -> None:
    ask = ToolCall(id="1", name="ask_person", arguments={"question": "Now?"})
    async with env.worker(ScriptedModel([ask, "Done."])):
        handle = await env.start("Go.", env.agent(ask_person_tool()))
        while not (await handle.query("input_requests", result_type=PendingInput)).input_requests:
            pass
        await handle.signal(UPGRADE_SIGNAL)
        await handle.signal("answer_input", {"input_request_id": "input_1", "decision": "answer", "answer": "Yes"})
        assert (await env.result(handle)).output == "Done."
    history = await handle.fetch_history()
    (started, *_, ended) = history.events
    assert not started.workflow_execution_started_event_attributes.continued_execution_run_id
    assert ended.HasField("workflow_execution_completed_event_attributes")
