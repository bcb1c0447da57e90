from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.errors import TranscriptMismatch
from agentkit.interfaces import ShortTermMemory
from agentkit.messages import Message, TextPart, ToolCall, ToolResult
from agentkit.transcript import EMPTY_DIGEST, Segment, Transcript, first_messages, next_digest

_text = st.text(max_size=20)
_parts = st.one_of(
    st.builds(TextPart, text=_text),
    st.builds(ToolCall, id=_text, name=_text, arguments=st.dictionaries(_text, st.integers() | st.none(), max_size=2)),
    st.builds(ToolResult, call_id=_text, name=_text, content=_text, is_error=st.booleans()),
)
_messages = st.builds(
    Message, role=st.sampled_from(["user", "assistant", "tool"]), parts=st.lists(_parts, max_size=3).map(tuple)
)
_transcripts = st.lists(_messages, min_size=1, max_size=6)


def user_messages(*texts: str) -> list[Message]:
    return [Message(role="user", parts=(TextPart(text=text),)) for text in texts]


def test_an_empty_transcript_has_the_empty_digest() -> None:
    transcript = Transcript()
    assert (len(transcript), transcript.size, transcript.digest(0)) == (0, 0, EMPTY_DIGEST)


def test_each_digest_covers_the_one_before_and_the_canonical_json() -> None:
    first, second = user_messages("one", "two")
    expected = next_digest(next_digest(EMPTY_DIGEST, first.canonical_json()), second.canonical_json())
    assert Transcript([first, second]).digest(2) == expected


def test_digests_never_change_from_release_to_release() -> None:
    message = Message(
        role="assistant",
        parts=(TextPart(text="hi"), ToolCall(id="c1", name="look", arguments={"at": [1, None]})),
        model="demo:demo",
    )
    assert Transcript([message]).digest(1) == "0e389eb40063db50a5c321828a985590"


@given(messages=_transcripts, data=st.data())
def test_any_change_of_any_message_changes_every_digest_after_it(messages: list[Message], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(messages) - 1))
    other = data.draw(_messages.filter(lambda message: message.canonical_json() != messages[place].canonical_json()))
    before = Transcript(messages)
    after = Transcript([*messages[:place], other, *messages[place + 1 :]])
    for end in range(len(messages) + 1):
        assert (before.digest(end) == after.digest(end)) == (end <= place)


@given(messages=_transcripts, data=st.data())
def test_appending_in_two_batches_gives_the_same_transcript(messages: list[Message], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(messages)))
    in_batches = Transcript(messages[:cut])
    in_batches.append(*messages[cut:])
    at_once = Transcript(messages)
    assert list(in_batches.read()) == messages
    assert in_batches.size == at_once.size == sum(len(message.canonical_json()) for message in messages)
    assert in_batches.segment("t", len(messages)) == at_once.segment("t", len(messages))


@given(messages=_transcripts, data=st.data())
def test_a_segment_matches_its_own_transcript_and_longer_ones_but_no_shorter_one(
    messages: list[Message], data: st.DataObject
) -> None:
    end = data.draw(st.integers(0, len(messages)))
    segment = Transcript(messages).segment("t", end)
    assert Transcript(messages).matches(segment)
    assert Transcript(messages[:end]).matches(segment)
    assert Transcript(messages[: end - 1]).matches(segment) == (end == 0)


def test_read_returns_a_range_of_messages() -> None:
    transcript = Transcript(user_messages("a", "b", "c"))
    assert [message.text for message in transcript.read(1)] == ["b", "c"]
    assert [message.text for message in transcript.read(0, 2)] == ["a", "b"]


def test_a_shorter_transcript_is_a_mismatch() -> None:
    segment = Transcript(user_messages("a", "b")).segment("task-1", 2)
    with pytest.raises(TranscriptMismatch, match=r"'task-1'.*up to message 2.*Nothing was sent"):
        Transcript(user_messages("a")).verify(segment)


def test_a_different_earlier_message_is_a_mismatch_even_if_the_last_one_is_the_same() -> None:
    segment = Transcript(user_messages("a", "b")).segment("task-1", 2)
    with pytest.raises(TranscriptMismatch):
        Transcript(user_messages("x", "b")).verify(segment)


def test_a_longer_transcript_with_the_same_messages_passes() -> None:
    Transcript(user_messages("a", "b", "c")).verify(Transcript(user_messages("a", "b")).segment("task-1", 2))


def test_a_segment_names_its_owner_version_and_range() -> None:
    transcript = Transcript(user_messages("a", "b"))
    assert transcript.segment("task-1", 1, 3) == Segment(
        workflow_id="task-1", version=3, start=0, end=1, digest=transcript.digest(1)
    )


def test_a_transcript_is_a_short_term_memory() -> None:
    memory: ShortTermMemory = Transcript()
    memory.append(*user_messages("a", "b"))
    assert [message.text for message in memory.read(1)] == ["b"]


def test_a_transcript_whose_first_messages_are_elsewhere_has_the_same_positions_digests_and_segments() -> None:
    messages = user_messages("a", "b", "c", "d")
    complete = Transcript(messages)
    later = Transcript(messages[2:3], start=2, digest=complete.digest(2))
    later.append(messages[3])
    assert (len(later), later.read(3), later.read(0, 3)) == (4, [messages[3]], [messages[2]])
    assert later.segment("t", 4) == complete.segment("t", 4)
    assert later.matches(complete.segment("t", 2))
    assert not later.matches(complete.segment("t", 1))


def test_a_copy_grows_by_itself() -> None:
    transcript = Transcript(user_messages("a", "b"))
    copy = transcript.copy()
    copy.append(*user_messages("c"))
    assert (len(transcript), len(copy), copy.size) == (2, 3, Transcript(user_messages("a", "b", "c")).size)
    assert copy.digest(3) == Transcript(user_messages("a", "b", "c")).digest(3)


def test_first_messages_are_as_many_as_fit_and_at_least_one() -> None:
    messages = user_messages("a" * 100, "b" * 100, "c" * 100)
    assert [len(first_messages(messages, size)) for size in (0, 200, 400, 10_000)] == [1, 1, 2, 3]
    assert first_messages([], 10) == ()
