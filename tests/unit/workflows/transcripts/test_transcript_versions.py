"""Pages of a transcript's versions: what is in the workflow, what is stored, and what another workflow has."""

from __future__ import annotations

import pytest

from activities.payload_types import (
    CompactedTranscript,
    StoredMessages,
    TranscriptPage,
    TranscriptRange,
    TranscriptSource,
)
from agentkit.messages import user_message
from agentkit.transcript import EMPTY_DIGEST, Transcript
from workflows.task_types import StepEnds
from workflows.transcripts.transcript_versions import TranscriptVersions

MESSAGES = [user_message(f"Message {number}.") for number in range(8)]
SOURCE = TranscriptSource(workflow_id="task-source", end=2, digest="d" * 32)


def stored(start: int, end: int, name: str) -> StoredMessages:
    return StoredMessages(start=start, end=end, claim={"sha256": name})


def compacted(end: int, name: str, replaced: tuple[StoredMessages, ...] = ()) -> CompactedTranscript:
    return CompactedTranscript(
        pages=(stored(0, end, name),), replaced_pages=replaced, digest=name, tokens_before=9, tokens_after=3
    )


def twice_compacted() -> tuple[TranscriptVersions, Transcript]:
    """Return the versions of a task that goes on from a source, and whose transcript was shortened twice."""
    versions = TranscriptVersions(SOURCE)
    first = Transcript(MESSAGES[:3], start=SOURCE.end, digest=SOURCE.digest)
    second = versions.replace(first, compacted(3, "second", (stored(2, 5, "first"),)), 1)
    second.append(*MESSAGES[3:5])
    third = versions.replace(second, compacted(4, "third", (stored(3, 5, "own of second"),)), 2)
    third.append(*MESSAGES[5:8])
    return versions, third


def page(start: int, version: int | None = None, end: int | None = None) -> TranscriptPage:
    versions, newest = twice_compacted()
    return versions.page(newest, TranscriptRange(start=start, end=end, version=version))


def test_the_newest_version_is_the_default_and_goes_on_after_what_compaction_wrote() -> None:
    newest = page(4)
    assert (newest.version, newest.versions, newest.total) == (3, 3, 7)
    assert newest.messages == tuple(MESSAGES[5:8])
    assert [each.claim["sha256"] for each in page(0).stored] == ["third"]


def test_a_replaced_version_has_all_of_its_pages_those_that_compaction_wrote_first() -> None:
    second = page(0, version=2)
    assert [each.claim["sha256"] for each in second.stored] == ["second", "own of second"]
    assert (second.total, second.version, second.versions) == (5, 2, 3)
    assert [each.claim["sha256"] for each in page(3, version=2).stored] == ["own of second"]
    assert page(5, version=2).messages == ()


def test_only_the_first_version_begins_in_another_workflow() -> None:
    assert page(0, version=1).source == SOURCE
    assert [each.claim["sha256"] for each in page(2, version=1).stored] == ["first"]
    assert page(0, version=2).source is None


@pytest.mark.parametrize("version", [0, -1, 4])
def test_a_version_that_does_not_exist_has_no_messages_and_says_how_many_there_are(version: int) -> None:
    missing = page(0, version=version)
    assert (missing.messages, missing.stored, missing.total, missing.versions) == ((), (), 0, 3)


def test_segments_name_the_newest_version() -> None:
    versions, newest = twice_compacted()
    segment = versions.segment("task-1", newest, 6)
    assert (segment.version, segment.end, segment.digest) == (3, 6, newest.digest(6))


def test_each_finished_step_belongs_to_the_version_that_it_was_finished_in() -> None:
    versions, _ = twice_compacted()
    ends = StepEnds(ends=(3, 5, 5, 6, 7), replaced=versions.replaced)
    assert [ends.version_of(step) for step in range(5)] == [1, 1, 2, 3, 3]
    assert ends.version == 3


def test_a_task_that_never_compacts_pays_no_byte() -> None:
    versions = TranscriptVersions()
    first = versions.page(Transcript(MESSAGES[:1]), TranscriptRange())
    assert set(first.model_dump(mode="json")) == {"start", "messages", "total"}
    assert Transcript().digest(0) == EMPTY_DIGEST
    assert "version" not in versions.segment("task-1", Transcript(MESSAGES[:1]), 1).model_dump(mode="json")
    assert set(StepEnds(ends=(1,)).model_dump(mode="json")) == {"first_step", "ends"}
