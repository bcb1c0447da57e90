from __future__ import annotations

import pytest
from pydantic import JsonValue
from temporalio.exceptions import ApplicationError, CancelledError, TimeoutError, TimeoutType

from activities.failure_mapping import application_error
from agentkit.errors import ModelUnavailable
from agentkit.messages import ToolCall
from agentkit.specs import ToolSpec
from api.events.pending_calls import PendingCall, PendingModelCall, PendingToolCall, call_error

MODEL = PendingModelCall("model-1-0", 1, "demo:demo")
TOOL = PendingToolCall(
    "c", 1, ToolCall(id="c", name="look"), ToolSpec(name="look", description="", parameters={}, task_queue="gpu")
)
TIMED_OUT = TimeoutError("timed out", type=TimeoutType.SCHEDULE_TO_START, last_heartbeat_details=[])


@pytest.mark.parametrize(
    ("call", "failure", "error"),
    [
        pytest.param(
            MODEL,
            application_error(ModelUnavailable("Overloaded.", status=529)),
            {"type": "ModelUnavailable", "message": "Overloaded.", "status": 529},
            id="model with a provider's status",
        ),
        pytest.param(
            MODEL,
            application_error(ModelUnavailable("No connection.")),
            {"type": "ModelUnavailable", "message": "No connection."},
            id="model without one",
        ),
        pytest.param(
            TOOL,
            ApplicationError("Send a number.", type="ToolError"),
            {"type": "ToolError", "message": "Send a number."},
            id="tool",
        ),
        pytest.param(
            TOOL,
            TIMED_OUT,
            {
                "type": "TimedOut",
                "message": "look was not called: no worker serves task queue 'gpu'. Go on without it.",
            },
            id="tool that timed out",
        ),
        pytest.param(TOOL, CancelledError("x"), {"type": "Cancelled", "message": "It was cancelled."}, id="cancelled"),
    ],
)
def test_the_error_of_a_call_has_our_type_and_a_message(
    call: PendingCall, failure: BaseException, error: dict[str, JsonValue]
) -> None:
    assert call_error(call, failure) == error
