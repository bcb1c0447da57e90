"""The transcript of a task: messages in order, under a chained digest, referenced by segments.

``digest(n)`` is the SHA-256 of ``digest(n - 1)`` and message n's canonical JSON, so one digest vouches for every
message before it. A segment names a range and carries the digest at its end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from pydantic import Field

from agentkit.errors import TranscriptMismatch
from agentkit.messages import Message
from agentkit.records import Record

__all__ = ["GENESIS", "Segment", "Transcript", "chain"]

GENESIS = ""
"""The digest before the first message."""


def chain(digest: str, content: bytes) -> str:
    """Return the digest after a message with this canonical JSON: 32 hexadecimal digits."""
    return hashlib.sha256(digest.encode() + content).hexdigest()[:32]


class Segment(Record):
    """A referenced range of a transcript: who owns it, where it lies, and the digest at its end."""

    workflow_id: str
    version: int = Field(default=1, exclude_if=lambda version: version == 1)
    """Goes up when compaction rewrites what stood before."""
    start: int
    """Position of the first message, from 0."""
    end: int
    """Position after the last message."""
    digest: str
    """Vouches for everything up to ``end``."""


class Transcript:
    """Messages in order, with the digest after each: a ``ShortTermMemory``. Appending is its only change."""

    def __init__(self, messages: Iterable[Message] = ()) -> None:
        self._messages: list[Message] = []
        self._digests: list[str] = [GENESIS]
        self._size = 0
        self.append(*messages)

    def __len__(self) -> int:
        return len(self._messages)

    def append(self, *messages: Message) -> None:
        """Add messages at the end."""
        for message in messages:
            content = message.canonical_json()
            self._digests.append(chain(self._digests[-1], content))
            self._messages.append(message)
            self._size += len(content)

    def read(self, start: int = 0, end: int | None = None) -> Sequence[Message]:
        """Return the messages from ``start`` to before ``end`` (None: all there are)."""
        return self._messages[start:end]

    def digest(self, end: int) -> str:
        """Return the digest after the first ``end`` messages."""
        return self._digests[end]

    @property
    def size(self) -> int:
        """Bytes of canonical JSON."""
        return self._size

    def segment(self, workflow_id: str, end: int, version: int = 1) -> Segment:
        """Return a reference to the first ``end`` messages."""
        return Segment(workflow_id=workflow_id, version=version, start=0, end=end, digest=self._digests[end])

    def matches(self, segment: Segment) -> bool:
        """Tell whether this is what ``segment`` refers to, up to its end."""
        return len(self) >= segment.end and self._digests[segment.end] == segment.digest

    def verify(self, segment: Segment) -> None:
        """Check that this is what ``segment`` refers to.

        Raises:
            TranscriptMismatch: it is shorter, or another one.
        """
        if not self.matches(segment):
            raise TranscriptMismatch(
                f"The transcript of {segment.workflow_id!r} (version {segment.version}) up to message {segment.end} "
                f"isn't the one referenced (digest {segment.digest}). Nothing was sent to a model."
            )
