from __future__ import annotations

from typing import Any

import pytest
from pydantic import JsonValue

from agentkit.interfaces import ModelRequest
from agentkit.llm.openai.chat_messages import chat_messages
from agentkit.messages import ContentPart, Message, TextPart, ThinkingPart, ToolCall, ToolResult, user_message
from agentkit.specs import ModelSettings

MODEL = "openai-compatible:m"
CALL = ToolCall(id="Abc012345", name="clock")
SIGNATURE: JsonValue = {"google": {"thought_signature": "SIG"}}


def _sent(*parts: ContentPart, author: str | None = MODEL, model: str = MODEL, omit: tuple[str, ...] = ()) -> list[Any]:
    """Return the messages that a response is sent as."""
    response = Message(role="assistant", parts=parts, model=author)
    request = ModelRequest(model=model, system="", messages=(response,), settings=ModelSettings(omit=omit or None))
    return [*chat_messages(request, model.partition(":")[0], "")]


def _thought(data: JsonValue, text: str = "Hm", provider: str = "openai-compatible") -> ThinkingPart:
    return ThinkingPart(text=text, provider=provider, data=data)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param({"field": "reasoning"}, {"reasoning": "Hm", "content": "Hi"}, id="a field"),
        pytest.param(
            {"field": "content"},
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]},
                         {"type": "text", "text": "Hi"}]},
            id="a list",
        ),
        pytest.param({"tags": ["<think>", "</think>"]}, {"content": "<think>Hm</think>\n\nHi"}, id="tags"),
        pytest.param({"tags": ["", "</think>"]}, {"content": "Hm</think>\n\nHi"}, id="a closing tag"),
        pytest.param([{"type": "reasoning.text"}], {"reasoning_details": [{"type": "reasoning.text"}],
                                                    "content": "Hi"}, id="details"),
        pytest.param(None, {"content": "Hi"}, id="no form is known"),
    ],
)  # fmt: skip
def test_reasoning_goes_back_in_the_form_in_which_it_came(data: JsonValue, expected: dict[str, Any]) -> None:
    (message,) = _sent(_thought(data), TextPart(text="Hi"), CALL)
    call = {"id": CALL.id, "type": "function", "function": {"name": "clock", "arguments": "{}"}}
    assert message == {"role": "assistant", "tool_calls": [call], **expected}


@pytest.mark.parametrize(
    ("author", "provider"),
    [
        pytest.param("openai-compatible:other", "openai-compatible", id="another model"),
        pytest.param(MODEL, "openai", id="another provider"),
    ],
)
@pytest.mark.parametrize(
    "data", [{"field": "reasoning"}, {"tags": ["<think>", "</think>"]}, {"extra_content": SIGNATURE}, [{"type": "x"}]]
)
def test_reasoning_and_signatures_of_another_model_are_not_sent(author: str, provider: str, data: JsonValue) -> None:
    (message,) = _sent(_thought(data, provider=provider), CALL, author=author)
    assert (set(message), message["content"]) == ({"role", "content", "tool_calls"}, None)
    assert "extra_content" not in message["tool_calls"][0]


def test_without_calls_only_details_and_signatures_are_sent() -> None:
    (message,) = _sent(_thought({"field": "reasoning"}), _thought({"extra_content": SIGNATURE}), TextPart(text="Hi"))
    assert message == {"role": "assistant", "content": "Hi", "extra_content": SIGNATURE}


def test_a_signature_is_sent_with_the_call_that_it_came_with() -> None:
    signed = _thought({"extra_content": SIGNATURE}, text="")
    (message,) = _sent(signed, TextPart(text="Hi"), CALL, signed, CALL, CALL)
    assert [call.get("extra_content") for call in message["tool_calls"]] == [None, SIGNATURE, None]


@pytest.mark.parametrize(
    "parts",
    [(), (TextPart(text=""),), (TextPart(text=" \n"),), (_thought({"field": "reasoning"}),), (_thought([{"a": 1}]),)],
    ids=["nothing", "empty", "blank", "reasoning", "details"],
)
def test_a_response_without_text_and_calls_is_left_out(parts: tuple[ContentPart, ...]) -> None:
    assert _sent(*parts) == []


@pytest.mark.parametrize("omit", [("reasoning",), ("extra_content",), ("reasoning_details",)])
def test_a_field_that_is_left_out_is_in_no_message(omit: tuple[str, ...]) -> None:
    parts = (_thought({"field": "reasoning"}), _thought([{"a": 1}]), _thought({"extra_content": SIGNATURE}), CALL)
    (whole,), (message,) = _sent(*parts), _sent(*parts, omit=omit)
    assert omit[0] in str(whole)
    assert f"'{omit[0]}'" not in str(message)


@pytest.mark.parametrize(
    ("model", "author", "expected"),
    [
        ("openai-compatible:kimi-k2-thinking", "openai:gpt-5", ""),
        ("openai-compatible:deepseek-v4", None, ""),
        ("openai-compatible:kimi-k2-thinking", "openai-compatible:kimi-k2-thinking", ""),
        ("openai-compatible:llama", "openai:gpt-5", None),
    ],
)
def test_calls_without_reasoning_have_it_empty_where_it_is_required(
    model: str, author: str | None, expected: str | None
) -> None:
    (message,) = _sent(CALL, author=author, model=model)
    assert message.get("reasoning_content") == expected


def test_results_have_the_ids_of_their_calls() -> None:
    response = Message(
        role="assistant", parts=(ToolCall(id="x:1", name="a"), ToolCall(id="call_1_1", name="b")), model=MODEL
    )
    results = tuple(ToolResult(call_id=call.id, name=call.name, content="ok") for call in response.tool_calls)
    request = ModelRequest(
        model=MODEL, system="", messages=(user_message("Hi"), response, Message(role="tool", parts=results))
    )
    _, assistant, *sent = chat_messages(request, "openai-compatible", "")
    calls = assistant["tool_calls"]
    assert isinstance(calls, list)
    assert [call["id"] for call in calls if isinstance(call, dict)] == [result["tool_call_id"] for result in sent]
    assert sent[0]["tool_call_id"] == "x:1"
