"""A ``Compactor`` in memory that keeps the first message and the newest ones, and writes no real summary."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from agentkit.interfaces import CompactedMessages, CompactionRequest
from agentkit.messages import Message, SummarizedMessages, TextPart, Usage
from agentkit.summarized_responses import summarized_responses

__all__ = ["ScriptedCompactor"]

_TOKENS_PER_MESSAGE = 100


class ScriptedCompactor:
    """A compactor that keeps the first message, a summary that counts the others, and the newest exchanges.

    A message counts as 100 tokens, and a compaction as one call of a model with 10 input and 5 output tokens::

        compactor = ScriptedCompactor(keep=1)
        ...
        assert compactor.requests[0].reason == "share"
    """

    def __init__(self, keep: int = 1, failures: Sequence[Exception] = ()) -> None:
        """Keep the newest ``keep`` assistant messages, each with the messages after it.

        The first calls raise ``failures``, one each.
        """
        self._keep = keep
        self._failures = list(failures)
        self.requests: list[CompactionRequest] = []
        """All requests so far."""
        self.transcripts: list[tuple[Message, ...]] = []
        """The messages that came with each request."""
        self.released = asyncio.Event()
        """Compactions wait for this event; it is set unless a test clears it."""
        self.released.set()

    async def compact(self, messages: Sequence[Message], request: CompactionRequest) -> CompactedMessages:
        """Return the shorter transcript, or raise the next failure."""
        self.requests.append(request)
        self.transcripts.append(tuple(messages))
        await self.released.wait()
        if self._failures:
            raise self._failures.pop(0)
        replies = [index for index, message in enumerate(messages) if message.role == "assistant"]
        start = max(1, replies[-self._keep] if 0 < self._keep <= len(replies) else len(messages))
        summary = "\n".join([f"This is a summary of {start - 1} messages.", *request.facts])
        shorter = messages
        if start > 2:
            responses = sum(message.role == "assistant" for message in messages[1:start])
            summarized = SummarizedMessages(messages=start - 1, responses=responses + summarized_responses(messages))
            part = TextPart(text=summary)
            message = Message(role="user", parts=(part,), source="compaction", summary_of=summarized)
            shorter = (messages[0], message, *messages[start:])
        return CompactedMessages(
            messages=tuple(shorter),
            tokens_before=len(messages) * _TOKENS_PER_MESSAGE,
            tokens_after=len(shorter) * _TOKENS_PER_MESSAGE,
            usage=Usage(input_tokens=10, output_tokens=5, cost_usd=0.0, model_calls=1),
        )
