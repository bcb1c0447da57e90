from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import replace

import pytest
from pydantic import JsonValue

from agentkit.interfaces import ModelRequest
from agentkit.llm.openai.chat_request import chat_body
from agentkit.llm.openai.model import OpenAIModel
from agentkit.messages import FilePart, ImagePart, Message, TextPart, ThinkingPart, ToolCall, ToolResult, user_message
from agentkit.specs import ModelSettings, ToolSpec
from agentkit.testing import ScriptedOpenAIServer, ServerResponse

GITHUB = ToolSpec(name="mcp:github/create_issue", description="Creates an issue.", parameters={"type": "object"})
CLOCK = ToolSpec(name="clock", description="Tells the time.", parameters={"type": "object", "properties": {}})
REQUEST = ModelRequest(model="openai:gpt-5-mini", system="", messages=(user_message("Hi"),))


async def _received(request: ModelRequest) -> tuple[Mapping[str, object], Mapping[str, str]]:
    """Return the body and headers that a server receives."""
    async with (
        ScriptedOpenAIServer([ServerResponse(text="ok")]) as server,
        aclosing(OpenAIModel(api_key="sk-test-key", base_url=server.url, api="chat")) as model,
    ):
        await model.respond(request)
        return server.requests[0].body, server.requests[0].headers


async def test_a_request_asks_for_a_stream_with_usage_and_sends_the_key_and_own_headers() -> None:
    body, headers = await _received(replace(REQUEST, settings=ModelSettings(extra_headers={"X-Route": "eu"})))
    assert body == {
        "model": "gpt-5-mini",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert headers["authorization"] == "Bearer sk-test-key"
    assert headers["x-route"] == "eu"


async def test_a_request_with_everything_is_the_golden_one(
    rich_request: Callable[[str], ModelRequest], assert_golden: Callable[[str, Mapping[str, object]], None]
) -> None:
    body, _ = await _received(rich_request("openai:gpt-5-mini"))
    assert_golden("openai_chat.json", body)


def test_each_message_is_written_in_its_role() -> None:
    transcript = (
        user_message("What time is it?"),
        Message(
            role="assistant",
            parts=(
                ThinkingPart(text="I need a clock."),
                TextPart(text="Let me see."),
                ToolCall(id="a", name="clock", arguments={"zone": "Zürich"}),
                ToolCall(id="b", name="clock", malformed="{nope"),
            ),
        ),
        Message(
            role="tool",
            parts=(
                ToolResult(call_id="a", name="clock", content="noon"),
                ToolResult(call_id="b", name="clock", content="The arguments are no JSON object.", is_error=True),
            ),
        ),
        Message(role="assistant", parts=(TextPart(text="Noon."),)),
    )
    calls = [
        {"id": "a", "type": "function", "function": {"name": "clock", "arguments": '{"zone": "Zürich"}'}},
        {"id": "b", "type": "function", "function": {"name": "clock", "arguments": "{}"}},
    ]
    assert chat_body(replace(REQUEST, messages=transcript, system="Be brief."), "openai")["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What time is it?"},
        {"role": "assistant", "content": "Let me see.", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "a", "content": "noon"},
        {"role": "tool", "tool_call_id": "b", "content": "Error: The arguments are no JSON object."},
        {"role": "assistant", "content": "Noon."},
    ]


def test_images_are_sent_by_url_or_as_data() -> None:
    parts = (
        TextPart(text="Compare."),
        ImagePart(url="https://example.org/a.png"),
        ImagePart(data=b"aGk=", media_type="image/png"),
    )
    content = [
        {"type": "text", "text": "Compare."},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
    ]
    body = chat_body(replace(REQUEST, messages=(user_message(parts),)), "openai")
    assert body["messages"] == [{"role": "user", "content": content}]


def test_text_files_are_texts_and_other_files_are_data() -> None:
    parts = (
        FilePart(data=b"e30=", media_type="application/json"),
        FilePart(data=b"aGk=", media_type="application/pdf", name="a.pdf"),
        FilePart(data=b"aGk=", media_type="application/pdf"),
    )
    content = [
        {"type": "text", "text": '<file media_type="application/json">\n{}\n</file>'},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="}},
        {"type": "file", "file": {"filename": "file", "file_data": "data:application/pdf;base64,aGk="}},
    ]
    body = chat_body(replace(REQUEST, messages=(user_message(parts),)), "openai")
    assert body["messages"] == [{"role": "user", "content": content}]


def test_tools_are_sent_under_names_that_openai_accepts() -> None:
    body = chat_body(replace(REQUEST, tools=(CLOCK, GITHUB)), "openai")
    tools = body["tools"]
    assert isinstance(tools, list)
    clock = {"name": "clock", "description": "Tells the time.", "parameters": CLOCK.parameters}
    assert tools[0] == {"type": "function", "function": clock}
    assert tools[1]["function"]["name"].startswith("mcp_github_create_issue_")


def test_settings_and_schema_are_sent_only_if_they_are_set() -> None:
    schema: dict[str, JsonValue] = {"type": "object"}
    settings = ModelSettings(temperature=0, max_output_tokens=50, seed=7)
    body = chat_body(replace(REQUEST, model="openai:gpt-4.1", settings=settings, output_schema=schema), "openai")
    without = chat_body(REQUEST, "openai")
    output = {"name": "output", "schema": schema, "strict": False}
    assert {key: body[key] for key in body.keys() - without.keys()} == {
        "temperature": 0,
        "max_completion_tokens": 50,
        "seed": 7,
        "response_format": {"type": "json_schema", "json_schema": output},
    }


def test_only_models_that_reason_get_an_effort_and_only_the_others_a_temperature() -> None:
    settings = ModelSettings(thinking_budget=20_000, temperature=1)
    reasoning = chat_body(replace(REQUEST, settings=settings), "openai")
    other = chat_body(replace(REQUEST, settings=settings, model="openai:gpt-4.1"), "openai")
    assert (reasoning.get("reasoning_effort"), reasoning.get("temperature")) == ("high", None)
    assert (other.get("reasoning_effort"), other.get("temperature")) == (None, 1)


def test_a_schema_without_an_object_is_written_into_the_instructions_only_for_openai() -> None:
    request = replace(REQUEST, output_schema={"type": "array"})
    demand = 'and nothing else: {"type": "array"}'
    openai, other = chat_body(request, "openai"), chat_body(request, "openai-compatible")
    assert "response_format" not in openai
    assert demand in str(openai["messages"])
    assert "response_format" in other
    assert demand not in str(other["messages"])


@pytest.mark.parametrize(
    ("provider", "field"), [("openai", "max_completion_tokens"), ("openai-compatible", "max_tokens")]
)
def test_other_servers_get_the_output_limit_under_its_old_name(provider: str, field: str) -> None:
    assert chat_body(replace(REQUEST, settings=ModelSettings(max_output_tokens=50)), provider)[field] == 50
