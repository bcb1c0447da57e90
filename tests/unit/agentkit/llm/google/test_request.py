from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from agentkit.errors import ModelRequestRejected
from agentkit.interfaces import ModelRequest
from agentkit.llm.google.model import GoogleModel
from agentkit.llm.google.profile import gemini_tool_name
from agentkit.llm.google.request import gemini_body
from agentkit.messages import FilePart, ImagePart, Message, TextPart, ThinkingPart, ToolCall, ToolResult, user_message
from agentkit.specs import ToolSpec
from agentkit.testing import ScriptedGeminiServer, ServerResponse

MODEL = "google:gemini-3.8-flash"
PLACEHOLDER = base64.b64encode(b"skip_thought_signature_validator").decode()


def _contents(*messages: Message, model: str = MODEL) -> list[Any]:
    contents = gemini_body(ModelRequest(model=model, system="", messages=messages))["contents"]
    assert isinstance(contents, list)
    return contents


async def test_a_rich_transcript_is_sent_as_the_golden_request(
    rich_request: Callable[[str], ModelRequest], assert_golden: Callable[[str, Mapping[str, object]], None]
) -> None:
    async with (
        ScriptedGeminiServer([ServerResponse(text="{}")]) as server,
        aclosing(GoogleModel(base_url=server.url)) as model,
    ):
        await model.respond(rich_request(MODEL))
    assert_golden("google.json", server.requests[0].body)


def test_the_results_of_one_step_are_one_content_with_errors_marked() -> None:
    results = (
        ToolResult(call_id="a", name="clock", content="noon"),
        ToolResult(call_id="", name="mcp:x/y", content="No.", is_error=True),
    )
    separate = [Message(role="tool", parts=(result,)) for result in results]
    content, next_content = _contents(*separate, user_message("Continue."))
    first, second = (part["functionResponse"] for part in content["parts"])
    assert content["role"] == "user"
    assert first == {"id": "a", "name": "clock", "response": {"output": "noon"}}
    assert second == {"name": gemini_tool_name("mcp:x/y"), "response": {"error": "No."}}
    assert next_content == {"role": "user", "parts": [{"text": "Continue."}]}


def test_empty_messages_are_left_out() -> None:
    blank = Message(role="assistant", parts=(TextPart(text=""),), model=MODEL)
    assert _contents(user_message("Hi"), blank) == [{"role": "user", "parts": [{"text": "Hi"}]}]


def _signature(signs: str | None, text: str = "") -> ThinkingPart:
    data: JsonValue = {"signs": signs} if signs else None
    return ThinkingPart(text=text, provider="google", signature="c2ln", data=data)


CALL = ToolCall(id="a", name="clock")
SENT_CALL = {"functionCall": {"id": "a", "name": "clock", "args": {}}}


@pytest.mark.parametrize(
    ("parts", "sent"),
    [
        pytest.param((_signature("tool_call"), CALL), [SENT_CALL | {"thoughtSignature": "c2ln"}], id="on a call"),
        pytest.param(
            (_signature("text"), TextPart(text="a"), CALL), [{"text": "a", "thoughtSignature": "c2ln"}, SENT_CALL],
            id="on text"),
        pytest.param((TextPart(text="a"), _signature("nothing")),
                     [{"text": "a"}, {"text": "", "thoughtSignature": "c2ln"}], id="on nothing"),
        pytest.param((_signature(None, "Hmm."), TextPart(text="a")),
                     [{"text": "Hmm.", "thought": True, "thoughtSignature": "c2ln"}, {"text": "a"}], id="on thinking"),
        pytest.param((ThinkingPart(text="Hmm.", provider="google"), CALL), [SENT_CALL], id="unsigned thinking"),
        pytest.param((ThinkingPart(text="Hmm.", provider="anthropic", signature="x"), CALL), [SENT_CALL],
                     id="another provider's thinking"),
    ],
)  # fmt: skip
def test_each_signature_is_sent_back_on_the_part_that_it_came_with(parts: tuple[Any, ...], sent: list[object]) -> None:
    (content,) = _contents(Message(role="assistant", parts=parts, model=MODEL))
    assert content == {"role": "model", "parts": sent}


@pytest.mark.parametrize(
    ("model", "author", "signatures"),
    [
        pytest.param(MODEL, "openai:gpt-5", [PLACEHOLDER, None], id="another provider's"),
        pytest.param(MODEL, "google:gemini-3-pro", [PLACEHOLDER, None], id="another Gemini's"),
        pytest.param("google:gemini-2.5-flash", "openai:gpt-5", [None, None], id="to a model without signatures"),
        pytest.param(MODEL, MODEL, ["c2ln", None], id="its own"),
    ],
)
def test_calls_of_another_model_get_the_placeholder_signature(
    model: str, author: str, signatures: list[str | None]
) -> None:
    parts = (_signature("tool_call"), CALL, CALL.model_copy(update={"id": "b"}))
    (content,) = _contents(Message(role="assistant", parts=parts, model=author), model=model)
    assert [part.get("thoughtSignature") for part in content["parts"]] == signatures


def test_images_are_sent_by_url_or_as_data() -> None:
    parts = (
        ImagePart(url="https://example.org/a.png?x=1"),
        ImagePart(url="https://example.org/a", media_type="image/webp"),
        ImagePart(data=b"aGk=", media_type="image/png"),
        ImagePart(url="data:image/gif;base64,R0lG"),
    )
    (content,) = _contents(user_message(parts))
    assert content["parts"] == [
        {"fileData": {"mimeType": "image/png", "fileUri": "https://example.org/a.png?x=1"}},
        {"fileData": {"mimeType": "image/webp", "fileUri": "https://example.org/a"}},
        {"inlineData": {"mimeType": "image/png", "data": "aGk="}},
        {"inlineData": {"mimeType": "image/gif", "data": "R0lG"}},
    ]


def test_text_files_are_texts_and_other_files_are_data() -> None:
    files = (FilePart(data=b"aGk=", media_type="text/plain"), FilePart(data=b"aGk=", media_type="audio/wav", name="a"))
    (content,) = _contents(user_message(files))
    assert content["parts"] == [
        {"text": '<file media_type="text/plain">\nhi\n</file>'},
        {"inlineData": {"mimeType": "audio/wav", "data": "aGk="}},
    ]


def test_an_image_of_unknown_type_is_rejected_with_the_remedy() -> None:
    with pytest.raises(ModelRequestRejected, match="give it a media_type such as image/png"):
        _contents(user_message((ImagePart(url="https://example.org/photo"),)))


@given(st.text())
def test_every_tool_name_becomes_a_valid_one(name: str) -> None:
    assert re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}", gemini_tool_name(name))


def test_similar_tool_names_stay_different() -> None:
    names = ["1a", "_1a", "-a", "_-a", "a:b", "a/b", "a_b"]
    assert len({gemini_tool_name(name) for name in names}) == len(names)


def test_a_tool_without_parameters_has_no_schema_and_others_have_a_converted_one() -> None:
    properties: JsonValue = {"kind": {"const": "issue"}, "more": {"anyOf": [{"$id": "x", "const": 1}]}}
    tools = (
        ToolSpec(name="clock", description="Returns.", parameters={"type": "object", "properties": {}}),
        ToolSpec(name="open", description="Opens.", parameters={"$schema": "x", "properties": properties}),
    )
    body = gemini_body(ModelRequest(model=MODEL, system="", messages=(user_message("Hi"),), tools=tools))
    schema = {
        "type": "object",
        "properties": {"kind": {"enum": ["issue"]}, "more": {"anyOf": [{"enum": [1]}]}},
    }
    assert body["tools"] == [
        {
            "functionDeclarations": [
                {"name": "clock", "description": "Returns."},
                {"name": "open", "description": "Opens.", "parametersJsonSchema": schema},
            ]
        }
    ]
