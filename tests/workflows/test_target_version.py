"""When a run moves to the target version of the workers; unversioned ones pay nothing for versions, and never do."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from temporalio import workflow

from activities.temporal.versions.version_moves import UPGRADE_SIGNAL
from agentkit.messages import ToolCall
from agentkit.testing import ScriptedModel
from agentkit.tools.builtin.ask_person import ask_person_tool
from workflows.target_version import TargetVersion
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


@pytest.mark.parametrize(("continued", "is_changed"), [(None, True), ("run-1", False)], ids=["first run", "continued"])
def test_a_run_that_has_not_reached_the_target_tries_again_only_when_it_is_asked(
    monkeypatch: pytest.MonkeyPatch, continued: str | None, is_changed: bool
) -> None:
    info = SimpleNamespace(continued_run_id=continued, is_target_worker_deployment_version_changed=lambda: True)
    monkeypatch.setattr(workflow, "info", lambda: info)
    target = TargetVersion()
    assert target.is_changed is is_changed
    target.allow_move()
    assert target.is_changed
