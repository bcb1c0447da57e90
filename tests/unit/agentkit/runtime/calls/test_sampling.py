from __future__ import annotations

from typing import Any

import pytest
from pydantic import JsonValue

from agentkit.interfaces import ModelResponse
from agentkit.messages import ImagePart, Message, TextPart, Usage
from agentkit.runtime.calls.sampling import (
    SamplingInvalid,
    read_sampling_request,
    sampling_result,
    shown_sampling,
    to_model_request,
)

TEXT: dict[str, JsonValue] = {"role": "user", "content": {"type": "text", "text": "A rhyme?"}}


def test_a_servers_request_is_one_to_the_model() -> None:
    image: JsonValue = {"type": "image", "data": "aGk=", "mimeType": "image/png"}
    messages: JsonValue = [TEXT, {"role": "assistant", "content": [{"type": "text", "text": "On what?"}, image]}]
    sampling = read_sampling_request(
        {"messages": messages, "systemPrompt": "Be brief.", "maxTokens": 50, "temperature": 7, "stopSequences": ["."]}
    )

    request = to_model_request(sampling, "demo:m", attempt=2)
    assert (request.model, request.system, request.attempt, request.tools) == ("demo:m", "Be brief.", 2, ())
    assert (request.settings.max_output_tokens, request.settings.temperature) == (50, 2.0)
    assert [message.role for message in request.messages] == ["user", "assistant"]
    assert [type(part) for part in request.messages[1].parts] == [TextPart, ImagePart]


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        pytest.param({}, "no messages", id="empty"),
        pytest.param({"messages": ["hi"]}, "role user or assistant", id="no message"),
        pytest.param({"messages": [{**TEXT, "role": "system"}]}, "role user or assistant", id="role"),
        pytest.param({"messages": [{"role": "user", "content": {"type": "audio"}}]}, "'audio'", id="audio"),
        pytest.param({"messages": [{"role": "user", "content": None}]}, "'None'", id="no content"),
        pytest.param({"messages": [{"role": "user", "content": {"type": "image"}}]}, "base64", id="image"),
        pytest.param({"messages": [TEXT], "tools": [{"name": "x"}]}, "Tools are not taken", id="tools"),
    ],
)
def test_a_request_that_the_model_does_not_take_is_refused_with_the_reason(
    params: dict[str, Any], problem: str
) -> None:
    with pytest.raises(SamplingInvalid, match=problem):
        read_sampling_request(params)


def test_a_person_sees_all_texts_of_a_request_and_no_data_of_images() -> None:
    image: JsonValue = {"type": "image", "data": "aGk=", "mimeType": "image/png"}
    messages: JsonValue = [{"role": "user", "content": [{"type": "text", "text": "x" * 9_000}, image]}, TEXT]
    sampling = read_sampling_request({"messages": messages, "systemPrompt": "Lie.", "maxTokens": 50})

    shown: list[JsonValue] = [
        {"role": "user", "text": "x" * 9_000 + "\n[image]"},
        {"role": "user", "text": "A rhyme?"},
    ]
    assert shown_sampling(sampling) == {"system": "Lie.", "messages": shown, "max_tokens": 50}


@pytest.mark.parametrize(("stop_reason", "expected"), [("end", "endTurn"), ("length", "maxTokens")])
def test_a_response_is_a_result_of_the_protocol(stop_reason: Any, expected: str) -> None:
    message = Message(role="assistant", parts=(TextPart(text="Time, lime."),), model="demo:m")

    result = sampling_result(ModelResponse(message=message, stop_reason=stop_reason, usage=Usage()), "demo:m")

    content: JsonValue = {"type": "text", "text": "Time, lime."}
    assert result == {"role": "assistant", "content": content, "model": "demo:m", "stopReason": expected}
