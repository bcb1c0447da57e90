from __future__ import annotations

import pytest
from temporalio.exceptions import ApplicationError, TimeoutError, TimeoutType

from agentkit.errors import NotDone, ResultUnreadable, ToolError, ToolInterrupted
from agentkit.specs import Effect, ToolSpec
from workflows.tools.tool_execution import is_local, tool_error, tool_failure_text

WORKER_LOST = TimeoutError("activity Heartbeat timeout", type=TimeoutType.HEARTBEAT, last_heartbeat_details=[])
NO_WORKER = TimeoutError("no worker", type=TimeoutType.SCHEDULE_TO_START, last_heartbeat_details=[])
SHUTDOWN = ApplicationError("the worker stopped", type="WorkerShutdown")


def spec(effect: Effect = "pure", *, fast: bool = False, task_queue: str | None = None) -> ToolSpec:
    return ToolSpec(name="send", description="", parameters={}, effect=effect, fast=fast, task_queue=task_queue)


@pytest.mark.parametrize(
    ("tool", "local"),
    [
        pytest.param(spec(), False, id="normal"),
        pytest.param(spec(fast=True), True, id="fast"),
        pytest.param(spec(fast=True, task_queue="mail"), False, id="fast, on a queue of its own"),
    ],
)
def test_fast_tools_of_the_tasks_own_queue_run_as_local_activities(tool: ToolSpec, local: bool) -> None:
    assert is_local(tool) is local


@pytest.mark.parametrize("effect", ["pure", "irreversible"])
def test_a_tools_own_error_is_what_the_model_reads(effect: Effect) -> None:
    assert tool_failure_text(spec(effect), ApplicationError("No such page.", type="ToolError")) == "No such page."


def test_a_call_that_no_worker_started_names_the_queue_and_is_not_called_unknown() -> None:
    text = tool_failure_text(spec("irreversible", task_queue="mail"), NO_WORKER)
    assert text.startswith("send was not called: no worker serves task queue 'mail'.")


@pytest.mark.parametrize("cause", [WORKER_LOST, SHUTDOWN, None], ids=["heartbeat timeout", "shutdown", "no cause"])
def test_after_the_loss_of_its_worker_the_outcome_of_an_irreversible_call_is_unknown(
    cause: BaseException | None,
) -> None:
    assert tool_failure_text(spec("irreversible"), cause) == "send was started, and its worker was lost."
    assert tool_failure_text(spec("idempotent"), cause).startswith("send gave no result: its worker was lost")


def test_a_call_of_another_program_that_took_too_long_names_its_timeout_and_is_unknown() -> None:
    late = TimeoutError("late", type=TimeoutType.START_TO_CLOSE, last_heartbeat_details=[])
    external = spec("irreversible", task_queue="mail").model_copy(update={"external": True, "timeout": 5.0})
    text = tool_failure_text(external, late)
    assert text.startswith("send was started, and gave no result within 5 s.")


def test_a_result_that_temporal_does_not_take_is_no_failure_of_the_tool() -> None:
    too_large = ApplicationError("[TMPRL1103] Attempted to upload payloads", type="PayloadsTooLarge")
    assert tool_failure_text(spec("irreversible"), too_large).startswith("send did its work, but its result can't be")


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        pytest.param(ApplicationError("no", type="ToolError"), ToolError, id="reported by the tool"),
        pytest.param(ApplicationError("no", type="NotDone"), NotDone, id="nothing was done"),
        pytest.param(ApplicationError("no", type="ToolArgumentsInvalid"), NotDone, id="wrong arguments"),
        pytest.param(ApplicationError("no", type="SecretMissing"), NotDone, id="a secret is missing"),
        pytest.param(NO_WORKER, NotDone, id="no worker"),
        pytest.param(ApplicationError("no", type="ResultUnreadable"), ResultUnreadable, id="an unreadable result"),
        pytest.param(ApplicationError("no", type="PayloadsTooLarge"), ResultUnreadable, id="too large a result"),
        pytest.param(ApplicationError("no", type="ToolUnavailable"), ToolInterrupted, id="a lost connection"),
        pytest.param(ApplicationError("no", type="ToolInterrupted"), ToolInterrupted, id="cut off"),
        pytest.param(ApplicationError("no", type="ValueError"), ToolInterrupted, id="an error of our worker"),
        pytest.param(SHUTDOWN, ToolInterrupted, id="its worker stopped"),
        pytest.param(WORKER_LOST, ToolInterrupted, id="its worker was lost"),
        pytest.param(None, ToolInterrupted, id="no cause"),
    ],
)
def test_a_failed_irreversible_call_is_known_by_its_effect(cause: BaseException | None, kind: type[ToolError]) -> None:
    assert type(tool_error(spec("irreversible"), cause)) is kind


@pytest.mark.parametrize(
    ("failure_type", "kind"),
    [
        ("UnknownContact", ToolError),
        ("NotDone", NotDone),
        ("PayloadsTooLarge", ResultUnreadable),
        ("ToolUnavailable", ToolInterrupted),
    ],
)
def test_another_programs_failures_have_names_of_its_own(failure_type: str, kind: type[ToolError]) -> None:
    cause = ApplicationError("no", type=failure_type)
    assert type(tool_error(spec("irreversible", task_queue="mail"), cause)) is kind
