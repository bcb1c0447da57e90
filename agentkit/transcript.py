"""The transcript of a task: messages in order with chained digests, and segments that refer to them.

``digest(n)`` is the SHA-256 of ``digest(n - 1)`` and message n's canonical JSON, so one digest covers all
messages before it. A segment names a range and holds the digest at its end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence

from pydantic import Field

from agentkit.errors import TranscriptMismatch
from agentkit.messages import Message
from agentkit.records import Record

__all__ = ["EMPTY_DIGEST", "Segment", "Transcript", "next_digest"]

EMPTY_DIGEST = ""
"""The digest of an empty transcript."""


def next_digest(digest: str, content: bytes) -> str:
    """Return the digest after a message with this canonical JSON: 32 hexadecimal digits."""
    return hashlib.sha256(digest.encode() + content).hexdigest()[:32]


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
    """Messages in order, with the digest after each; append-only. A ``ShortTermMemory``."""

    def __init__(self, messages: Iterable[Message] = ()) -> None:
        self._messages: list[Message] = []
        self._digests: list[str] = [EMPTY_DIGEST]
        self._sizes: list[int] = []
        self._size = 0
        self.append(*messages)

    def __len__(self) -> int:
        return len(self._messages)

    def append(self, *messages: Message) -> None:
        """Add messages at the end."""
        for message in messages:
            content = message.canonical_json()
            self._digests.append(next_digest(self._digests[-1], content))
            self._messages.append(message)
            self._sizes.append(len(content))
            self._size += len(content)

    def append_known(self, messages: Sequence[Message], digests: Sequence[str], sizes: Sequence[int]) -> None:
        """Add messages whose digests and sizes an earlier transcript of the same task has computed."""
        self._messages += messages
        self._digests += digests
        self._sizes += sizes
        self._size += sum(sizes)

    def read(self, start: int = 0, end: int | None = None) -> Sequence[Message]:
        """Return the messages from ``start`` up to and excluding ``end`` (None: the last one)."""
        return self._messages[start:end]

    def digest(self, end: int) -> str:
        """Return the digest after the first ``end`` messages."""
        return self._digests[end]

    @property
    def size(self) -> int:
        """Bytes of the messages' canonical JSON."""
        return self._size

    def digests(self, start: int, end: int) -> Sequence[str]:
        """Return the digests after the messages from ``start`` up to and excluding ``end``."""
        return self._digests[start + 1 : end + 1]

    def sizes(self, start: int, end: int) -> Sequence[int]:
        """Return the bytes of the canonical JSON of these messages."""
        return self._sizes[start:end]

    def pages(self, max_bytes: int) -> Iterator[tuple[int, int]]:
        """Yield start and end of pages with at most ``max_bytes`` of canonical JSON; longer messages have their own.

        A longer transcript begins with the same pages, but for the last one.
        """
        start = size = 0
        for position, length in enumerate(self._sizes):
            if size + length > max_bytes and position > start:
                yield start, position
                start, size = position, 0
            size += length
        if start < len(self._messages):
            yield start, len(self._messages)

    def segment(self, workflow_id: str, end: int, version: int = 1) -> Segment:
        """Return a reference to the first ``end`` messages."""
        return Segment(workflow_id=workflow_id, version=version, start=0, end=end, digest=self._digests[end])

    def matches(self, segment: Segment) -> bool:
        """Return whether the messages up to the segment's end are the ones it refers to."""
        return len(self) >= segment.end and self._digests[segment.end] == segment.digest

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
