from __future__ import annotations

import json

from agentkit.messages import Usage, user_message
from agentkit.specs import AgentSpec
from workflows.task_types import WORKFLOW_TYPE, TaskFailure, TaskInput

AGENT = AgentSpec(name="a", models=("demo:demo",), planner="tools")


def test_the_name_that_histories_hold_stays() -> None:
    assert WORKFLOW_TYPE == "AgentTask"


def test_a_new_task_carries_nothing_over() -> None:
    written = json.loads(TaskInput(agent=AGENT, message=user_message("Go.")).canonical_json())
    assert set(written) == {"agent", "message"}


def test_what_a_newer_worker_adds_to_a_task_is_ignored_by_an_older_one() -> None:
    task = TaskInput(agent=AGENT, message=user_message("Go."))
    written = {**json.loads(task.canonical_json()), "added": {"later": True}}
    assert TaskInput.model_validate(written) == task


def test_a_failure_says_what_was_spent() -> None:
    failure = TaskFailure(message="no key", step=2, usage=Usage(input_tokens=5, model_calls=1))
    assert TaskFailure.model_validate_json(failure.canonical_json()) == failure
