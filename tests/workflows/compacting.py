"""Tasks whose transcript is shortened: agents with a small context window, and responses that take much of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from temporalio.api.history.v1 import HistoryEvent
from temporalio.converter import PayloadConverter

from agentkit.interfaces import CompactedMessages, CompactionRequest, ModelResponse
from agentkit.messages import ContentPart, Message, TextPart, ToolCall, Usage
from agentkit.specs import CompactionSettings
from agentkit.testing import ScriptedCompactor, ScriptedResponse
from agentkit.tools import tool
from workflows.listing.journal import JOURNAL_KEY, CompactedEntry, read_journal

__all__ = [
    "FULL",
    "SMALL_WINDOW",
    "GatedCompactor",
    "ShorterEachTime",
    "compactions",
    "look",
    "looking",
    "response",
    "summary_texts",
]

SMALL_WINDOW = CompactionSettings(window=1_000)
FULL = 850
"""Tokens that take the share of ``SMALL_WINDOW`` at which a transcript is shortened."""


class GatedCompactor(ScriptedCompactor):
    """Waits for ``released`` in each compaction."""

    def __init__(self) -> None:
        super().__init__()
        self.started = asyncio.Event()
        """Set in the first compaction."""
        self.released.clear()

    async def compact(self, messages: Sequence[Message], request: CompactionRequest) -> CompactedMessages:
        """Wait, and shorten the transcript."""
        self.started.set()
        return await super().compact(messages, request)


class ShorterEachTime:
    """Keeps one exchange less with each attempt."""

    def __init__(self) -> None:
        self.requests: list[CompactionRequest] = []

    async def compact(self, messages: Sequence[Message], request: CompactionRequest) -> CompactedMessages:
        """Shorten the transcript."""
        self.requests.append(request)
        return await ScriptedCompactor(keep=5 - request.attempt).compact(messages, request)


@tool(effect="pure")
def look(number: int) -> str:
    """Look at something."""
    return f"seen {number}"


def looking(number: int) -> ToolCall:
    """Return a call of ``look``."""
    return ToolCall(id=f"l{number}", name="look", arguments={"number": number})


def response(part: ToolCall | str, tokens: int = 10) -> ScriptedResponse:
    """Return a response that took so many input tokens."""
    parts: tuple[ContentPart, ...] = (TextPart(text=part) if isinstance(part, str) else part,)
    message = Message(role="assistant", parts=parts, model="scripted:m")
    usage = Usage(input_tokens=tokens, output_tokens=1, cost_usd=0.0, model_calls=1)
    return ModelResponse(message=message, stop_reason="tool_calls" if message.tool_calls else "end", usage=usage)


def compactions(events: Sequence[HistoryEvent]) -> list[CompactedEntry]:
    """Return the journal's entries of compactions in a history."""
    converter = PayloadConverter.default
    found: list[CompactedEntry] = []
    for event in events:
        fields = event.workflow_properties_modified_event_attributes.upserted_memo.fields
        if JOURNAL_KEY in fields:
            entries = read_journal(converter.from_payload(fields[JOURNAL_KEY]))
            found += [entry for entry in entries if isinstance(entry, CompactedEntry)]
    return found


def summary_texts(messages: Sequence[Message]) -> list[str]:
    """Return the texts of the summaries in a transcript."""
    return [message.text for message in messages if message.source == "compaction"]
