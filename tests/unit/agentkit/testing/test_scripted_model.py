from __future__ import annotations

import pytest

from agentkit.errors import ModelRequestRejected, ModelUnavailable
from agentkit.interfaces import ModelDelta, ModelRequest, ModelResponse
from agentkit.messages import Message, SummarizedMessages, TextPart, ThinkingPart, ToolCall, Usage, user_message
from agentkit.testing import ScriptedModel

CALL = ToolCall(id="1", name="clock")


def _request(*, responses: int = 0) -> ModelRequest:
    response = Message(role="assistant", parts=(CALL,))
    return ModelRequest(model="test:m", system="", messages=(user_message("Hi"), *([response] * responses)))


async def test_responses_come_in_order_and_requests_are_kept() -> None:
    model = ScriptedModel([CALL, (CALL, CALL), "Noon."])
    requests = [_request(responses=count) for count in range(3)]
    responses = [await model.respond(request) for request in requests]
    assert [len(response.message.tool_calls) for response in responses] == [1, 2, 0]
    assert [response.stop_reason for response in responses] == ["tool_calls", "tool_calls", "end"]
    assert responses[-1].message.text == "Noon."
    assert model.requests == requests


async def test_an_error_is_raised_and_the_next_request_gets_the_next_response() -> None:
    model = ScriptedModel([ModelUnavailable("Later."), "Noon."])
    with pytest.raises(ModelUnavailable, match="Later"):
        await model.respond(_request())
    assert (await model.respond(_request())).message.text == "Noon."


async def test_by_step_a_repeated_request_gets_the_same_response() -> None:
    model = ScriptedModel.by_step([CALL, "Noon."])
    texts = [(await model.respond(_request(responses=count))).message.text for count in (1, 0, 1)]
    assert texts == ["Noon.", "", "Noon."]


async def test_one_request_too_many_is_a_clear_error() -> None:
    with pytest.raises(ModelRequestRejected, match="no response number 0"):
        await ScriptedModel([]).respond(_request())


async def test_messages_and_responses_are_given_unchanged_and_streamed() -> None:
    message = Message(role="assistant", parts=(ThinkingPart(text="Hmm."), TextPart(text="Noon.")))
    response = ModelResponse(message=message, stop_reason="length", usage=Usage(model_calls=1))
    model = ScriptedModel([message, response])
    deltas: list[ModelDelta] = []
    assert (await model.respond(_request(), deltas.append)).message == message
    assert deltas == [ModelDelta("thinking", "Hmm."), ModelDelta("text", "Noon.")]
    assert await model.respond(_request()) is response


async def test_closing_sets_closed() -> None:
    model = ScriptedModel([])
    await model.aclose()
    assert model.closed


async def test_by_step_counts_the_responses_that_a_summary_stands_for() -> None:
    summary = Message(
        role="user",
        parts=(TextPart(text="A summary."),),
        source="compaction",
        summary_of=SummarizedMessages(messages=2, responses=1),
    )
    model = ScriptedModel.by_step(["first", "second"])
    asked = ModelRequest(model="test:model", system="", messages=(user_message("go"), summary))
    assert (await model.respond(asked)).message.text == "second"
    for_summary = ModelRequest(
        model="test:model", system="", messages=(summary.model_copy(update={"summary_of": None}),)
    )
    assert (await model.respond(for_summary)).message.text == "What was done."
