from __future__ import annotations

import pytest

from agentkit.interfaces import READ_RESULT
from agentkit.messages import Message, StoredContent, ToolResult
from agentkit.runtime.compaction.compaction_results import OLD_RESULT_CHARS, shorten_results
from agentkit.specs import ToolSpec
from tests.compaction_transcripts import agent

READER = agent(tools=(ToolSpec(name=READ_RESULT, description="", parameters={}),))
TEXT = "start" + "x" * 5_000 + "end"
WHOLE = StoredContent(media_type="text/plain", size=90_000, claim={"key": "1"})
IMAGE = StoredContent(media_type="image/png", size=900, claim={"key": "2"})


def _message(**fields: object) -> Message:
    result = ToolResult.model_validate({"call_id": "c1", "name": "look", "content": TEXT, **fields})
    return Message(role="tool", parts=(result,))


def _shortened(message: Message, max_chars: int = OLD_RESULT_CHARS) -> ToolResult:
    (shorter,) = shorten_results([message], READER, max_chars)
    (part,) = shorter.parts
    assert isinstance(part, ToolResult)
    return part


def test_the_start_and_the_end_stay_with_a_note_between_them() -> None:
    result = _shortened(_message())
    assert result.content.startswith("startxxx")
    assert result.content.endswith("xxxend")
    assert "[... 4,608 of 5,008 characters were left out later, to save space. ...]" in result.content
    assert len(result.content) < 500


def test_a_result_that_is_kept_can_still_be_read() -> None:
    result = _shortened(_message(whole=WHOLE))
    assert 'call read_result with call_id="c1"' in result.content
    assert result.whole == WHOLE


def test_an_agent_without_read_result_is_not_told_of_it() -> None:
    (shorter,) = shorten_results([_message(whole=WHOLE)], agent(), 400)
    (part,) = shorter.parts
    assert isinstance(part, ToolResult)
    assert READ_RESULT not in part.content


def test_images_are_shown_no_more_and_other_files_keep_their_numbers() -> None:
    text_file = StoredContent(media_type="text/csv", size=10, claim={"key": "3"})
    result = _shortened(_message(content="two files", files=(IMAGE, text_file)))
    assert result.files is not None
    assert [file.claim for file in result.files] == [None, {"key": "3"}]
    assert result.content == "two files"


@pytest.mark.parametrize(
    "message",
    [
        _message(content="x" * 600),
        _message().model_copy(update={"pinned": True}),
        Message(role="user", parts=_message().parts),
    ],
    ids=["short", "pinned", "no result"],
)
def test_other_messages_stay_the_same_objects(message: Message) -> None:
    assert shorten_results([message], READER, OLD_RESULT_CHARS)[0] is message


def test_a_result_is_shortened_once() -> None:
    once = shorten_results([_message(whole=WHOLE, files=(IMAGE,))], READER, OLD_RESULT_CHARS)
    assert shorten_results(once, READER, OLD_RESULT_CHARS)[0] is once[0]
