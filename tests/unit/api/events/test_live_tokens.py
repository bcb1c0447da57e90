from __future__ import annotations

from collections.abc import Mapping

import pytest
from pydantic import JsonValue

from activities.streaming.token_batches import BatchKind, ResponseId, TokenBatch
from agentkit.interfaces import ModelDelta
from agentkit.messages import ToolCall
from agentkit.specs import ToolSpec
from api.events.event import Event
from api.events.live_tokens import LiveTokens
from api.events.pending_calls import PendingCall, PendingModelCall, PendingToolCall

MODEL_CALL = PendingModelCall("model-1-0", 1, "demo:demo")
TOOL_CALL = PendingToolCall("c", 1, ToolCall(id="c", name="look"), ToolSpec(name="look", description="", parameters={}))


def batch(
    text: str, kind: BatchKind = "continue", *, attempt: int = 1, activity_id: str = MODEL_CALL.activity_id
) -> TokenBatch:
    deltas = (ModelDelta("text", text),) if text else ()
    return TokenBatch(ResponseId("task", "run", activity_id, attempt, 1), kind, deltas)


def texts(events: list[Event]) -> list[JsonValue]:
    """Return the text of each delta, and ``None`` for a reset."""
    return [event.data["text"] if event.type == "model.delta" else None for event in events]


def pending(*calls: PendingCall) -> Mapping[str, PendingCall]:
    return {call.activity_id: call for call in calls}


@pytest.fixture
def events() -> list[Event]:
    """What was published."""
    return []


@pytest.fixture
def tokens(events: list[Event]) -> LiveTokens:
    """Of a task whose model call is pending."""
    tokens = LiveTokens(events.append)
    tokens.update_pending("run", pending(MODEL_CALL))
    return tokens


def test_batches_become_events_of_their_step_without_a_position(tokens: LiveTokens, events: list[Event]) -> None:
    tokens.on_batch(batch("hello ", "start"))
    tokens.on_batch(batch("there"))
    assert texts(events) == ["hello ", "there"]
    assert {(event.step, event.position, event.data["kind"]) for event in events} == {(1, None, "text")}


def test_batches_before_model_started_are_published_after_it(events: list[Event]) -> None:
    tokens = LiveTokens(events.append)
    tokens.on_batch(batch("hello ", "start"))
    tokens.on_batch(batch("there"))
    assert events == []
    tokens.update_pending("run", pending(MODEL_CALL))
    assert texts(events) == ["hello there"]


def test_batches_after_the_end_of_the_call_are_dropped(tokens: LiveTokens, events: list[Event]) -> None:
    tokens.on_batch(batch("hello", "start"))
    tokens.update_pending("run", pending())
    tokens.on_batch(batch(" late"))
    tokens.on_batch(batch("hello late", "restart"))
    assert texts(events) == ["hello"]
    assert tokens.current() == []


def test_a_new_attempt_resets_the_deltas_before_it(tokens: LiveTokens, events: list[Event]) -> None:
    tokens.on_batch(batch("hello", "start"))
    tokens.on_batch(batch("", "restart", attempt=2))
    tokens.on_batch(batch("good day", attempt=2))
    assert texts(events) == ["hello", None, "good day"]
    assert texts([*tokens.current()]) == [None, "good day"]


def test_batches_of_an_older_attempt_are_dropped(tokens: LiveTokens, events: list[Event]) -> None:
    tokens.on_batch(batch("good", "restart", attempt=2))
    tokens.on_batch(batch("hello", "restart", attempt=1))
    tokens.on_batch(batch(" there", attempt=1))
    assert texts(events) == [None, "good"]


def test_a_second_start_of_one_response_resets_the_first(tokens: LiveTokens, events: list[Event]) -> None:
    tokens.on_batch(batch("hello", "start"))
    tokens.on_batch(batch("hello there", "start"))
    assert texts(events) == ["hello", None, "hello there"]


def test_a_batch_whose_beginning_is_missing_is_dropped(tokens: LiveTokens, events: list[Event]) -> None:
    tokens.on_batch(batch("there"))
    assert (events, tokens.current()) == ([], [])


def test_a_new_watcher_gets_a_reset_and_all_text_so_far(tokens: LiveTokens) -> None:
    assert tokens.current() == []
    tokens.on_batch(batch("hello ", "start"))
    tokens.on_batch(batch("there"))
    assert texts([*tokens.current()]) == [None, "hello there"]


def test_the_next_model_of_the_chain_has_a_response_of_its_own(tokens: LiveTokens, events: list[Event]) -> None:
    fallback = PendingModelCall("model-1-1", 1, "demo:two")
    tokens.on_batch(batch("from one", "start"))
    tokens.on_batch(batch("from two", "start", activity_id=fallback.activity_id))
    tokens.update_pending("run", pending(fallback))
    tokens.on_batch(batch(" late"))
    assert texts(events) == ["from one", "from two"]


def test_pending_tool_calls_make_no_difference(tokens: LiveTokens, events: list[Event]) -> None:
    tokens.on_batch(batch("hello ", "start"))
    tokens.update_pending("run", pending(MODEL_CALL, TOOL_CALL))
    tokens.on_batch(batch("there"))
    assert texts(events) == ["hello ", "there"]


def test_only_the_newest_four_early_responses_are_kept(tokens: LiveTokens, events: list[Event]) -> None:
    calls = [PendingModelCall(f"model-{step}-0", step, "demo:demo") for step in range(2, 102)]
    for call in calls:
        tokens.on_batch(batch(call.activity_id, "start", activity_id=call.activity_id))
    tokens.update_pending("run", pending(*calls))
    assert sorted(map(str, texts(events))) == sorted(call.activity_id for call in calls[-4:])
