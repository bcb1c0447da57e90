"""Carry out the tool calls of a step: their approval, the call itself, and what became of one that was cut off.

The rules for effects are here: an irreversible call is made once. If it was cut off, its probe is asked, then a person;
it is made again only if the person decides so.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Protocol

from agentkit.errors import (
    NotDone,
    RequestStateLost,
    ResultUnreadable,
    SecretMissing,
    ToolArgumentsInvalid,
    ToolCallRefused,
    ToolError,
    ToolInterrupted,
)
from agentkit.input_requests import InputAnswer
from agentkit.interfaces import (
    ASK_PERSON,
    Done,
    InputRequired,
    McpCall,
    PolicyDecision,
    ToolOutput,
    ToolValue,
    Unknown,
)
from agentkit.messages import ToolCall, ToolResult
from agentkit.runtime.calls.call_effects import CallEffects, CheckedCall
from agentkit.runtime.calls.call_requests import approval_request, declined_text, outcome_request, question_request
from agentkit.runtime.calls.client_inputs import MAX_INPUT_ROUNDS, ClientInputMissing, ClientInputRules, ClientInputs
from agentkit.runtime.calls.effect_ledger import CallState, EffectLedger
from agentkit.runtime.calls.remembered_decisions import RememberedDecisions
from agentkit.runtime.calls.tool_results import bounded, error_result, result_text, tool_result
from agentkit.specs import AgentSpec, ToolSpec

__all__ = ["CallExecution", "CallRules"]

_MAX_REASON_CHARS = 1_000
_MAX_NOTE_CHARS = 2_000
_UNKNOWN_OUTCOME = "Whether it took effect is UNKNOWN. Don't call it again before you have checked."


class CallRules(ClientInputRules, Protocol):
    """The rules that a call passes while it is carried out: policy, ledger and remembered decisions of its loop."""

    ledger: EffectLedger
    remembered: RememberedDecisions

    def decide(self, tool: ToolSpec, call: ToolCall) -> PolicyDecision:
        """Return the decision of the security policy, or of a person who had one remembered."""
        ...


@dataclass(frozen=True)
class CallExecution:
    """Carries out the calls of one step, and keeps the ledger."""

    agent: AgentSpec
    rules: CallRules
    effects: CallEffects
    step: int
    response_text: str
    """What the model wrote beside its calls, for the person who approves them."""

    async def execute(self, checked: CheckedCall) -> ToolResult:
        """Return what the model reads of a call. A tool's failure is a result, too: it never ends the task.

        Raises:
            InputRequestExpired: nobody answered in time, and the task is to fail then.
            ToolNotServed: no worker has the tool.
        """
        call, outcome, decision = checked.call, checked.outcome, checked.decision
        if isinstance(outcome, ToolResult):
            result = outcome
        elif outcome.name == ASK_PERSON:
            result = await self._ask_question(call, outcome, decision)
        elif decision is not None and decision.action == "ask":
            result = await self._call_if_approved(call, outcome, decision)
        else:
            result = await self._call(call, outcome)
        self.effects.on_tool_result(result)
        return result

    async def _call_if_approved(self, call: ToolCall, tool: ToolSpec, decision: PolicyDecision) -> ToolResult:
        """Make the call once it is approved; with changed arguments, once the policy allows these, too."""
        self._record(call, "awaiting_approval")
        edited_by = ""
        while True:
            answer = await self.effects.ask(
                approval_request(self.effects, call, tool, decision, step=self.step, reason=self._reason(edited_by))
            )
            if answer.remember is not None and answer.arguments is None:
                self.rules.remembered.remember(answer, tool, call, decision)
            if answer.decision != "approve":
                return self._denied(call, answer)
            if answer.arguments is None or answer.arguments == call.arguments:
                break
            call, edited_by = call.model_copy(update={"arguments": answer.arguments}), _person(answer)
            self.rules.ledger.change_arguments(call)
            self.effects.on_call_edited(call, tool)
            decision = self.rules.decide(tool, call)
            if decision.action == "deny":
                return self._denied(call, answer.model_copy(update={"comment": decision.reason}))
            if decision.action == "allow":
                break
        self._record(call, "proposed", decided_by=_person(answer))
        return _with_note(await self._call(call, tool), call, edited_by)

    def _reason(self, edited_by: str) -> str | None:
        text = f"The arguments were changed by {edited_by}. {self.response_text}" if edited_by else self.response_text
        return bounded(text, _MAX_REASON_CHARS) or None

    def _denied(self, call: ToolCall, answer: InputAnswer) -> ToolResult:
        self._record(call, "refused", decided_by=_person(answer))
        comment = f": {answer.comment.rstrip('.')}." if answer.comment else "."
        result = error_result(call, f"Not called: {call.name} was not approved{comment} Go on without it, and say so.")
        self.effects.on_call_denied(call, result)
        return result

    async def _ask_question(self, call: ToolCall, tool: ToolSpec, decision: PolicyDecision | None) -> ToolResult:
        """Ask a person the question of a call of ``ask_person``; the answer is its result."""
        self.rules.ledger.start(call.id, self.effects.now())
        answer = await self.effects.ask(question_request(self.effects, call, tool, decision, step=self.step))
        if answer.decision == "answer":
            self._record(call, "done", decided_by=_person(answer))
            result = tool_result(call, answer.answer, self.agent)
        else:
            self._record(call, "failed", decided_by=_person(answer))
            result = error_result(call, declined_text(answer))
        self.effects.on_outcome_settled(call, result)
        return result

    async def _call(self, call: ToolCall, tool: ToolSpec) -> ToolResult:
        """Make the call, and continue it with input as often as its server requires some."""
        outcome = await self._make(call, tool)
        inputs = ClientInputs(self.rules, self.effects, self.step)
        is_state_lost = False
        for _ in range(MAX_INPUT_ROUNDS):
            if isinstance(outcome, ToolResult):
                return outcome
            try:
                results = await inputs.obtain_all(call, tool, outcome.requests)
            except ClientInputMissing as error:
                return self._without_input(call, str(error))
            mcp = McpCall(effect=tool.effect, inputs=results, state=outcome.state, resumes=call.id)
            try:
                outcome = await self._make(call, tool, mcp)
            except RequestStateLost as error:
                if is_state_lost:
                    return self._without_input(call, str(error))
                is_state_lost = True
                outcome = await self._make(call, tool, McpCall(effect=tool.effect, resumes=call.id))
        if isinstance(outcome, ToolResult):
            return outcome
        return self._without_input(call, f"It asked {MAX_INPUT_ROUNDS} times and still wants more.")

    def _without_input(self, call: ToolCall, reason: str) -> ToolResult:
        """Return the result of a call whose server doesn't get the input that it requires."""
        result = error_result(call, f"{call.name} has no result: its server asked for input. {reason}")
        self.effects.on_outcome_settled(call, result)
        return result

    async def _make(self, call: ToolCall, tool: ToolSpec, mcp: McpCall | None = None) -> ToolResult | InputRequired:
        """Make one call, and again each time that a person decides so; return its result, or what input it requires.

        With ``mcp``, it continues the model's call, under an id and a ledger entry of its own.

        Raises:
            RequestStateLost: the server doesn't accept the state of the call that is resumed; nothing was done.
        """
        made = call
        if mcp is not None:
            made = self.rules.ledger.propose_continuation(call, tool, self.step, self.effects.now())
        while True:
            try:
                await self.effects.before_call(tool)
            except NotDone as error:
                return self._not_made(call, error)
            try:
                self.rules.ledger.start(call.id, self.effects.now())
                value = await self.effects.call_tool(tool, made, self.step, mcp)
            except ToolError as error:
                self._record(call, _state_after(error, tool))
                if isinstance(error, RequestStateLost) and mcp is not None:
                    raise
                if (result := await self._result_of_error(call, tool, error)) is not None:
                    return result
            except ToolCallRefused:
                self._record(call, "not_done")
                raise
            except (asyncio.CancelledError, Exception):  # the task is cancelled or ending, which cuts the call off
                self._record(call, "unknown" if tool.effect == "irreversible" else "failed")
                raise
            else:
                return self._outcome(call, value)

    def _outcome(self, call: ToolCall, value: ToolValue) -> ToolResult | InputRequired:
        if isinstance(value, ToolOutput) and value.input_required is not None:
            self._record(call, "not_done")
            return value.input_required
        self._record(call, "done")
        return tool_result(call, value, self.agent)

    async def _result_of_error(self, call: ToolCall, tool: ToolSpec, error: ToolError) -> ToolResult | None:
        """Return the result of a call that failed; None: it was cut off, and a person decides that it is made again."""
        if not isinstance(error, ToolInterrupted) or tool.effect != "irreversible":
            return error_result(call, str(error))
        if (result := await self._settle(call, tool, error)) is not None:
            self.effects.on_outcome_settled(call, result)
        return result

    def _not_made(self, call: ToolCall, error: NotDone) -> ToolResult:
        """Return the result of a call that is not started, for a person interrupted the step."""
        self._record(call, "not_done")
        result = error_result(call, str(error))
        self.effects.on_call_denied(call, result)
        return result

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
                answer = await self.effects.ask(
                    outcome_request(self.effects, call, tool, step=self.step, error=error, reason=reason)
                )
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

    def _record(self, call: ToolCall, state: CallState, decided_by: str | None = None) -> None:
        self.rules.ledger.record(call.id, state, self.effects.now(), decided_by)


def _state_after(error: ToolError, tool: ToolSpec) -> CallState:
    match error:
        case ToolInterrupted() if tool.effect == "irreversible":
            return "unknown"
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


def _with_note(result: ToolResult, call: ToolCall, edited_by: str) -> ToolResult:
    """Return the result of a call; where a person has changed its arguments, with a note that says so."""
    if not edited_by:
        return result
    arguments = bounded(json.dumps(call.arguments, ensure_ascii=False), _MAX_NOTE_CHARS)
    note = f"[{edited_by} changed the arguments, so it was called with {arguments}]\n"
    return result.model_copy(update={"content": note + result.content})


def _person(answer: InputAnswer) -> str:
    return f"person: {answer.answered_by}" if answer.answered_by else "person"
