from __future__ import annotations

from typing import Any

import pytest

from agentkit.input_requests import InputAnswer
from agentkit.interfaces import PolicyDecision
from agentkit.messages import ToolCall
from agentkit.runtime.calls.remembered_decisions import RememberedDecisions
from agentkit.specs import ToolSpec

PAY = ToolSpec(name="pay", description="Pay.", parameters={"type": "object"})
CALL = ToolCall(id="c", name="pay", arguments={"cents": 700})
ASKED = PolicyDecision(action="ask", reason="policy rule 1", decided_by="policy rule 1")


def remembered(**fields: Any) -> RememberedDecisions:
    decisions = RememberedDecisions()
    answer = {"input_request_id": "input_1", "decision": "approve", "remember": "task", "answered_by": "ada", **fields}
    decisions.remember(InputAnswer.model_validate(answer), PAY, CALL, ASKED)
    return decisions


def test_nothing_is_remembered_at_first() -> None:
    assert RememberedDecisions().apply(PAY, CALL, ASKED) is ASKED


@pytest.mark.parametrize(
    ("fields", "tool", "call", "asked", "action"),
    [
        pytest.param({}, PAY, CALL, ASKED, "allow", id="the same call"),
        pytest.param({"decision": "deny"}, PAY, CALL, ASKED, "deny", id="a denial"),
        pytest.param({}, PAY, CALL.model_copy(update={"arguments": {}}), ASKED, "allow", id="other arguments"),
        pytest.param(
            {"remember": "task_same_arguments"},
            PAY,
            CALL.model_copy(update={"arguments": {}}),
            ASKED,
            "ask",
            id="other arguments, of an approval of the same",
        ),
        pytest.param({}, PAY.model_copy(update={"timeout": 5.0}), CALL, ASKED, "ask", id="a changed tool"),
        pytest.param(
            {}, PAY, CALL, ASKED.model_copy(update={"decided_by": "policy rule 2"}), "ask", id="another rule that asks"
        ),
    ],
)
def test_a_decision_holds_for_the_calls_that_it_was_made_for(
    fields: dict[str, Any], tool: ToolSpec, call: ToolCall, asked: PolicyDecision, action: str
) -> None:
    assert remembered(**fields).apply(tool, call, asked).action == action


def test_the_newest_decision_counts_and_says_who_made_it() -> None:
    decisions = remembered()
    answer = InputAnswer(input_request_id="input_2", decision="deny", remember="task", answered_by="grace")
    decisions.remember(answer, PAY, CALL, ASKED)
    decision = RememberedDecisions(decisions.decisions).apply(PAY, CALL, ASKED)
    assert (decision.action, decision.decided_by) == ("deny", "person: grace (remembered)")


def test_the_newest_two_hundred_are_kept() -> None:
    decisions = RememberedDecisions()
    for number in range(250):
        answer = InputAnswer(input_request_id="i", decision="approve", remember="task_same_arguments")
        decisions.remember(answer, PAY, CALL.model_copy(update={"arguments": {"cents": number}}), ASKED)
    assert len(decisions.decisions) == 200
    assert decisions.apply(PAY, CALL.model_copy(update={"arguments": {"cents": 0}}), ASKED).action == "ask"
    assert decisions.apply(PAY, CALL.model_copy(update={"arguments": {"cents": 249}}), ASKED).action == "allow"
