"""Carry out the tool calls of a step: their approval, the call itself, and what became of one that was cut off.

The rules for effects are here: an irreversible call is made once. If it was cut off, its probe is asked, then a person;
it is made again only if the person decides so.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from agentkit.errors import (
    NotDone,
    ResultUnreadable,
    SecretMissing,
    ToolArgumentsInvalid,
    ToolCallRefused,
    ToolError,
    ToolInterrupted,
)
from agentkit.input_requests import InputAnswer, InputRequest, call_sha256
from agentkit.interfaces import Done, PolicyDecision, Unknown
from agentkit.messages import ToolCall, ToolResult
from agentkit.runtime.call_effects import CallEffects, CheckedCall
from agentkit.runtime.effect_ledger import CallState, EffectLedger
from agentkit.runtime.tool_results import bounded, error_result, result_text, tool_result
from agentkit.specs import AgentSpec, ToolSpec

__all__ = ["CallExecution"]

_MAX_REASON_CHARS = 1_000
_MAX_ERROR_CHARS = 500
_UNKNOWN_OUTCOME = "Whether it took effect is UNKNOWN. Don't call it again before you have checked."


@dataclass(frozen=True)
class CallExecution:
    """Carries out the calls of one step, and keeps the ledger."""

    agent: AgentSpec
    ledger: EffectLedger
    effects: CallEffects
    step: int
    response_text: str
    """What the model wrote beside its calls, for the person who approves them."""

    async def execute(self, checked: CheckedCall) -> ToolResult:
        """Return what the model reads of a call. A tool's failure is a result, too: it never ends the task.

        Raises:
            InputRequestExpired: nobody approved it in time, and the task is to fail then.
            ToolNotServed: no worker has the tool.
        """
        call, outcome, decision = checked.call, checked.outcome, checked.decision
        if isinstance(outcome, ToolResult):
            result = outcome
        elif decision is not None and decision.action == "ask":
            result = await self._call_if_approved(call, outcome, decision)
        else:
            result = await self._call(call, outcome)
        self.effects.on_tool_result(result)
        return result

    async def _call_if_approved(self, call: ToolCall, tool: ToolSpec, decision: PolicyDecision) -> ToolResult:
        self._record(call, "awaiting_approval")
        answer = await self.effects.ask(self._approval_request(call, tool, decision))
        if answer.decision == "approve":
            self._record(call, "proposed", decided_by=_person(answer))
            return await self._call(call, tool)
        self._record(call, "refused", decided_by=_person(answer))
        comment = f": {answer.comment.rstrip('.')}." if answer.comment else "."
        result = error_result(call, f"Not called: {call.name} was not approved{comment} Go on without it, and say so.")
        self.effects.on_call_denied(call, result)
        return result

    async def _call(self, call: ToolCall, tool: ToolSpec) -> ToolResult:
        """Make the call, and again each time that a person decides so."""
        while True:
            self.ledger.start(call.id, self.effects.now())
            try:
                value = await self.effects.call_tool(tool, call, self.step)
            except ToolError as error:
                if not isinstance(error, ToolInterrupted) or tool.effect != "irreversible":
                    self._record(call, _state_after(error))
                    return error_result(call, str(error))
                self._record(call, "unknown")
                if (result := await self._settle(call, tool, error)) is not None:
                    self.effects.on_outcome_settled(call, result)
                    return result
            except ToolCallRefused:
                self._record(call, "not_done")
                raise
            except (asyncio.CancelledError, Exception):  # the task is cancelled or ending, which cuts the call off
                self._record(call, "unknown" if tool.effect == "irreversible" else "failed")
                raise
            else:
                self._record(call, "done")
                return tool_result(call, value, self.agent)

    async def _settle(self, call: ToolCall, tool: ToolSpec, error: ToolInterrupted) -> ToolResult | None:
        """Return the result of a call that was cut off, as its probe or a person reports it; None: it is made again."""
        outcome = await self.effects.probe_tool(tool, call, self.step, error) if tool.has_probe else Unknown()
        match outcome:
            case Done(value):
                self._record(call, "done", decided_by="probe")
                return tool_result(call, value, self.agent)
            case NotDone():
                self._record(call, "not_done", decided_by="probe")
                return error_result(call, _not_done_text(tool, str(outcome)))
            case Unknown(reason):
                answer = await self.effects.ask(self._outcome_request(call, tool, error, reason))
                return self._result_by_answer(call, tool, answer)

    def _result_by_answer(self, call: ToolCall, tool: ToolSpec, answer: InputAnswer) -> ToolResult | None:
        """Return the result of a call by a person's answer; None: it did not happen, and is made again."""
        comment = f" {answer.comment}" if answer.comment else ""
        match answer.decision:
            case "retry":
                self._record(call, "not_done", decided_by=_person(answer))
                return None
            case "happened":
                self._record(call, "done", decided_by=_person(answer))
                text = f"{tool.name} took effect, as a person has found.{comment}"
                return tool_result(call, text if answer.result is None else answer.result, self.agent)
        self._record(call, "unknown", decided_by=_person(answer))
        text = f"{tool.name} was cut off, and a person could not find out more.{comment} {_UNKNOWN_OUTCOME}"
        return error_result(call, text)

    def _approval_request(self, call: ToolCall, tool: ToolSpec, decision: PolicyDecision) -> InputRequest:
        opened_at = self.effects.now()
        return InputRequest(
            id=self.effects.next_request_id(),
            kind="approval",
            step=self.step,
            call_id=call.id,
            tool=tool.name,
            arguments=call.arguments,
            reason=bounded(self.response_text.strip(), _MAX_REASON_CHARS) or None,
            message=f"Approve this call of {tool.name}? {decision.reason}",
            approvers=decision.approvers or None,
            count=decision.count,
            sha256=call_sha256(tool, call.arguments),
            opened_at=opened_at,
            expires_at=None if decision.expires is None else opened_at + timedelta(seconds=decision.expires),
            on_expiry=None if decision.expires is None else decision.on_expiry,
            escalate_to=decision.escalate_to or None,
        )

    def _outcome_request(self, call: ToolCall, tool: ToolSpec, error: ToolInterrupted, reason: str) -> InputRequest:
        probed = f" Its probe could not tell{': ' + reason if reason else ''}." if tool.has_probe else ""
        cause = bounded(str(error), _MAX_ERROR_CHARS)
        message = (
            f"{tool.name} was cut off, and may have taken effect: {cause}{probed} "
            "Find out: happened (give the result), retry (it did not happen: call it again) or give_up."
        )
        return InputRequest(
            id=self.effects.next_request_id(),
            kind="unknown_outcome",
            step=self.step,
            call_id=call.id,
            tool=tool.name,
            arguments=call.arguments,
            message=bounded(message, 2 * _MAX_REASON_CHARS),
            sha256=call_sha256(tool, call.arguments),
            opened_at=self.effects.now(),
        )

    def _record(self, call: ToolCall, state: CallState, decided_by: str | None = None) -> None:
        self.ledger.record(call.id, state, self.effects.now(), decided_by)


def _state_after(error: ToolError) -> CallState:
    match error:
        case NotDone() | SecretMissing() | ToolArgumentsInvalid():
            return "not_done"
        case ResultUnreadable():
            return "done"
    return "failed"


def _not_done_text(tool: ToolSpec, reason: str) -> str:
    because = f" {result_text(reason)}" if reason else ""
    return (
        f"{tool.name} was cut off, and did not take effect: that was checked.{because} "
        "Call it again if it is still needed."
    )


def _person(answer: InputAnswer) -> str:
    return f"person: {answer.by}" if answer.by else "person"
