"""The journal: what happens in a task and no event of Temporal's history states by itself.

The workflow upserts new entries into one memo key, so they stand in history as properties-modified events. The API
decodes them there into the task's event stream, and never re-runs the rules of the loop.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal, Self

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from pydantic import Field, JsonValue, TypeAdapter, ValidationError

    from agentkit.input_requests import InputRequest
    from agentkit.messages import ToolCall, ToolResult, Usage
    from agentkit.records import Record
    from agentkit.specs import RaisedLimits

__all__ = [
    "JOURNAL_KEY",
    "MAX_JOURNAL_BYTES",
    "AnswerRefusedEntry",
    "CancelledEntry",
    "CompactedEntry",
    "InputAnsweredEntry",
    "InputRequestedEntry",
    "JournalEntry",
    "LimitsRaisedEntry",
    "MessageReceivedEntry",
    "ParsedCallEntry",
    "PlanEntry",
    "RefusedCallEntry",
    "SettledCallEntry",
    "journal_batches",
    "read_journal",
]

JOURNAL_KEY = "journal"
"""The memo key. It holds a JSON list of entries: those of the newest upsert."""

MAX_JOURNAL_BYTES = 4096
"""Bytes of JSON in one upsert. More entries make more upserts; a longer entry is shortened by ``bounded``."""

_MAX_TEXT_CHARS = 300
_MAX_PLAN_ITEMS = 50


def _shortened(text: str, limit: int = _MAX_TEXT_CHARS) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _is_none(value: object) -> bool:
    return value is None


class PlanEntry(Record):
    """The model made a plan, or a new one."""

    type: Literal["plan_updated"] = "plan_updated"
    step: int
    plan: tuple[str, ...]
    """The parts of the plan, in order."""

    def bounded(self) -> Self:
        """Return the entry with as much of the plan as fits an upsert."""
        items = self.plan[:_MAX_PLAN_ITEMS]
        limit = MAX_JOURNAL_BYTES // 8 // max(1, len(items))  # a character takes up to 6 bytes of JSON
        return self.model_copy(update={"plan": tuple(_shortened(item, max(8, limit)) for item in items)})


class RefusedCallEntry(Record):
    """A tool call that is not made: an unknown tool, malformed arguments, too many at once, or the policy's no."""

    type: Literal["tool_call_refused"] = "tool_call_refused"
    step: int
    call: ToolCall
    """Without arguments where the model's message holds them, or where they are too long."""
    message: str
    """What the model reads instead of a result."""
    decided_by: str | None = None
    """The rule of the security policy that refused it, such as ``policy rule 2``; None: not the policy."""

    def bounded(self) -> Self:
        """Return the entry without what is too long for an upsert."""
        return self.model_copy(update={"call": _bounded_call(self.call), "message": _shortened(self.message)})


class ParsedCallEntry(Record):
    """A tool call that a planner read out of the model's text and that runs as a local activity.

    The marker of a local activity holds no arguments, and the model's message no tool call.
    """

    type: Literal["tool_call_parsed"] = "tool_call_parsed"
    step: int
    call: ToolCall
    """Without arguments where they are too long."""

    def bounded(self) -> Self:
        """Return the entry without what is too long for an upsert."""
        return self.model_copy(update={"call": _bounded_call(self.call)})


class InputRequestedEntry(Record):
    """The task asks a person."""

    type: Literal["input_requested"] = "input_requested"
    step: int
    input_request_id: str
    request: InputRequest | None = Field(default=None, exclude_if=_is_none)
    """None where the memo lists it, which is upserted in the same event."""

    def bounded(self) -> Self:
        """Return the entry without the arguments, and with shorter texts; the query has the whole request."""
        if self.request is None:
            return self
        reason = None if self.request.reason is None else _shortened(self.request.reason)
        update = {"arguments": None, "reason": reason, "message": _shortened(self.request.message)}
        update |= {"choices": None, "answer_schema": None}
        return self.model_copy(update={"request": self.request.model_copy(update=update)})

    def requested(self, listed: JsonValue) -> InputRequest | None:
        """Return the request: the entry's own, or that of the memo ``input_requests`` of the same event.

        None where neither has it, or it is of a release that this one can't read.
        """
        if self.request is not None:
            return self.request
        for item in listed if isinstance(listed, list) else ():
            if isinstance(item, dict) and item.get("id") == self.input_request_id:
                try:
                    return InputRequest.model_validate(item)
                except ValidationError:
                    return None
        return None


class InputAnsweredEntry(Record):
    """An input request is settled, or one of several people has approved."""

    type: Literal["input_answered"] = "input_answered"
    step: int
    input_request_id: str
    decision: str
    is_settled: bool = Field(default=True, exclude_if=lambda is_settled: is_settled)
    answered_by: str | None = Field(default=None, exclude_if=_is_none)
    comment: str | None = Field(default=None, exclude_if=_is_none)
    remember: str | None = Field(default=None, exclude_if=_is_none)
    arguments_changed: bool | None = Field(default=None, exclude_if=_is_none)
    """Whether the call's arguments were changed; None: no."""
    limits: RaisedLimits | None = Field(default=None, exclude_if=_is_none)

    def bounded(self) -> Self:
        """Return the entry with a shorter comment."""
        return self.model_copy(update={"comment": None if self.comment is None else _shortened(self.comment)})


class AnswerRefusedEntry(Record):
    """An answer, a message or new limits came by signal and were not accepted: they change nothing."""

    type: Literal["answer_refused"] = "answer_refused"
    step: int
    input_request_id: str | None = None
    """Of an answer, if it names one."""
    message: str
    """Why it is not accepted."""

    def bounded(self) -> Self:
        """Return the entry with a shorter message."""
        return self.model_copy(update={"message": _shortened(self.message)})


class MessageReceivedEntry(Record):
    """A person sent a message to the task."""

    type: Literal["message_received"] = "message_received"
    step: int
    text: str
    """Its start, where it is long: the transcript has all of it, once the model reads it."""
    mode: str
    sent_by: str | None = Field(default=None, exclude_if=_is_none)
    message_id: str | None = Field(default=None, exclude_if=_is_none)

    def bounded(self) -> Self:
        """Return the entry with a shorter text."""
        return self.model_copy(update={"text": _shortened(self.text)})


class LimitsRaisedEntry(Record):
    """A person raised limits, without being asked."""

    type: Literal["limits_raised"] = "limits_raised"
    step: int
    limits: RaisedLimits

    def bounded(self) -> Self:
        """Return the entry: it is short."""
        return self


class CompactedEntry(Record):
    """The transcript was shortened: it has a new version."""

    type: Literal["context_compacted"] = "context_compacted"
    step: int
    reason: str
    """``share`` or ``too_long``, as in ``CompactionReason``."""
    version: int
    """The new version's number."""
    messages_before: int
    messages_after: int
    tokens_before: int
    """Estimated, as ``tokens_after`` is."""
    tokens_after: int
    usage: Usage
    """Of the models that wrote summaries."""

    def bounded(self) -> Self:
        """Return the entry: it is short."""
        return self


class CancelledEntry(Record):
    """The task ends because it was cancelled."""

    type: Literal["cancelled"] = "cancelled"
    step: int
    usage: Usage

    def bounded(self) -> Self:
        """Return the entry: it is short."""
        return self


class SettledCallEntry(Record):
    """The outcome of a call is settled without its tool: by its probe, or by a person."""

    type: Literal["tool_call_settled"] = "tool_call_settled"
    step: int
    result: ToolResult

    def bounded(self) -> Self:
        """Return the entry with a shorter text."""
        shorter = {"content": _shortened(self.result.content), "call_id": _shortened(self.result.call_id, 100)}
        return self.model_copy(update={"result": self.result.model_copy(update=shorter)})


JournalEntry = Annotated[
    PlanEntry
    | RefusedCallEntry
    | ParsedCallEntry
    | InputRequestedEntry
    | InputAnsweredEntry
    | AnswerRefusedEntry
    | MessageReceivedEntry
    | LimitsRaisedEntry
    | CancelledEntry
    | CompactedEntry
    | SettledCallEntry,
    Field(discriminator="type"),
]
_ENTRY: TypeAdapter[JournalEntry] = TypeAdapter(JournalEntry)


def journal_batches(entries: Sequence[JournalEntry]) -> Iterator[list[JournalEntry]]:
    """Yield the entries in order, as lists that each take at most ``MAX_JOURNAL_BYTES`` of JSON."""
    batch: list[JournalEntry] = []
    size = 2
    for entry in entries:
        length = len(entry.canonical_json())
        if length + 2 > MAX_JOURNAL_BYTES:
            entry = entry.bounded()
            length = len(entry.canonical_json())
        if batch and size + length + 1 > MAX_JOURNAL_BYTES:
            yield batch
            batch, size = [], 2
        batch.append(entry)
        size += length + 1
    if batch:
        yield batch


def read_journal(value: JsonValue) -> list[JournalEntry]:
    """Return the entries that a memo's value holds; those of types that this release doesn't know are left out."""
    entries: list[JournalEntry] = []
    for item in value if isinstance(value, list) else ():
        try:
            entries.append(_ENTRY.validate_python(item))
        except ValidationError:
            continue
    return entries


def _bounded_call(call: ToolCall) -> ToolCall:
    limited = {"id": _shortened(call.id, 100), "name": _shortened(call.name, 100)}
    return call.model_copy(update={**limited, "arguments": {}, "malformed": None})
