"""Tasks on servers whose dialect of Chat Completions has broken an agent: their bytes, and what is right.

Each name has the reports that the bytes come from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import JsonValue

from agentkit.errors import ModelError
from agentkit.interfaces import Toolset
from agentkit.llm.openai.model import OpenAIModel
from agentkit.runtime.local_runner import LocalRunner
from agentkit.specs import AgentSpec, ModelSettings
from agentkit.testing import RawResponse, ScriptedOpenAIServer, ServerResponse, ServerScriptEntry
from agentkit.tools import ToolRegistry, tool

SCHEMA: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"a": {"type": "integer"}},
    "required": ["a"],
    "additionalProperties": False,
}
SIGNED_ID = "call_0123456789abcdef__thought__" + "QUFB" * 80


@dataclass(frozen=True)
class Ran:
    """A task that has run: its output or error, the paths that its tool was called with, and the bodies sent."""

    output: JsonValue
    paths: Sequence[str]
    bodies: Sequence[Mapping[str, Any]]

    @property
    def response_sent_back(self) -> Mapping[str, Any]:
        """The model's first response, as the second request contains it."""
        return next(message for message in self.bodies[1]["messages"] if message["role"] == "assistant")


def _tools(paths: list[str]) -> Toolset:
    @tool(effect="idempotent")
    def wipe(path: str = "/") -> str:
        """Empty a folder."""
        paths.append(path)
        return "done"

    return ToolRegistry([wipe])


async def _run(
    *script: ServerScriptEntry, with_tool: bool = True, model_name: str = "openai-compatible:m", **agent: Any
) -> Ran:
    """Run a task through the loop."""
    paths: list[str] = []
    toolset = _tools(paths)
    async with (
        ScriptedOpenAIServer(script) as server,
        aclosing(OpenAIModel(base_url=server.url, provider="openai-compatible")) as model,
    ):
        spec = AgentSpec(
            name="a",
            models=(model_name,),
            planner=agent.pop("planner", "tools"),
            tools=(toolset.get("wipe").spec,) if with_tool else (),
            **agent,
        )
        output: JsonValue
        try:
            output = (await LocalRunner({"openai-compatible": model}, toolset).run(spec, "hi")).output
        except ModelError as error:
            output = f"{type(error).__name__}: {error}"
        return Ran(output, paths, [request.body for request in server.requests])


def _chunk(delta: Mapping[str, JsonValue], finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def _sse(*chunks: Mapping[str, Any]) -> RawResponse:
    body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    return RawResponse(body=body, content_type="text/event-stream")


def _call(arguments: JsonValue, call_id: str | None = "c1", name: str | None = "wipe", **fields: Any) -> dict[str, Any]:
    made = {"type": "function", "function": {"name": name, "arguments": arguments}, "index": 0, "id": call_id, **fields}
    return {key: value for key, value in made.items() if value is not None}


def _calling(*calls: Mapping[str, Any]) -> RawResponse:
    """Return a stream in which each chunk has one increment of a call."""
    chunks = [_chunk({"tool_calls": [dict(call)]}) for call in calls]
    chunks[-1]["choices"][0]["finish_reason"] = "tool_calls"
    return _sse(*chunks)


WHOLE = _call('{"path": "/x"}')
OK = _sse(_chunk({"content": "ok"}, "stop"))


async def test_tools_and_an_output_format_are_not_sent_together() -> None:  # ollama#13750, vllm#16313, agno#1065
    ran = await _run(_sse(_chunk({"content": '{"a": 1}'}, "stop")), output_schema=SCHEMA)
    names = [tool["function"]["name"] for tool in ran.bodies[0]["tools"]]
    assert names == ["wipe", "give_final_output"]
    assert "response_format" not in ran.bodies[0]
    assert ran.output == {"a": 1}


async def test_the_output_comes_by_its_tool_without_the_text_beside_it() -> None:
    call = _call('{"a": 1}', name="give_final_output")
    ran = await _run(_sse(_chunk({"content": "Here it is: "}), _chunk({"tool_calls": [call]}, "tool_calls")),
                     output_schema=SCHEMA)  # fmt: skip
    assert ran.output == {"a": 1}


async def test_without_tools_the_text_is_constrained_to_the_schema() -> None:
    ran = await _run(_sse(_chunk({"content": '{"a": 1}'}, "stop")), with_tool=False, output_schema=SCHEMA)
    assert "response_format" in ran.bodies[0]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "reasoning_text"])
async def test_reasoning_goes_back_with_its_calls_in_its_own_field(field: str) -> None:  # openai-agents-python#2669
    ran = await _run(_sse(_chunk({field: "Let me look"}), _chunk({"tool_calls": [WHOLE]}, "tool_calls")), OK)
    assert ran.response_sent_back[field] == "Let me look"
    assert ran.output == "ok"


async def test_reasoning_in_a_list_goes_back_in_a_list() -> None:  # Mistral's magistral
    content: list[JsonValue] = [{"type": "thinking", "thinking": [{"type": "text", "text": "Let me look"}]}]
    text: list[JsonValue] = [{"type": "text", "text": "Well."}]
    ran = await _run(
        _sse(_chunk({"content": content}), _chunk({"content": text}), _chunk({"tool_calls": [WHOLE]}, "tool_calls")),
        OK,
    )
    assert ran.response_sent_back["content"] == [*content, *text]


async def test_reasoning_of_responses_without_calls_is_not_sent_back() -> None:  # DeepSeek's R1: 400
    ran = await _run(_sse(_chunk({"reasoning_content": "Hm"}), _chunk({"content": "{"}, "stop")), OK,
                     with_tool=False, output_schema={"type": "string"})  # fmt: skip
    assert set(ran.response_sent_back) == {"role", "content"}


async def test_the_name_may_be_repeated_in_every_chunk() -> None:  # llama.cpp#13774, hermes-agent#8259
    ran = await _run(_calling(_call(""), _call('{"path":'), _call('"/x"}')), OK)
    assert ran.response_sent_back["tool_calls"][0]["function"]["name"] == "wipe"
    assert ran.paths == ["/x"]


async def test_a_new_id_in_every_chunk_begins_no_other_call() -> None:  # pool#9, litellm#28223, vllm#23522
    ran = await _run(_calling(_call("", "a"), _call('{"path":', "b", None), _call('"/x"}', "c", None)), OK)
    assert ran.paths == ["/x"]


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(['{"path": "/x"}'], id="text"),
        pytest.param([{"path": "/x"}], id="object"),
        pytest.param([json.dumps('{"path": "/x"}')], id="JSON in JSON"),
        pytest.param(["{}", '{"path": "/x"}'], id="{} first"),  # litellm#4537
        pytest.param([{}, '{"path": "/x"}'], id="an empty object first"),
        pytest.param(["null", '{"path": "/x"}'], id="null first"),
        pytest.param([None, '{"path": "/x"}'], id="no value first"),
        pytest.param(['""', '{"path": "/x"}'], id="an empty text first"),
        pytest.param(['{"path": "/x"}', '{"path": "/x"}'], id="sent again at the end"),
    ],
)
async def test_arguments_are_understood_in_every_form(arguments: Sequence[JsonValue]) -> None:
    first, *others = arguments
    ran = await _run(_calling(_call(first), *(_call(piece, name=None) for piece in others)), OK)
    assert ran.paths == ["/x"]


@pytest.mark.parametrize("arguments", ["", "null", '"null"', '""', "{}", None, {}])
async def test_a_call_without_arguments_is_understood_in_every_form(arguments: JsonValue) -> None:
    assert (await _run(_calling(_call(arguments)), OK)).paths == ["/"]


@pytest.mark.parametrize(
    "calls",
    [
        pytest.param([{"function": {"name": "wipe", "arguments": '{"path": "/x"}'}}] * 2, id="no ids"),
        pytest.param([{"id": "x", "function": {"name": "wipe", "arguments": {"path": "/x"}}}] * 2, id="one id for all"),
        pytest.param([{"index": 0, "id": "x", "name": "wipe", "arguments": '{"path": "/x"}'}] * 2, id="no function"),
    ],
)
async def test_calls_in_a_whole_body_are_all_made(calls: list[JsonValue]) -> None:
    body = {"choices": [{"message": {"content": None, "tool_calls": calls}, "finish_reason": "tool_calls"}]}
    ran = await _run(RawResponse(body=json.dumps(body), content_type="application/json"), OK)
    assert ran.paths == ["/x", "/x"]
    assert len({call["id"] for call in ran.response_sent_back["tool_calls"]}) == 2


async def test_the_call_of_the_first_version_of_the_api_is_made() -> None:
    parts: tuple[dict[str, JsonValue], ...] = ({"name": "wipe", "arguments": '{"path":'}, {"arguments": ' "/x"}'})
    ran = await _run(_sse(*(_chunk({"function_call": part}) for part in parts), _chunk({}, "function_call")), OK)
    assert ran.paths == ["/x"]


THOUGHT = "<think>\nHm\n</think>\n\n"
ACTION = '{"thought": "t", "action": {"name": "finish", "arguments": {"answer": "42"}}}'


@pytest.mark.parametrize(
    ("text", "agent", "output"),
    [
        pytest.param(THOUGHT + '{"a": 1}', {"output_schema": SCHEMA}, {"a": 1}, id="JSON after it"),
        pytest.param(THOUGHT + "Hello", {}, "Hello", id="text after it"),
        pytest.param("<think>Hm</think>\n" + ACTION, {"planner": "react"}, "42", id="an action after it"),
        pytest.param("Hm\n</think>\n\nHello", {}, "Hello", id="only the closing tag"),
    ],
)
@pytest.mark.parametrize("size", [3, 1_000])
async def test_thinking_in_tags_is_no_part_of_the_output(  # langchain#32120, langchain#31585, lmstudio-bug-tracker#1589
    text: str, agent: dict[str, Any], output: JsonValue, size: int
) -> None:
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    ran = await _run(_sse(*(_chunk({"content": piece}) for piece in pieces), _chunk({}, "stop")), with_tool=False,
                     **agent)  # fmt: skip
    assert ran.output == output


async def test_thinking_in_tags_goes_back_with_its_calls_as_it_came() -> None:
    ran = await _run(_sse(_chunk({"content": THOUGHT}), _chunk({"tool_calls": [WHOLE]}, "tool_calls")), OK)
    assert ran.response_sent_back["content"] == THOUGHT


@pytest.mark.parametrize(
    "delta",
    [
        pytest.param({"content": ""}, id="empty"),
        pytest.param({"content": "\n\n"}, id="blank"),
        pytest.param({"content": "<think>Hm"}, id="an unclosed thought"),
        pytest.param({"reasoning_content": "Hm"}, id="reasoning"),
    ],
)
async def test_a_response_of_nothing_is_not_sent_back(delta: dict[str, JsonValue]) -> None:  # AstrBot#7200
    ran = await _run(_sse(_chunk(delta, "stop")), OK)
    assert [message["role"] for message in ran.bodies[1]["messages"]] == ["user", "user"]
    assert ran.output == "ok"


async def test_a_signature_beside_a_call_goes_back_with_it() -> None:  # openhuman#3548, langroid#969, pi#6733
    extra: JsonValue = {"google": {"thought_signature": "SIG"}}
    calls: JsonValue = [{**WHOLE, "extra_content": extra}, _call("{}", "c2", index=1)]
    ran = await _run(_sse(_chunk({"tool_calls": calls}, "tool_calls")), OK)
    first, second = ran.response_sent_back["tool_calls"]
    assert first["extra_content"] == extra
    assert "extra_content" not in second


async def test_a_signature_in_the_id_of_a_call_goes_back_whole() -> None:  # litellm#16895
    ran = await _run(_calling(_call('{"path": "/x"}', SIGNED_ID)), OK)
    assert ran.response_sent_back["tool_calls"][0]["id"] == SIGNED_ID
    assert ran.bodies[1]["messages"][-1]["tool_call_id"] == SIGNED_ID


@pytest.mark.parametrize(
    ("call_id", "model"), [(None, "openai-compatible:m"), ("chatcmpl-1", "openai-compatible:mistral-small")]
)
async def test_ids_have_nine_letters_and_digits_where_mistral_may_read_them(  # langchain#24668, opencode#1680
    call_id: str | None, model: str
) -> None:
    ran = await _run(_calling(_call('{"path": "/x"}', call_id)), OK, model_name=model)
    sent = ran.response_sent_back["tool_calls"][0]["id"]
    assert re.fullmatch("[a-zA-Z0-9]{9}", sent)
    assert ran.bodies[1]["messages"][-1]["tool_call_id"] == sent


async def test_a_field_can_be_left_out_by_the_agent() -> None:  # litellm#11696, avante.nvim#2347
    ran = await _run(OK, with_tool=False, model_settings=ModelSettings(omit=("stream_options",)))
    assert "stream_options" not in ran.bodies[0]


MISTRAL_REFUSES = RawResponse(
    status=422,
    body=json.dumps({"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"],
                                 "msg": "Extra inputs are not permitted", "input": {"include_usage": True}}]}),
    content_type="application/json",
)  # fmt: skip


async def test_a_field_that_the_server_refuses_by_name_is_left_out_from_then_on() -> None:
    ran = await _run(MISTRAL_REFUSES, _calling(WHOLE), OK)
    assert ["stream_options" in body for body in ran.bodies] == [True, False, False]
    assert ran.output == "ok"


def _refusal(message: str) -> RawResponse:
    body = {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}
    return RawResponse(status=400, body=json.dumps(body), content_type="application/json")


async def test_reasoning_that_the_server_refuses_is_left_out() -> None:  # jan#8136, Groq
    refusal = _refusal("'messages.1' : for 'role:assistant' the following must be satisfied[('messages.1' : property "
                       "'reasoning_content' is unsupported)]")  # fmt: skip
    thinking = _sse(_chunk({"reasoning_content": "Hm"}), _chunk({"tool_calls": [WHOLE]}, "tool_calls"))
    ran = await _run(thinking, refusal, OK)
    assert ["reasoning_content" in body["messages"][1] for body in ran.bodies[1:]] == [True, False]
    assert ran.output == "ok"


@pytest.mark.parametrize("with_tool", [True, False])
async def test_a_format_that_the_server_refuses_is_replaced(with_tool: bool) -> None:
    refusal = _refusal("This response_format type is unavailable now")
    script: list[ServerScriptEntry] = [_sse(_chunk({"content": '{"a": 1}'}, "stop"))]
    ran = await _run(*([] if with_tool else [refusal]), *script, with_tool=with_tool, output_schema=SCHEMA)
    assert "response_format" not in ran.bodies[-1]
    assert ("fits this schema" in str(ran.bodies[-1]["messages"])) == (not with_tool)
    assert ran.output == {"a": 1}


async def test_the_output_limit_is_sent_under_its_other_name_if_the_server_wants_that() -> None:
    refusal = _refusal("Unsupported parameter: 'max_tokens' is not supported with this model. "
                       "Use 'max_completion_tokens' instead.")  # fmt: skip
    ran = await _run(refusal, OK, model_settings=ModelSettings(max_output_tokens=50))
    assert [(body.get("max_tokens"), body.get("max_completion_tokens")) for body in ran.bodies] == [
        (50, None),
        (None, 50),
    ]


@pytest.mark.parametrize(
    "message",
    [
        pytest.param("No such model", id="another reason"),
        pytest.param(
            "thinking is enabled but reasoning_content is missing in assistant tool call message", id="missing"
        ),
        pytest.param("response_format is of no use here", id="a field that was not sent"),
    ],
)
async def test_a_request_is_sent_once_if_nothing_can_be_left_out(message: str) -> None:
    ran = await _run(_refusal(message))
    assert len(ran.bodies) == 1
    assert message in str(ran.output)


async def test_a_server_that_refuses_one_field_after_the_other_is_asked_until_none_is_left() -> None:
    refusals = [_refusal(f"'{name}' is not permitted") for name in ("stream_options", "response_format")]
    ran = await _run(*refusals, _sse(_chunk({"content": '{"a": 1}'}, "stop")), with_tool=False, output_schema=SCHEMA)
    assert ran.output == {"a": 1}
    assert len(ran.bodies) == 3


@pytest.mark.parametrize(
    "calls",
    [
        pytest.param([_call("")], id="behind the name"),
        pytest.param([_call('{"path": "/tm')], id="in the arguments"),
        pytest.param([WHOLE, _call("", "c2", index=1)], id="in the second of two"),
    ],
)
async def test_no_call_of_a_response_that_was_cut_off_is_made(  # pydantic-ai#3118, vllm#58228
    calls: Sequence[Mapping[str, Any]],
) -> None:
    cut_off = _sse(*(_chunk({"tool_calls": [dict(call)]}) for call in calls), _chunk({}, "length"))
    ran = await _run(cut_off, OK)
    assert ran.paths == []
    assert "cut" in str(ran.bodies[1]["messages"][-1]["content"])


async def test_items_of_the_responses_api_may_share_an_index() -> None:  # openai-agents-python#3104, freellmapi#846
    call = {"type": "function_call", "id": "f1", "call_id": "c1", "name": "wipe", "arguments": '{"path": "/x"}'}
    content = [{"type": "output_text", "text": "Let me look.", "annotations": []}]
    items = [call, {"type": "message", "id": "m1", "role": "assistant", "content": content}]
    done = [{"type": "response.output_item.done", "output_index": 0, "item": item} for item in items]
    final = {"id": "r", "status": "completed", "output": items}
    events: list[dict[str, object]] = [*done, {"type": "response.completed", "response": final}]
    body = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
    paths: list[str] = []
    toolset = _tools(paths)
    script: list[ServerScriptEntry] = [
        RawResponse(body=body, content_type="text/event-stream"),
        ServerResponse(text="ok"),
    ]
    async with (
        ScriptedOpenAIServer(script) as server,
        aclosing(OpenAIModel(base_url=server.url, api="responses")) as model,
    ):
        spec = AgentSpec(name="a", models=("openai:m",), planner="tools", tools=(toolset.get("wipe").spec,))
        result = await LocalRunner({"openai": model}, toolset).run(spec, "hi")
    assert (paths, result.output) == (["/x"], "ok")
