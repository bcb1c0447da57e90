"""What people do to a task, drawn by hypothesis: each move is applied to the expected task, and can then be sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hypothesis import strategies as st
from pydantic import JsonValue

from tests.workflows.expected_task import ALLOWED_CENTS, DENIED_CENTS, ExpectedCall, ExpectedTask

__all__ = ["ANY_MOVE", "Intent", "Move", "apply_move"]

_Kind = Literal["approve", "deny", "edit", "wrong", "send", "interrupt", "resend", "pause", "resume", "raise", "limit"]

_EDITS = (0, ALLOWED_CENTS, 800, 900, DENIED_CENTS + 1)
"""Amounts that a person changes a payment to; 0 stands for the same amount."""
_TOO_LATE = "AlreadyAnswered or AnswerExpired"


@dataclass(frozen=True)
class Intent:
    """What a person is about to do; ``pick`` chooses among what the task offers at that time."""

    kind: _Kind
    pick: int
    is_remembered: bool = False


ANY_MOVE = st.builds(
    Intent,
    st.sampled_from(("approve", "approve", "deny", "edit", "wrong", "send", "interrupt", "resend", "pause", "resume"))
    | st.sampled_from(("approve", "resume", "raise", "limit")),
    st.integers(0, 11),
    st.integers(0, 3).map(lambda number: number == 0),
)


@dataclass(frozen=True)
class Move:
    """A signal or an update."""

    name: str
    data: dict[str, JsonValue] | None = None
    refusal: str | None = None
    """The kind of error that the update fails with; the signal then changes nothing."""
    is_checked: bool = False
    """Whether an activity checks it, so that it takes effect later than what is sent next."""

    @property
    def arguments(self) -> list[JsonValue]:
        return [] if self.data is None else [self.data]


def apply_move(task: ExpectedTask, intent: Intent) -> Move | None:
    """Return the move, as it was applied to the expected task; None: the task offers nothing to do so with."""
    match intent.kind:
        case "pause" | "resume":
            task.is_paused = intent.kind == "pause"
            return Move(intent.kind)
        case "send" | "interrupt" | "resend":
            return _send(task, intent)
        case "raise":
            max_steps = max(1, task.max_steps - 1 + intent.pick % 4)
            return Move("raise_limits", {"max_steps": max_steps}, task.raise_limit(max_steps))
        case "limit":
            return _answer_limit(task, intent)
        case "wrong":
            return _wrong_answer(task, intent.pick)
    return _answer(task, intent)


def _send(task: ExpectedTask, intent: Intent) -> Move | None:
    earlier = sorted(task.message_ids, key=int)
    if intent.kind == "resend" and not earlier:
        return None
    message_id = earlier[intent.pick % len(earlier)] if intent.kind == "resend" else str(len(earlier))
    text, mode = f"Message {message_id}.", "interrupt" if intent.kind == "interrupt" else "enqueue"
    task.send(text, message_id, interrupts=mode == "interrupt")
    return Move("send_message", {"text": text, "mode": mode, "id": message_id})


def _answer_limit(task: ExpectedTask, intent: Intent) -> Move | None:
    if task.limit_request not in task.pending:
        return None
    data: dict[str, JsonValue] = {"input_request_id": f"input_{task.limit_request}", "decision": "stop"}
    if intent.pick == 0:
        return Move("answer_input", data, task.answer_limit(None))
    max_steps = max(1, task.max_steps - 1 + intent.pick % 4)
    data |= {"decision": "raise", "limits": {"max_steps": max_steps}}
    return Move("answer_input", data, task.answer_limit(max_steps))


def _open_calls(task: ExpectedTask) -> list[ExpectedCall]:
    return [call for call in task.asking() if call.request in task.pending]


def _answer(task: ExpectedTask, intent: Intent) -> Move | None:
    if not (calls := _open_calls(task)):
        return None
    call, is_edited = calls[intent.pick % len(calls)], intent.kind == "edit"
    decision = "deny" if intent.kind == "deny" else "approve"
    (person,) = call.approvers
    data: dict[str, JsonValue] = {"input_request_id": f"input_{call.request}", "answered_by": person}
    if call.tool == "ask_person":
        answered: dict[str, JsonValue] = {"decision": "answer", "answer": "blue"}
        data |= {"decision": "decline"} if decision == "deny" else answered
        return Move("answer_input", data, task.answer(call, decision, None, remember=False))
    cents = (_EDITS[intent.pick % len(_EDITS)] or call.cents) if is_edited else None
    refusal = task.answer(call, decision, cents, remember=intent.is_remembered)
    data |= {"decision": decision} | ({"arguments": {"cents": cents}} if is_edited else {})
    return Move("answer_input", data | ({"remember": "task"} if intent.is_remembered else {}), refusal, is_edited)


def _wrong_answer(task: ExpectedTask, pick: int) -> Move:
    """Return an answer that is wrong in one respect."""
    settled = [number for number in range(1, task.requests + 1) if number not in task.pending]
    number = settled[pick % len(settled)] if settled and pick % 2 else task.requests + 7
    refusal = _TOO_LATE if number in settled else "InputRequestNotFound"
    right: dict[str, JsonValue] = {"input_request_id": f"input_{number}", "decision": "approve", "answered_by": "ada"}
    if not (calls := _open_calls(task)):
        return Move("answer_input", right, refusal)
    call = calls[pick % len(calls)]
    (person,) = call.approvers
    good = "approve" if call.tool == "pay" else "decline"
    asked: dict[str, JsonValue] = {**right, "input_request_id": f"input_{call.request}", "decision": good}
    asked["answered_by"] = person
    wrong: list[tuple[dict[str, JsonValue], str]] = [
        (right, refusal),
        ({**asked, "decision": "happened"}, "AnswerMismatch"),
        ({**asked, "decision": "perhaps"}, "AnswerMismatch"),
        ({**asked, "sha256": "0" * 64}, "AnswerOutdated"),
        ({**asked, "answered_by": "eve"}, "AnswerNotAllowed"),
        ({**asked, "arguments": {"cents": "many"}}, "AnswerMismatch"),
    ]
    return Move("answer_input", *wrong[pick % len(wrong)])
