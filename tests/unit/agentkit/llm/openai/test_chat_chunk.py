from __future__ import annotations

from typing import Any

import pytest

from agentkit.llm.openai.chat_chunk import ChatChunk, ChatDelta, ChatToolCall


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        pytest.param({"content": "Hi"}, ("", "", "Hi"), id="text"),
        pytest.param({"content": None}, ("", "", ""), id="null"),
        pytest.param({"content": [{"type": "text", "text": "H"}, {"text": "i"}]}, ("", "", "Hi"), id="list of texts"),
        pytest.param({"content": ["H", "i"]}, ("", "", "Hi"), id="list of strings"),
        pytest.param({"content": {"type": "text", "text": "Hi"}}, ("", "", "Hi"), id="one part"),
        pytest.param(
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}, {"text": "Hi"}]},
            ("content", "Hm", "Hi"),
            id="thinking in the list",
        ),
        pytest.param(
            {"content": [{"type": "reasoning", "reasoning": "Hm"}]}, ("content", "Hm", ""), id="reasoning in the list"
        ),
        pytest.param({"reasoning_content": "Hm"}, ("reasoning_content", "Hm", ""), id="reasoning_content"),
        pytest.param({"reasoning": "Hm", "reasoning_content": None}, ("reasoning", "Hm", ""), id="reasoning"),
        pytest.param({"reasoning_content": "", "reasoning": "Hm"}, ("reasoning", "Hm", ""), id="one of two is empty"),
        pytest.param({"reasoning_content": "Hm", "reasoning": "Hm"}, ("reasoning_content", "Hm", ""), id="twice"),
        pytest.param({"thinking": "Hm"}, ("thinking", "Hm", ""), id="thinking"),
        pytest.param({"reasoning": {"text": "Hm"}}, ("reasoning", "Hm", ""), id="an object"),
        pytest.param(
            {"content": "<thought>Hm</thought>", "extra_content": {"google": {"thought": True}}},
            ("", "Hm", ""),
            id="marked by Gemini",
        ),
    ],
)
def test_reasoning_and_text_are_found_in_every_form(received: dict[str, Any], expected: tuple[str, str, str]) -> None:
    delta = ChatDelta.model_validate(received)
    assert (delta.reasoning_field, delta.reasoning, delta.text) == expected


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        pytest.param(
            {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}, ("a", "f", "{}"), id="usual"
        ),
        pytest.param(
            {"id": 7, "function": {"name": "f", "arguments": {"a": 1}}}, ("7", "f", '{"a": 1}'), id="odd types"
        ),
        pytest.param({"id": None, "function": {"name": None, "arguments": None}}, ("", "", ""), id="nulls"),
        pytest.param({"id": "a", "name": "f", "arguments": "{}"}, ("a", "f", "{}"), id="no function"),
        pytest.param({"id": "a", "function": None}, ("a", "", ""), id="function null"),
    ],
)
def test_a_call_is_read_in_every_form(received: dict[str, Any], expected: tuple[str, str, str]) -> None:
    call = ChatToolCall.model_validate(received)
    assert (call.id, call.function.name, call.function.arguments_json) == expected


@pytest.mark.parametrize("calls", [None, [], {}])
def test_no_calls_may_be_sent_in_many_forms(calls: object) -> None:
    assert ChatDelta.model_validate({"tool_calls": calls}).calls == ()


def test_a_single_call_may_be_no_list() -> None:
    (call,) = ChatDelta.model_validate({"tool_calls": {"function": {"name": "f"}}}).calls
    assert call.function.name == "f"


USAGE = {"prompt_tokens": 3, "completion_tokens": 2}


@pytest.mark.parametrize(
    "chunk",
    [
        pytest.param({"usage": USAGE}, id="of the chunk"),
        pytest.param({"choices": [{"usage": USAGE}]}, id="of the choice, as of Moonshot"),
        pytest.param({"choices": [{"delta": {"usage": USAGE}}]}, id="of the delta"),
        pytest.param({"choices": [{"message": {"usage": USAGE}}]}, id="of the message"),
        pytest.param({"x_groq": {"usage": USAGE}}, id="Groq's"),
    ],
)
def test_usage_is_found_wherever_it_is(chunk: dict[str, Any]) -> None:
    (usage,) = ChatChunk.model_validate(chunk).usages
    assert (usage.input_tokens, usage.output_tokens) == (3, 2)
