"""Detect a model that makes the same calls in step after step, and gets the same results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from agentkit.errors import LoopDetected
from agentkit.messages import ToolCall, ToolResult

__all__ = ["DEFAULT_MAX_REPEATS", "REPEATS_BEFORE_NOTICE", "RepeatedCalls"]

DEFAULT_MAX_REPEATS = 6
"""For agents that set no limit."""

REPEATS_BEFORE_NOTICE = 3
"""Number of steps in a row with the same call and result from which the result has a note for the model."""

_MAX_ARGUMENT_CHARS = 200
"""Longer arguments are cut off in error messages."""


class RepeatedCalls:
    """Counts in how many steps in a row the same call had the same arguments and the same result."""

    def __init__(self, limit: int | None, counts: Mapping[str, int] | None = None) -> None:
        """Set up the limit, as ``Limits.max_repeats`` has it, and the counts so far."""
        self._limit = DEFAULT_MAX_REPEATS if limit is None else limit
        self.counts: Mapping[str, int] = dict(counts or {})
        """In how many steps in a row each call of the newest step was made, by a digest of call and result."""

    def set_limit(self, limit: int | None) -> None:
        """Set another limit, as ``Limits.max_repeats`` has it."""
        self._limit = DEFAULT_MAX_REPEATS if limit is None else limit

    def record(self, calls: Sequence[ToolCall], results: Sequence[ToolResult]) -> Sequence[ToolResult]:
        """Count a step's calls, and return their results; those of repeated calls have a note for the model."""
        if not self._limit:
            return results
        digests = [_digest(call, result) for call, result in zip(calls, results, strict=True)]
        self.counts = {digest: self.counts.get(digest, 0) + 1 for digest in digests}
        return [self._with_note(result, digest) for result, digest in zip(results, digests, strict=True)]

    def check(self, calls: Sequence[ToolCall]) -> None:
        """Check that the newest step, with these calls, was not one repetition too many.

        A step with a call that is new, or has a new result, is progress.

        Raises:
            LoopDetected: all its calls had the same results in as many steps as the limit.
        """
        if not self._limit or not self.counts or min(self.counts.values()) < self._limit:
            return
        arguments = json.dumps(calls[0].arguments, ensure_ascii=False)[:_MAX_ARGUMENT_CHARS]
        raise LoopDetected(
            f"max_repeats is {self._limit}, and the model made the same call in as many steps in a row, with the same "
            f"result each time: {calls[0].name} {arguments}. If that is no mistake, raise max_repeats in the agent's "
            "limits"
        )

    def _with_note(self, result: ToolResult, digest: str) -> ToolResult:
        count = self.counts[digest]
        if count < REPEATS_BEFORE_NOTICE:
            return result
        warning = " Once more, and the task ends." if count == self._limit - 1 else ""
        note = (
            f"\n\n[The same call had the same result in {count} steps in a row, and would have it again. "
            f"Do something else, or finish with what you know.{warning}]"
        )
        return result.model_copy(update={"content": result.content + note})


def _digest(call: ToolCall, result: ToolResult) -> str:
    """Return the first 32 hexadecimal digits of a SHA-256; ids don't count."""
    has_note = result.whole is not None or bool(result.files)  # which names the call
    content = result.content.replace(call.id, "") if has_note else result.content
    files = [[file.media_type, file.size, file.claim] for file in result.files or ()]
    values = [call.name, call.arguments, call.malformed, content, result.is_error, *files]
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:32]
