from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
from pydantic import JsonValue

from agentkit.interfaces import ModelRequest
from agentkit.llm.openai.model import OpenAIModel
from agentkit.llm.openai.responses_request import responses_body
from agentkit.messages import FilePart, ImagePart, Message, TextPart, ThinkingPart, user_message
from agentkit.specs import ModelSettings
from agentkit.testing import ScriptedOpenAIServer, ServerResponse

REQUEST = ModelRequest(model="openai:gpt-5-mini", system="", messages=(user_message("Hi"),))
REASONING: dict[str, JsonValue] = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAA"}


async def _received(request: ModelRequest) -> tuple[Mapping[str, object], Mapping[str, str]]:
    """Return the body and headers that a server receives."""
    async with (
        ScriptedOpenAIServer([ServerResponse(text="ok")]) as server,
        aclosing(OpenAIModel(api_key="sk-test-key", base_url=server.url, api="responses")) as model,
    ):
        await model.respond(request)
        return server.requests[0].body, server.requests[0].headers


def _items(*parts: TextPart | ThinkingPart) -> Any:
    """Return the items of a response of a model, as the next request contains them."""
    messages = (user_message("Hi"), Message(role="assistant", parts=parts))
    body: Any = responses_body(replace(REQUEST, messages=messages))
    return body["input"][1:]


async def test_a_request_asks_for_a_stream_without_storage_and_sends_the_key() -> None:
    body, headers = await _received(REQUEST)
    assert body == {
        "model": "gpt-5-mini",
        "input": [{"role": "user", "content": "Hi"}],
        "include": ["reasoning.encrypted_content"],
        "store": False,
        "stream": True,
    }
    assert headers["authorization"] == "Bearer sk-test-key"


async def test_a_request_with_everything_is_the_golden_one(
    rich_request: Callable[[str], ModelRequest], assert_golden: Callable[[str, Mapping[str, object]], None]
) -> None:
    request = rich_request(REQUEST.model)
    user, assistant, results = request.messages
    thought = ThinkingPart(text="Two questions.", provider="openai", data=REASONING)
    assistant = assistant.model_copy(update={"parts": (thought, *assistant.parts[1:])})
    body, _ = await _received(replace(request, messages=(user, assistant, results)))
    assert_golden("openai_responses.json", body)


def test_reasoning_without_content_is_not_sent() -> None:
    items = _items(ThinkingPart(text="Hmm.", provider="openai"), TextPart(text="Noon."))
    assert items == [{"role": "assistant", "content": "Noon."}]


def test_reasoning_of_other_providers_and_at_the_end_is_not_sent() -> None:
    own = ThinkingPart(text="", provider="openai", data=REASONING)
    other = ThinkingPart(text="", provider="openrouter", data=REASONING)
    assert _items(other, own, TextPart(text="So far"), own) == [REASONING, {"role": "assistant", "content": "So far"}]


def test_the_phase_of_a_message_is_sent_with_it() -> None:
    phase = ThinkingPart(text="", provider="openai", data={"type": "message", "phase": "commentary"})
    items = _items(phase, TextPart(text="Let me see."))
    assert items == [{"role": "assistant", "content": "Let me see.", "phase": "commentary"}]


def test_images_are_sent_by_url_or_as_data() -> None:
    images = (ImagePart(url="https://example.org/a.png"), ImagePart(data=b"aGk=", media_type="image/png"))
    body: Any = responses_body(replace(REQUEST, messages=(user_message((TextPart(text="Compare."), *images)),)))
    assert body["input"][0]["content"] == [
        {"type": "input_text", "text": "Compare."},
        {"type": "input_image", "image_url": "https://example.org/a.png", "detail": "auto"},
        {"type": "input_image", "image_url": "data:image/png;base64,aGk=", "detail": "auto"},
    ]


def test_text_files_are_texts_and_other_files_are_data() -> None:
    files = (
        FilePart(data=b"aGk=", media_type="text/plain; charset=utf-8", name="a.txt"),
        FilePart(data=b"aGk=", media_type="application/pdf", name="a.pdf"),
    )
    body: Any = responses_body(replace(REQUEST, messages=(user_message(files),)))
    text = '<file name="a.txt" media_type="text/plain; charset=utf-8">\nhi\n</file>'
    assert body["input"][0]["content"] == [
        {"type": "input_text", "text": text},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="},
    ]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        pytest.param(
            "openai:gpt-5-mini",
            {
                "max_output_tokens": 50,
                "reasoning": {"effort": "low"},
                "include": ["reasoning.encrypted_content"],
            },
            id="reasoning",
        ),
        pytest.param("openai:gpt-4.1", {"max_output_tokens": 50, "temperature": 0}, id="not reasoning"),
    ],
)
def test_settings_are_sent_only_if_the_model_accepts_them(model: str, expected: dict[str, object]) -> None:
    settings = ModelSettings(temperature=0, max_output_tokens=50, thinking_budget=1_000, seed=7)
    body = responses_body(replace(REQUEST, model=model, settings=settings))
    assert {key: value for key, value in body.items() if key != "input"} == expected


def test_a_schema_is_sent_as_the_format_of_the_text() -> None:
    schema: dict[str, JsonValue] = {"type": "object", "properties": {"a": {}}, "required": []}
    body = responses_body(replace(REQUEST, output_schema=schema))
    assert body["text"] == {"format": {"type": "json_schema", "name": "output", "schema": schema, "strict": False}}


def test_a_schema_without_an_object_is_written_into_the_instructions() -> None:
    body = responses_body(replace(REQUEST, output_schema={"type": "array"}))
    assert "text" not in body
    assert str(body["instructions"]).endswith('and nothing else: {"type": "array"}')
