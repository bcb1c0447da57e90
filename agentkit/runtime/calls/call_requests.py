"""The input requests of tool calls: to approve one, to say what became of one, and the questions of ``ask_person``."""

from __future__ import annotations

from datetime import timedelta

from agentkit.errors import ToolInterrupted
from agentkit.input_requests import InputAnswer, InputRequest, call_sha256
from agentkit.interfaces import PolicyDecision
from agentkit.messages import ToolCall
from agentkit.runtime.calls.call_effects import CallEffects
from agentkit.runtime.calls.tool_results import bounded
from agentkit.specs import ToolSpec

__all__ = ["approval_request", "declined_text", "outcome_request", "question_request"]

_MAX_MESSAGE_CHARS = 2_000
_MAX_ERROR_CHARS = 500


def approval_request(
    effects: CallEffects, call: ToolCall, tool: ToolSpec, decision: PolicyDecision, *, step: int, reason: str | None
) -> InputRequest:
    """Return the request for the approval of a call, with the terms of the policy's decision."""
    request = InputRequest(
        id=effects.next_request_id(),
        kind="approval",
        step=step,
        call_id=call.id,
        tool=tool.name,
        arguments=call.arguments,
        reason=reason,
        message=f"Approve this call of {tool.name}? {decision.reason}",
        count=decision.count,
        sha256=call_sha256(tool, call.arguments),
        opened_at=effects.now(),
    )
    return _with_terms(request, decision)


def question_request(
    effects: CallEffects, call: ToolCall, tool: ToolSpec, decision: PolicyDecision | None, *, step: int
) -> InputRequest:
    """Return the question of a call of ``ask_person``; a policy rule that asks gives its terms."""
    question, choices, schema = (call.arguments.get(name) for name in ("question", "choices", "schema"))
    request = InputRequest(
        id=effects.next_request_id(),
        kind="question",
        step=step,
        call_id=call.id,
        tool=tool.name,
        message=str(question),
        choices=tuple(map(str, choices)) if isinstance(choices, list) else None,
        answer_schema=schema if isinstance(schema, dict) else None,
        opened_at=effects.now(),
    )
    return request if decision is None or decision.action != "ask" else _with_terms(request, decision)


def outcome_request(
    effects: CallEffects, call: ToolCall, tool: ToolSpec, *, step: int, error: ToolInterrupted, reason: str
) -> InputRequest:
    """Return the request to find out whether a call that was cut off took effect."""
    probed = f" Its probe could not tell{': ' + reason if reason else ''}." if tool.has_probe else ""
    cause = bounded(str(error), _MAX_ERROR_CHARS)
    message = (
        f"{tool.name} was cut off, and may have taken effect: {cause}{probed} "
        "Find out: happened (give the result), retry (it did not happen: call it again) or give_up."
    )
    return InputRequest(
        id=effects.next_request_id(),
        kind="unknown_outcome",
        step=step,
        call_id=call.id,
        tool=tool.name,
        arguments=call.arguments,
        message=bounded(message, _MAX_MESSAGE_CHARS),
        sha256=call_sha256(tool, call.arguments),
        opened_at=effects.now(),
    )


def declined_text(answer: InputAnswer) -> str:
    """Return what the model reads of a question that nobody answered."""
    comment = f" {answer.comment}" if answer.comment else ""
    return f"The question was not answered.{comment} Go on without an answer: decide yourself, or say what is missing."


def _with_terms(request: InputRequest, decision: PolicyDecision) -> InputRequest:
    terms: dict[str, object] = {"approvers": decision.approvers or None}
    if decision.expires is not None:
        terms["expires_at"] = request.opened_at + timedelta(seconds=decision.expires)
        terms |= {"on_expiry": decision.on_expiry, "escalate_to": decision.escalate_to or None}
    return request.model_copy(update=terms)
