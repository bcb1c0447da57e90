"""The contract of planners: a longer transcript extends the request, and every response leads to a decision."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue
from pydantic_core import from_json, to_json

from agentkit.interfaces import CallTools, Finish, ModelResponse, Planner, Proceed, Retry
from agentkit.messages import ImagePart, Message, TextPart, ThinkingPart, ToolCall, ToolResult, Usage
from agentkit.planners import PLANNERS
from agentkit.specs import AgentSpec, ToolSpec

_text = st.text(max_size=30)
_json: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=5,
)
_arguments: st.SearchStrategy[Mapping[str, JsonValue]] = st.dictionaries(_text, _json, max_size=3)
_response_texts = st.one_of(
    _json.map(json.dumps),
    st.builds(lambda name, arguments: json.dumps({"action": {"name": name, "arguments": arguments}}), _text, _json),
    st.builds(lambda name, arguments: f"Action: {name}\nAction Input: {json.dumps(arguments)}", _text, _json),
    _json.map(lambda plan: json.dumps({"plan": plan})),
    _text.map(lambda answer: f"Final Answer: {answer}"),
)
"""Responses of models without native tool calls."""
_parts = st.one_of(
    st.builds(TextPart, text=_response_texts),
    st.builds(TextPart, text=_text),
    st.builds(ThinkingPart, text=_text, signature=st.none() | _text),
    st.builds(ImagePart, url=_text),
    st.builds(ToolCall, id=_text, name=_text, arguments=_arguments, malformed=st.none() | _text),
    st.builds(ToolResult, call_id=_text, name=_text, content=_text, is_error=st.booleans()),
)
_messages = st.builds(
    Message,
    role=st.sampled_from(["user", "assistant", "tool"]),
    parts=st.lists(_parts, max_size=4).map(tuple),
    source=st.sampled_from([None, "planner"]),
)
_responses = st.builds(
    ModelResponse,
    message=_messages,
    stop_reason=st.sampled_from(["end", "tool_calls", "length", "refusal"]),
    usage=st.just(Usage()),
)
_transcripts = st.lists(_messages, min_size=1, max_size=6)

TOOLS = (ToolSpec(name="look", description="Look.", parameters={"type": "object"}),)
AGENT = AgentSpec(name="a", models=("demo:demo",), planner="any", instructions="Be kind.", tools=TOOLS)

every_planner = pytest.mark.parametrize("planner", PLANNERS.values(), ids=PLANNERS)


@every_planner
@given(response=_responses)
def test_every_response_leads_to_a_decision(planner: Planner, response: ModelResponse) -> None:
    decision = planner.decide(response, AGENT)
    match decision:
        case CallTools(calls):
            assert calls, "a step without calls would repeat the request for ever"
            native = response.message.tool_calls
            assert all(call in native or not call.id for call in calls), "ids come from the model or the loop"
            assert [ToolCall.model_validate_json(strict_json(call)) for call in calls] == list(calls)
        case Retry(feedback):
            assert feedback.strip()
        case Finish(output):
            assert from_json(strict_json(output)) == output
        case Proceed(plan, feedback):
            assert plan
            assert feedback.strip()


def strict_json(value: object) -> bytes:
    """Return the value as JSON, without Python's extensions."""
    text = to_json(value)
    json.loads(text, parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"))
    return text


@every_planner
@pytest.mark.parametrize(
    "value",
    ['"\\ud800"', "NaN", "1e999", "-Infinity", "9" * 5000, "[" * 100_000, "null", '{"": {}}'],
    ids=lambda v: v[:9],
)
@pytest.mark.parametrize(
    "template",
    [
        '{"action": {"name": "look", "arguments": {"at": %s}}}',
        '{"action": {"name": "finish", "arguments": {"answer": %s}}}',
        '{"action": "look", "input": %s}',
        "Action: look\nAction Input: %s",
        'Action: look\nAction Input: {"at": %s} and so on',
        '{"plan": ["go", %s]}',
        "```json\n%s\n```",
    ],
)
def test_decisions_about_any_text_are_valid_json(planner: Planner, template: str, value: str) -> None:
    message = Message(role="assistant", parts=(TextPart(text=template.replace("%s", value)),))
    match planner.decide(ModelResponse(message=message, stop_reason="end", usage=Usage()), AGENT):
        case CallTools(calls):
            assert [ToolCall.model_validate_json(strict_json(call)) for call in calls] == list(calls)
        case Finish(output):
            strict_json(output)
        case Proceed(_, feedback) | Retry(feedback):
            strict_json(feedback)


@every_planner
@given(response=_responses)
def test_the_same_response_leads_to_the_same_decision(planner: Planner, response: ModelResponse) -> None:
    copy = ModelResponse.model_validate_json(response.canonical_json())
    assert planner.decide(copy, AGENT) == planner.decide(response, AGENT)


@every_planner
@given(transcript=_transcripts, more=_transcripts)
def test_the_request_for_a_longer_transcript_begins_with_the_shorter_one(
    planner: Planner, transcript: list[Message], more: list[Message]
) -> None:
    short = planner.render(AGENT, transcript, TOOLS)
    long = planner.render(AGENT, [*transcript, *more], TOOLS)
    assert list(long.messages[: len(short.messages)]) == list(short.messages)
    assert (long.system, long.tools, long.model) == (short.system, short.tools, short.model)


@every_planner
@given(transcript=_transcripts)
def test_no_method_changes_the_transcript(planner: Planner, transcript: list[Message]) -> None:
    before = list(transcript)
    planner.render(AGENT, transcript, TOOLS)
    first, second = planner.response_without_model(transcript), planner.response_without_model(transcript)
    assert first == second
    assert transcript == before


@every_planner
def test_the_request_is_for_a_model_of_the_agent(planner: Planner) -> None:
    request = planner.render(AGENT, [Message(role="user", parts=(TextPart(text="hi"),))], TOOLS)
    assert request.model in AGENT.models
