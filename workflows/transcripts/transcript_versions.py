"""The versions of a task's transcript: the newest one, which grows, and those that compactions replaced."""

from __future__ import annotations

from collections.abc import Sequence

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.payload_types import (
        CompactedTranscript,
        ReplacedVersion,
        StoredMessages,
        TranscriptPage,
        TranscriptRange,
        TranscriptSource,
    )
    from agentkit.transcript import Segment, Transcript, first_messages

__all__ = ["TranscriptVersions", "transcript_page"]


class TranscriptVersions:
    """References to the stored messages of a transcript: of earlier runs, of earlier versions and of the source."""

    def __init__(
        self,
        source: TranscriptSource | None = None,
        stored: Sequence[StoredMessages] = (),
        replaced: Sequence[ReplacedVersion] = (),
        written: int = 0,
        *,
        common_end: int = 0,
    ) -> None:
        self.source = source
        """The transcript that the first version continues; None: it starts empty."""
        self.stored = tuple(stored)
        """The messages of the newest version that earlier runs or a compaction stored."""
        self.replaced = tuple(replaced)
        """The versions before the newest one, oldest first."""
        self.written = written
        """Number of messages that the newest version had when a compaction wrote it; 0: none did."""
        self.common_end = common_end
        """Position of the task's own first message in the first version; 0: no others come before it."""

    @property
    def number(self) -> int:
        """The newest version's number, from 1."""
        return len(self.replaced) + 1

    def segment(self, workflow_id: str, transcript: Transcript, end: int) -> Segment:
        """Return a reference to the first ``end`` messages of the newest version."""
        return transcript.segment(workflow_id, end, self.number)

    def own_start(self, recorded: int, *, has_own: bool) -> int | None:
        """Return the position of the task's own first message, if others come before it.

        Where compaction has mixed them, it is that of the next message, ``recorded``; None if the task has a plan or a
        call of its own.
        """
        if not self.common_end:
            return None
        if self.number == 1:
            return self.common_end
        return None if has_own else recorded

    def replace(self, transcript: Transcript, compacted: CompactedTranscript, last_step: int) -> Transcript:
        """Replace the newest version, ``transcript``, by a compacted one; return the transcript of that."""
        end = len(transcript)
        old = ReplacedVersion(
            pages=(*self.stored, *compacted.replaced_pages),
            end=end,
            digest=transcript.digest(end),
            written=self.written,
            last_step=last_step,
        )
        self.replaced = (*self.replaced, old)
        self.stored, self.written = compacted.pages, compacted.end
        return Transcript(start=compacted.end, digest=compacted.digest)

    def page(self, transcript: Transcript, page_range: TranscriptRange) -> TranscriptPage:
        """Return a page of a version; ``transcript`` is the newest one."""
        version = self.number if page_range.version is None else page_range.version
        if 1 <= version <= self.number:
            page = self._page(version, transcript, page_range)
        else:
            page = TranscriptPage(start=page_range.start, messages=(), total=0)
        return page.model_copy(update={"version": version, "versions": self.number})

    def _page(self, version: int, transcript: Transcript, page_range: TranscriptRange) -> TranscriptPage:
        source = self.source if version == 1 else None
        if version == self.number:
            return transcript_page(page_range, transcript, self.stored, source)
        old = self.replaced[version - 1]
        return transcript_page(page_range, Transcript(start=old.end, digest=old.digest), old.pages, source)


def transcript_page(
    page_range: TranscriptRange,
    transcript: Transcript,
    stored: Sequence[StoredMessages],
    source: TranscriptSource | None = None,
) -> TranscriptPage:
    """Return the messages of a range that ``transcript`` holds, or references to those that come before them."""
    start, total = page_range.start, len(transcript)
    if source is not None and start < source.end:
        return TranscriptPage(start=start, messages=(), source=source, total=total)
    if start < transcript.start:
        pages = tuple(page for page in stored if page.end > start)
        return TranscriptPage(start=start, messages=(), stored=pages, total=total)
    messages = first_messages(transcript.read(start, page_range.end), page_range.max_bytes)
    return TranscriptPage(start=start, messages=messages, total=total)
