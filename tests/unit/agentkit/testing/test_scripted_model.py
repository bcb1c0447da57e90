from __future__ import annotations

import pytest

from agentkit.errors import ModelRequestRejected, ModelUnavailable
from agentkit.interfaces import ModelDelta, ModelRequest, ModelResponse
from agentkit.messages import Message, TextPart, ThinkingPart, ToolCall, Usage, user_message
from agentkit.testing import ScriptedModel

CALL = ToolCall(id="1", name="clock")


def _request(*, answered: int = 0) -> ModelRequest:
    said = Message(role="assistant", parts=(CALL,))
    return ModelRequest(model="test:m", system="", messages=(user_message("Hi"), *([said] * answered)))


async def test_responses_come_in_order_and_requests_are_kept() -> None:
    model = ScriptedModel([CALL, (CALL, CALL), "Noon."])
    asked = [_request(answered=answered) for answered in range(3)]
    answers = [await model.respond(request) for request in asked]
    assert [len(answer.message.tool_calls) for answer in answers] == [1, 2, 0]
    assert [answer.stop_reason for answer in answers] == ["tool_calls", "tool_calls", "end"]
    assert answers[-1].message.text == "Noon."
    assert model.requests == asked


async def test_an_error_is_raised_and_the_next_attempt_goes_on() -> None:
    model = ScriptedModel([ModelUnavailable("Later."), "Noon."])
    with pytest.raises(ModelUnavailable, match="Later"):
        await model.respond(_request())
    assert (await model.respond(_request())).message.text == "Noon."


async def test_by_step_a_repeated_request_gets_the_same_answer() -> None:
    model = ScriptedModel.by_step([CALL, "Noon."])
    texts = [(await model.respond(_request(answered=answered))).message.text for answered in (1, 0, 1)]
    assert texts == ["Noon.", "", "Noon."]


async def test_a_request_too_many_is_a_clear_error() -> None:
    with pytest.raises(ModelRequestRejected, match="no response number 0"):
        await ScriptedModel([]).respond(_request())


async def test_whole_messages_and_responses_are_given_as_they_are() -> None:
    message = Message(role="assistant", parts=(ThinkingPart(text="Hmm."), TextPart(text="Noon.")))
    response = ModelResponse(message=message, stop_reason="length", usage=Usage(model_calls=1))
    model = ScriptedModel([message, response])
    deltas: list[ModelDelta] = []
    assert (await model.respond(_request(), deltas.append)).message == message
    assert deltas == [ModelDelta("thinking", "Hmm."), ModelDelta("text", "Noon.")]
    assert await model.respond(_request()) is response


async def test_closing_is_noted() -> None:
    model = ScriptedModel([])
    await model.aclose()
    assert model.closed
