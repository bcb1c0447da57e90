from __future__ import annotations

import json

from agentkit.messages import user_message
from agentkit.specs import AgentSpec
from workflows.task_types import WORKFLOW_TYPE, TaskInput

AGENT = AgentSpec(name="a", models=("demo:demo",), planner="tools")


def test_the_workflow_type_keeps_its_name() -> None:
    assert WORKFLOW_TYPE == "AgentTask"


def test_a_new_task_is_written_without_carried_state() -> None:
    written = json.loads(TaskInput(agent=AGENT, message=user_message("Go.")).canonical_json())
    assert set(written) == {"agent", "message"}
