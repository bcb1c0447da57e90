"""The transcript of a task: messages in order with chained digests, and segments that refer to them.

``digest(n)`` is the SHA-256 of ``digest(n - 1)`` and message n's canonical JSON, so one digest covers all
messages before it. A segment names a range and holds the digest at its end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from pydantic import Field

from agentkit.errors import TranscriptMismatch
from agentkit.messages import Message
from agentkit.records import Record

__all__ = ["EMPTY_DIGEST", "Segment", "Transcript", "first_messages", "next_digest"]

EMPTY_DIGEST = ""
"""The digest of an empty transcript."""


def next_digest(digest: str, content: bytes) -> str:
    """Return the digest after a message with this canonical JSON: 32 hexadecimal digits."""
    return hashlib.sha256(digest.encode() + content).hexdigest()[:32]


def first_messages(messages: Iterable[Message], max_bytes: int) -> tuple[Message, ...]:
    """Return as many of the messages as fit ``max_bytes`` of canonical JSON, at least one."""
    first: list[Message] = []
    size = 0
    for message in messages:
        size += len(message.canonical_json())
        if first and size > max_bytes:
            break
        first.append(message)
    return tuple(first)


class Segment(Record):
    """A reference to a range of a transcript: its owner, its positions, and the digest at its end."""

    workflow_id: str
    version: int = Field(default=1, exclude_if=lambda version: version == 1)
    """Increased when compaction rewrites the messages."""
    start: int
    """Position of the first message, from 0."""
    end: int
    """Position after the last message."""
    digest: str
    """Digest of all messages up to ``end``, from the first message of the transcript."""


class Transcript:
    """Messages in order, with the digest after each; append-only. A ``ShortTermMemory``.

    The first ``start`` messages may be elsewhere; their ``digest`` is known. Positions count from the very first one.
    """

    def __init__(self, messages: Iterable[Message] = (), *, start: int = 0, digest: str = EMPTY_DIGEST) -> None:
        self.start = start
        """Position of the first message that is here."""
        self._messages: list[Message] = []
        self._digests: list[str] = [digest]
        self._size = 0
        self.append(*messages)

    def __len__(self) -> int:
        return self.start + len(self._messages)

    def append(self, *messages: Message) -> None:
        """Add messages at the end."""
        for message in messages:
            content = message.canonical_json()
            self._digests.append(next_digest(self._digests[-1], content))
            self._messages.append(message)
            self._size += len(content)

    def copy(self) -> Transcript:
        """Return a transcript of the same messages that can be appended to by itself."""
        copy = Transcript(start=self.start)
        copy._messages, copy._digests = self._messages.copy(), self._digests.copy()
        copy._size = self._size
        return copy

    def read(self, start: int = 0, end: int | None = None) -> Sequence[Message]:
        """Return the messages from ``start`` up to and excluding ``end`` (None: the last one) that are here."""
        return self._messages[max(0, start - self.start) : None if end is None else max(0, end - self.start)]

    def digest(self, end: int) -> str:
        """Return the digest after the first ``end`` messages, ``start`` of them at least."""
        return self._digests[end - self.start]

    @property
    def size(self) -> int:
        """Bytes of the messages' canonical JSON."""
        return self._size

    def segment(self, workflow_id: str, end: int, version: int = 1) -> Segment:
        """Return a reference to the first ``end`` messages."""
        return Segment(workflow_id=workflow_id, version=version, start=0, end=end, digest=self.digest(end))

    def matches(self, segment: Segment) -> bool:
        """Return whether the messages up to the segment's end are the ones it refers to."""
        return self.start <= segment.end <= len(self) and self.digest(segment.end) == segment.digest

    def verify(self, segment: Segment) -> None:
        """Check that the messages up to the segment's end are the ones it refers to.

        Raises:
            TranscriptMismatch: messages are missing, or differ.
        """
        if not self.matches(segment):
            raise TranscriptMismatch(
                f"The transcript of {segment.workflow_id!r} (version {segment.version}) up to message {segment.end} "
                f"isn't the one referenced (digest {segment.digest}). Nothing was sent to a model."
            )
