from __future__ import annotations

from collections.abc import Mapping

import pytest
from pydantic import JsonValue

from activities.streaming.token_streams import AnswerId, Piece, Start
from agentkit.interfaces import ModelDelta
from agentkit.messages import ToolCall
from agentkit.specs import ToolSpec
from api.events.event import Event
from api.events.live_tokens import Speech
from api.events.scheduled_calls import AskedModel, CalledTool

ASKED = AskedModel(1, "demo:demo", "5")
TOOL = CalledTool(1, ToolCall(id="c", name="look"), ToolSpec(name="look", description="", parameters={}), "6")


def piece(words: str, start: Start = "on", *, attempt: int = 1, activity: str = "5") -> Piece:
    deltas = (ModelDelta("text", words),) if words else ()
    return Piece(AnswerId("task", "run", activity, attempt, 1), start, deltas)


def told(events: list[Event]) -> list[JsonValue]:
    """Return text, and ``None`` for a reset."""
    return [event.data["text"] if event.type == "model.delta" else None for event in events]


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def speech(events: list[Event]) -> Speech:
    """The model was asked."""
    speech = Speech(events.append)
    speech.note("run", {"5": ASKED})
    return speech


def now(*calls: AskedModel | CalledTool) -> Mapping[str, AskedModel | CalledTool]:
    return {call.activity_id: call for call in calls}


def test_pieces_become_events_of_their_step_without_a_position(speech: Speech, events: list[Event]) -> None:
    speech.hear(piece("hello ", "new"))
    speech.hear(piece("there"))
    assert told(events) == ["hello ", "there"]
    assert {(event.step, event.position, event.data["kind"]) for event in events} == {(1, None, "text")}


def test_what_comes_before_history_tells_of_the_question_waits_for_it(events: list[Event]) -> None:
    speech = Speech(events.append)
    speech.hear(piece("hello ", "new"))
    speech.hear(piece("there"))
    assert events == []
    speech.note("run", now(ASKED))
    assert told(events) == ["hello there"]


def test_what_comes_after_the_answer_is_dropped(speech: Speech, events: list[Event]) -> None:
    speech.hear(piece("hello", "new"))
    speech.note("run", now())
    speech.hear(piece(" late"))
    speech.hear(piece("hello late", "again"))
    assert told(events) == ["hello"]
    assert speech.current() == []


def test_a_new_attempt_takes_back_what_was_told(speech: Speech, events: list[Event]) -> None:
    speech.hear(piece("hello", "new"))
    speech.hear(piece("", "again", attempt=2))
    speech.hear(piece("good day", attempt=2))
    assert told(events) == ["hello", None, "good day"]
    assert told([*speech.current()]) == [None, "good day"]


def test_an_older_attempt_is_not_listened_to_any_more(speech: Speech, events: list[Event]) -> None:
    speech.hear(piece("good", "again", attempt=2))
    speech.hear(piece("hello", "again", attempt=1))
    speech.hear(piece(" there", attempt=1))
    assert told(events) == [None, "good"]


def test_an_answer_that_begins_anew_unasked_takes_back_what_was_told(speech: Speech, events: list[Event]) -> None:
    speech.hear(piece("hello", "new"))
    speech.hear(piece("hello there", "new"))
    assert told(events) == ["hello", None, "hello there"]


def test_an_answer_whose_beginning_is_missing_is_not_told(speech: Speech, events: list[Event]) -> None:
    speech.hear(piece("there"))
    assert (events, speech.current()) == ([], [])


def test_who_has_just_come_is_told_what_was_said_so_far(speech: Speech) -> None:
    assert speech.current() == []
    speech.hear(piece("hello ", "new"))
    speech.hear(piece("there"))
    assert told([*speech.current()]) == [None, "hello there"]


def test_the_next_model_of_the_chain_speaks_for_itself(speech: Speech, events: list[Event]) -> None:
    speech.hear(piece("from one", "new"))
    speech.hear(piece("from two", "new", activity="6"))
    speech.note("run", now(AskedModel(1, "demo:two", "6")))
    speech.hear(piece(" late"))
    assert told(events) == ["from one", "from two"]


def test_tools_do_not_disturb(speech: Speech, events: list[Event]) -> None:
    speech.hear(piece("hello ", "new"))
    speech.note("run", now(ASKED, TOOL))
    speech.hear(piece("there"))
    assert told(events) == ["hello ", "there"]


def test_what_comes_too_early_is_kept_within_bounds(speech: Speech) -> None:
    for activity in range(100, 200):
        speech.hear(piece("early", "new", activity=str(activity)))
    assert len(speech._answers) == 4
