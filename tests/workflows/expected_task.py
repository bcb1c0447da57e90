"""What a task does by the documentation: a small model to compare the workflow with.

People's moves take effect at once; ``advance`` then lets the task go on as far as it can. Its tools take no time, and
its language model responds when it is let.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

__all__ = [
    "ALLOWED_CENTS",
    "DENIED_CENTS",
    "EXPIRY_MINUTES",
    "ExpectedCall",
    "ExpectedTask",
    "OnExpiry",
    "PlannedCall",
]

ALLOWED_CENTS = 100
"""Payments up to this need nobody's approval."""
DENIED_CENTS = 5_000
"""Payments above this are not made."""
EXPIRY_MINUTES = 60

OnExpiry = Literal["approve", "deny", "fail", "escalate"]


@dataclass(frozen=True)
class PlannedCall:
    """A tool call of the script: ``pay`` with an amount, ``ask_person`` or ``look``."""

    tool: Literal["pay", "ask_person", "look"]
    cents: int = 0


@dataclass
class ExpectedCall:
    """A tool call, and the input request that it waits for."""

    id: str
    tool: str
    cents: int
    state: Literal["new", "asking", "held", "ended"] = "new"
    """``held``: it is to be made when the task isn't paused."""
    request: int = 0
    approvers: frozenset[str] = frozenset({"ada"})
    expires_at: int = 0
    is_escalated: bool = False
    decision: str | None = None
    edited_cents: int | None = None
    is_remembered: bool = False
    is_error: bool = False

    def end(self, *, is_error: bool = False) -> None:
        self.state, self.is_error = "ended", is_error


@dataclass
class ExpectedTask:
    """One task: what it shows, what it did, and what it would do with each move."""

    script: tuple[tuple[PlannedCall, ...], ...]
    on_expiry: OnExpiry
    max_steps: int
    asks_at_limit: bool
    minutes: int = 0
    phase: Literal["between", "limit", "model", "calls", "finishing"] = "between"
    outcome: str | None = None
    is_paused: bool = False
    is_interrupted: bool = False
    queue: list[str] = field(default_factory=list)
    message_ids: set[str] = field(default_factory=set)
    steps: int = 0
    responses: int = 0
    calls: list[ExpectedCall] = field(default_factory=list)
    requests: int = 0
    """How many input requests were opened."""
    limit_request: int = 0
    limit_decision: str | None = None
    remembered: str | None = None
    """The decision on payments that holds for later ones."""
    paid: list[tuple[str, int]] = field(default_factory=list)
    transcript: list[tuple[str, object]] = field(default_factory=lambda: [("user", "Go.")])

    @property
    def status(self) -> str:
        if self.outcome:
            return self.outcome
        if self.is_paused:
            return "paused"
        return "waiting" if self.pending else "running"

    @property
    def pending(self) -> list[int]:
        """The numbers of the requests that wait for an answer."""
        calls = [call.request for call in self.asking() if call.decision is None]
        is_at_limit = self.phase == "limit" and self.limit_decision is None
        return [] if self.outcome else sorted([*calls, *([self.limit_request] if is_at_limit else [])])

    def asking(self) -> list[ExpectedCall]:
        return sorted((call for call in self.calls if call.state == "asking"), key=lambda call: call.request)

    def decide(self, cents: int) -> str:
        """Return what policy, or a person who had it remembered, decides on a payment."""
        if cents <= ALLOWED_CENTS:
            return "approve"
        return "deny" if cents > DENIED_CENTS else self.remembered or "ask"

    def send(self, text: str, message_id: str, *, interrupts: bool) -> None:
        if message_id not in self.message_ids:
            self.message_ids.add(message_id)
            self.queue.append(text)
            self.is_interrupted = self.is_interrupted or interrupts

    def raise_limit(self, max_steps: int) -> str | None:
        """Raise the limit; return the kind of error where that is refused."""
        if max_steps < self.max_steps:
            return "SteeringInvalid"
        self.max_steps = max_steps
        if self.phase == "limit" and self.limit_decision is None and self.steps < max_steps:
            self.limit_decision = "raise"
        return None

    def answer_limit(self, max_steps: int | None) -> str | None:
        """Answer the request of the limit; None stops the task."""
        if max_steps is None:
            self.limit_decision = "stop"
            return None
        if max_steps < self.max_steps or max_steps <= self.steps:
            return "AnswerMismatch"
        self.max_steps, self.limit_decision = max_steps, "raise"
        return None

    def answer(self, call: ExpectedCall, decision: str, cents: int | None, *, remember: bool) -> str | None:
        """Answer the request of a call; return the kind of error where that is refused."""
        if cents is not None and self.decide(cents) == "deny":
            return "AnswerMismatch"
        call.decision, call.is_remembered = decision, remember
        call.edited_cents = None if cents == call.cents else cents
        return None

    def respond(self) -> None:
        """Let the language model respond with the next step of the script."""
        plan = self.script[self.responses] if self.responses < len(self.script) else ()
        self.responses += 1
        self.transcript.append(("assistant", "" if plan else "Done."))
        number = self.responses
        self.calls = [ExpectedCall(f"c{number}-{i}", call.tool, call.cents) for i, call in enumerate(plan)]
        self.phase = "calls" if plan else "finishing"

    def pass_time(self, minutes: int) -> None:
        """Let time pass; the language model responds at once meanwhile."""
        end = self.minutes + minutes
        while self.outcome is None:
            if self.phase == "model":
                self.respond()
            elif (due := min((call.expires_at for call in self.asking()), default=end + 1)) <= end:
                self.minutes = due
                self._expire(next(call for call in self.asking() if call.expires_at == due))
            else:
                break
            self.advance()
        self.minutes = end

    def _expire(self, call: ExpectedCall) -> None:
        how = "deny" if call.is_escalated or call.tool == "ask_person" else self.on_expiry
        if how == "escalate":
            call.is_escalated, call.approvers = True, frozenset({"board"})
            call.expires_at += EXPIRY_MINUTES
        elif how == "fail":
            self.outcome = "failed"
        else:
            call.decision = how

    def advance(self) -> None:
        """Go on until nothing is left to do before a person moves or the language model responds."""
        while self.outcome is None and next(self._progress(), False):
            pass

    def _progress(self) -> Iterator[bool]:
        """Yield True once if something was done."""
        match self.phase:
            case "between" if not self.is_paused:
                self._start_step()
                yield True
            case "limit" if self.limit_decision is not None:
                self.phase = "between"
                self.outcome = "failed" if self.limit_decision == "stop" else None
                yield True
            case "model" if self.is_interrupted:
                self.phase = "between"
                yield True
            case "calls":
                yield self._carry_out_calls()
            case "finishing" if not self.is_paused:
                self.phase, self.outcome = "between", None if self.queue else "completed"
                yield True

    def _start_step(self) -> None:
        self.transcript += [("user", text) for text in self.queue]
        self.queue, self.is_interrupted = [], False
        if self.steps < self.max_steps:
            self.steps += 1
            self.phase = "model"
        elif self.asks_at_limit:
            self.requests += 1
            self.phase, self.limit_request, self.limit_decision = "limit", self.requests, None
        else:
            self.outcome = "failed"

    def _carry_out_calls(self) -> bool:
        moved = [*map(self._start, self._in_state("new")), *map(self._settle, self.asking())]
        moved += map(self._make, self._in_state("held"))
        if self.calls and not any(call.state != "ended" for call in self.calls):
            self.transcript.append(("tool", tuple((call.tool, call.is_error) for call in self.calls)))
            self.calls, self.phase = [], "between"
            return True
        return any(moved)

    def _in_state(self, state: str) -> list[ExpectedCall]:
        return [call for call in self.calls if call.state == state]

    def _start(self, call: ExpectedCall) -> bool:
        decision = self.decide(call.cents) if call.tool == "pay" else "ask" if call.tool == "ask_person" else "approve"
        self._apply(call, decision)
        return True

    def _apply(self, call: ExpectedCall, decision: str) -> None:
        if decision == "deny":
            call.end(is_error=True)
        elif decision == "approve":
            call.state = "held"
        else:
            self.requests += 1
            call.state, call.request, call.decision = "asking", self.requests, None
            call.expires_at, call.approvers = self.minutes + EXPIRY_MINUTES, frozenset({"ada"})
            call.is_escalated = False

    def _settle(self, call: ExpectedCall) -> bool:
        """Go on with a call whose request has its answer, or is withdrawn by an interruption."""
        if call.decision is None and not self.is_interrupted:
            return False
        if call.is_remembered and call.edited_cents is None and call.decision is not None:
            self.remembered = call.decision
        if call.tool == "ask_person":
            call.end(is_error=call.decision != "approve")
        elif call.decision != "approve":
            call.end(is_error=True)
        elif call.edited_cents is None:
            call.state = "held"
        else:
            call.cents, call.edited_cents = call.edited_cents, None
            self._apply(call, self.decide(call.cents))
        return True

    def _make(self, call: ExpectedCall) -> bool:
        if self.is_interrupted:
            call.end(is_error=True)
        elif self.is_paused:
            return False
        else:
            call.end()
            if call.tool == "pay":
                self.paid.append((call.id, call.cents))
        return True
