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
from agentkit.llm.google.profile import wire_function
from agentkit.llm.google.request import wire_request
from agentkit.messages import ImagePart, Message, TextPart, ThinkingPart, ToolCall, ToolResult, user_message
from agentkit.specs import ToolSpec
from agentkit.testing import ScriptedGeminiServer, ServerResponse

MODEL = "google:gemini-3.8-flash"
UNSIGNED = base64.b64encode(b"skip_thought_signature_validator").decode()


def _contents(*messages: Message, model: str = MODEL) -> list[Any]:
    written = wire_request(ModelRequest(model=model, system="", messages=messages))["contents"]
    assert isinstance(written, list)
    return written


async def test_a_rich_transcript_is_sent_as_the_golden_request_says(
    rich_request: Callable[[str], ModelRequest], assert_golden: Callable[[str, Mapping[str, object]], None]
) -> None:
    async with (
        ScriptedGeminiServer([ServerResponse(text="{}")]) as server,
        aclosing(GoogleModel(base_url=server.url)) as model,
    ):
        await model.respond(rich_request(MODEL))
    assert_golden("google.json", server.requests[0].body)


def test_the_results_of_one_step_stand_together_with_errors_marked() -> None:
    results = (
        ToolResult(call_id="a", name="clock", content="noon"),
        ToolResult(call_id="", name="mcp:x/y", content="No.", is_error=True),
    )
    one_by_one = [Message(role="tool", parts=(result,)) for result in results]
    written, after = _contents(*one_by_one, user_message("Go on."))
    first, second = (part["functionResponse"] for part in written["parts"])
    assert written["role"] == "user"
    assert first == {"id": "a", "name": "clock", "response": {"output": "noon"}}
    assert second == {"name": wire_function("mcp:x/y"), "response": {"error": "No."}}
    assert after == {"role": "user", "parts": [{"text": "Go on."}]}


def test_what_is_empty_is_left_out() -> None:
    blank = Message(role="assistant", parts=(TextPart(text=""),), model=MODEL)
    assert _contents(user_message("Hi"), blank) == [{"role": "user", "parts": [{"text": "Hi"}]}]


def _sign(signs: str | None, text: str = "") -> ThinkingPart:
    data: JsonValue = {"signs": signs} if signs else None
    return ThinkingPart(text=text, provider="google", signature="c2ln", data=data)


CALL = ToolCall(id="a", name="clock")
WIRE_CALL = {"functionCall": {"id": "a", "name": "clock", "args": {}}}


@pytest.mark.parametrize(
    ("parts", "sent"),
    [
        pytest.param((_sign("tool_call"), CALL), [WIRE_CALL | {"thoughtSignature": "c2ln"}], id="on a call"),
        pytest.param(
            (_sign("text"), TextPart(text="a"), CALL), [{"text": "a", "thoughtSignature": "c2ln"}, WIRE_CALL],
            id="on text"),
        pytest.param((TextPart(text="a"), _sign("nothing")), [{"text": "a"}, {"text": "", "thoughtSignature": "c2ln"}],
                     id="on nothing"),
        pytest.param((_sign(None, "Hmm."), TextPart(text="a")),
                     [{"text": "Hmm.", "thought": True, "thoughtSignature": "c2ln"}, {"text": "a"}], id="on a thought"),
        pytest.param((ThinkingPart(text="Hmm.", provider="google"), CALL), [WIRE_CALL], id="unsigned thought"),
        pytest.param((ThinkingPart(text="Hmm.", provider="anthropic", signature="x"), CALL), [WIRE_CALL],
                     id="another provider's thought"),
    ],
)  # fmt: skip
def test_each_signature_goes_back_where_it_came_from(parts: tuple[Any, ...], sent: list[object]) -> None:
    (written,) = _contents(Message(role="assistant", parts=parts, model=MODEL))
    assert written == {"role": "model", "parts": sent}


@pytest.mark.parametrize(
    ("asked", "author", "signatures"),
    [
        pytest.param(MODEL, "openai:gpt-5", [UNSIGNED, None], id="another provider's"),
        pytest.param(MODEL, "google:gemini-3-pro", [UNSIGNED, None], id="another Gemini's"),
        pytest.param("google:gemini-2.5-flash", "openai:gpt-5", [None, None], id="to one that doesn't check"),
        pytest.param(MODEL, MODEL, ["c2ln", None], id="its own"),
    ],
)
def test_calls_that_another_model_made_are_marked_as_such(
    asked: str, author: str, signatures: list[str | None]
) -> None:
    parts = (_sign("tool_call"), CALL, CALL.model_copy(update={"id": "b"}))
    (written,) = _contents(Message(role="assistant", parts=parts, model=author), model=asked)
    assert [part.get("thoughtSignature") for part in written["parts"]] == signatures


def test_images_are_sent_by_url_or_as_data() -> None:
    parts = (
        ImagePart(url="https://example.org/a.png?x=1"),
        ImagePart(url="https://example.org/a", media_type="image/webp"),
        ImagePart(data=b"aGk=", media_type="image/png"),
        ImagePart(url="data:image/gif;base64,R0lG"),
    )
    (written,) = _contents(user_message(parts))
    assert written["parts"] == [
        {"fileData": {"mimeType": "image/png", "fileUri": "https://example.org/a.png?x=1"}},
        {"fileData": {"mimeType": "image/webp", "fileUri": "https://example.org/a"}},
        {"inlineData": {"mimeType": "image/png", "data": "aGk="}},
        {"inlineData": {"mimeType": "image/gif", "data": "R0lG"}},
    ]


def test_an_image_of_no_known_kind_is_refused_with_what_mends_it() -> None:
    with pytest.raises(ModelRequestRejected, match="give it a media_type such as image/png"):
        _contents(user_message((ImagePart(url="https://example.org/photo"),)))


@given(st.text())
def test_every_name_becomes_an_allowed_one(name: str) -> None:
    assert re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}", wire_function(name))


def test_names_that_look_alike_stay_apart() -> None:
    names = ["1a", "_1a", "-a", "_-a", "a:b", "a/b", "a_b"]
    assert len({wire_function(name) for name in names}) == len(names)


def test_a_tool_without_parameters_has_no_schema_and_others_one_that_is_understood() -> None:
    kind: JsonValue = {"kind": {"const": "issue"}, "more": {"anyOf": [{"$id": "x", "const": 1}]}}
    tools = (
        ToolSpec(name="clock", description="Tells.", parameters={"type": "object", "properties": {}}),
        ToolSpec(name="open", description="Opens.", parameters={"$schema": "x", "properties": kind}),
    )
    written = wire_request(ModelRequest(model=MODEL, system="", messages=(user_message("Hi"),), tools=tools))
    schema = {
        "type": "object",
        "properties": {"kind": {"enum": ["issue"]}, "more": {"anyOf": [{"enum": [1]}]}},
    }
    assert written["tools"] == [
        {
            "functionDeclarations": [
                {"name": "clock", "description": "Tells."},
                {"name": "open", "description": "Opens.", "parametersJsonSchema": schema},
            ]
        }
    ]
