"""The contract of ``Model``, tested with every implementation. Failures over HTTP: ``test_provider_failures``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from functools import partial

import pytest

from agentkit.errors import ModelNotAuthorized, ModelRequestRejected, ModelUnavailable
from agentkit.interfaces import Model, ModelDelta, ModelRequest
from agentkit.llm import DemoModel
from agentkit.llm.anthropic.model import AnthropicModel
from agentkit.llm.google.model import GoogleModel
from agentkit.llm.openai.model import OpenAIModel
from agentkit.llm.openrouter.model import OpenRouterModel
from agentkit.llm.shared.http_status import status_error
from agentkit.messages import ToolCall, user_message
from agentkit.testing import (
    ReceivedRequest,
    ScriptedAnthropicServer,
    ScriptedGeminiServer,
    ScriptedModel,
    ScriptedOpenAIServer,
    ScriptedResponse,
    ServerFailure,
    ServerResponse,
    ServerScriptEntry,
    ServerToolCall,
)
from agentkit.testing.scripted_server import ScriptedServer

ModelContext = Callable[[], AbstractAsyncContextManager[Model]]
"""Opens a model that responds to the inputs below as their comments describe: scripts of the ``demo`` model."""

TEXT = "say The answer is 42."  # that text
TWO_CALLS = 'call add {"a": 1} & call clock'  # two tool calls
MALFORMED_CALL = "call add not-json"  # a call whose arguments are no JSON
SILENCE = "think 600000"  # no response for ten minutes
FAILURE = "fail "  # followed by an HTTP status: an error with that status

# Only servers respond to these.
REFUSAL = "refuse"
THINKING = "think first"
NOTHING = "nothing"
SPLIT_CHARACTERS = "split characters"


SERVER_ENTRIES: dict[str, ServerScriptEntry] = {
    TWO_CALLS: ServerResponse(
        calls=(ServerToolCall(name="add", arguments={"a": 1}), ServerToolCall(name="clock")), chunk_chars=3
    ),
    MALFORMED_CALL: ServerResponse(calls=(ServerToolCall(name="add", arguments="not-json"),)),
    SILENCE: ServerResponse(fault="stall", fault_after=0),
    REFUSAL: ServerResponse(refusal="I won't."),
    THINKING: ServerResponse(thinking="Hmm, noon or not?", text="Noon.", chunk_chars=4),
    NOTHING: ServerResponse(),
    SPLIT_CHARACTERS: ServerResponse(text="Yes \ud83d\ude00! \udc00", chunk_chars=1),
}


def _server_entry(request: ReceivedRequest) -> ServerScriptEntry:
    text = request.last_text
    if text.startswith(FAILURE):
        return ServerFailure(status=int(text.removeprefix(FAILURE)))
    return SERVER_ENTRIES.get(text) or ServerResponse(text=text.removeprefix("say "), chunk_chars=5)


async def _scripted_response(request: ModelRequest) -> ScriptedResponse:
    text = request.messages[-1].text
    if text == TWO_CALLS:
        return (ToolCall(id="1", name="add", arguments={"a": 1}), ToolCall(id="2", name="clock"))
    if text == MALFORMED_CALL:
        return ToolCall(id="1", name="add", malformed="not-json")
    if text == SILENCE:
        await asyncio.Event().wait()
    if text.startswith(FAILURE):
        return status_error(int(text.removeprefix(FAILURE)), "scripted")
    return text.removeprefix("say ")


@asynccontextmanager
async def _over_http(server_type: type[ScriptedServer], build: Callable[..., Model]) -> AsyncIterator[Model]:
    async with server_type(_server_entry) as server, aclosing(build(base_url=server.url)) as model:
        yield model


@asynccontextmanager
async def _in_memory(build: Callable[[], Model]) -> AsyncIterator[Model]:
    async with aclosing(build()) as model:
        yield model


PROVIDERS = [
    pytest.param(partial(_over_http, ScriptedOpenAIServer, partial(OpenAIModel, api="chat")), id="openai-chat"),
    pytest.param(
        partial(_over_http, ScriptedOpenAIServer, partial(OpenAIModel, api="responses")), id="openai-responses"
    ),
    pytest.param(partial(_over_http, ScriptedOpenAIServer, OpenRouterModel), id="openrouter"),
    pytest.param(partial(_over_http, ScriptedAnthropicServer, AnthropicModel), id="anthropic"),
    pytest.param(partial(_over_http, ScriptedGeminiServer, GoogleModel), id="google"),
]
MODELS = [
    pytest.param(partial(_in_memory, DemoModel), id="demo"),
    *PROVIDERS,
    pytest.param(partial(_in_memory, partial(ScriptedModel, _scripted_response)), id="scripted"),
]
every_model = pytest.mark.parametrize("open_model", MODELS)
every_provider = pytest.mark.parametrize("open_model", PROVIDERS)


def _request(text: str) -> ModelRequest:
    return ModelRequest(model="test:model", system="Be brief.", messages=(user_message(text),))


@every_model
async def test_a_text_response_has_its_model_stop_reason_and_usage(open_model: ModelContext) -> None:
    async with open_model() as model:
        response = await model.respond(_request(TEXT))
    assert response.message.role == "assistant"
    assert response.message.text == "The answer is 42."
    assert response.message.model == "test:model"
    assert response.stop_reason == "end"
    assert response.usage.model_calls == 1
    assert response.usage.input_tokens > 0
    assert response.usage.output_tokens > 0


@every_model
async def test_the_text_deltas_make_up_the_text(open_model: ModelContext) -> None:
    deltas: list[ModelDelta] = []
    async with open_model() as model:
        await model.respond(_request(TEXT), deltas.append)
    assert {delta.kind for delta in deltas} == {"text"}
    assert "".join(delta.text for delta in deltas) == "The answer is 42."


@every_model
async def test_parallel_tool_calls_keep_their_order_and_arguments(open_model: ModelContext) -> None:
    deltas: list[ModelDelta] = []
    async with open_model() as model:
        response = await model.respond(_request(TWO_CALLS), deltas.append)
    first, second = response.message.tool_calls
    assert (first.name, first.arguments, first.malformed) == ("add", {"a": 1}, None)
    assert (second.name, second.arguments, second.malformed) == ("clock", {}, None)
    assert first.id != second.id
    assert response.stop_reason == "tool_calls"
    assert "".join(delta.text for delta in deltas if delta.kind == "tool_arguments") == '{"a": 1}{}'


@pytest.mark.parametrize("open_model", [case for case in MODELS if case.id != "google"])  # whose API sends only objects
async def test_arguments_that_are_no_json_object_are_kept_as_written(open_model: ModelContext) -> None:
    async with open_model() as model:
        response = await model.respond(_request(MALFORMED_CALL))
    (call,) = response.message.tool_calls
    assert (call.arguments, call.malformed) == ({}, "not-json")


@every_model
@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param(429, ModelUnavailable, id="rate limited"),
        pytest.param(500, ModelUnavailable, id="server error"),
        pytest.param(529, ModelUnavailable, id="overloaded"),
        pytest.param(400, ModelRequestRejected, id="bad request"),
        pytest.param(401, ModelNotAuthorized, id="wrong key"),
        pytest.param(404, ModelRequestRejected, id="no such model"),
    ],
)
async def test_a_failure_is_the_same_error_with_every_model(
    open_model: ModelContext, status: int, expected: type[Exception]
) -> None:
    async with open_model() as model:
        with pytest.raises(expected) as caught:
            await model.respond(_request(f"{FAILURE}{status}"))
    assert type(caught.value) is expected
    assert getattr(caught.value, "status", None) == status


@every_model
async def test_concurrent_requests_get_their_own_responses(open_model: ModelContext) -> None:
    texts = [f"number {number}" for number in range(20)]
    async with open_model() as model:
        responses = await asyncio.gather(*(model.respond(_request(f"say {text}")) for text in texts))
    assert [response.message.text for response in responses] == texts


@every_model
async def test_a_request_can_be_cancelled_while_the_model_is_silent(open_model: ModelContext) -> None:
    async with open_model() as model, asyncio.timeout(10):
        responding = asyncio.create_task(model.respond(_request(SILENCE)))
        done, _ = await asyncio.wait({responding}, timeout=0.05)
        assert not done
        responding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await responding


@every_provider
async def test_a_refusal_is_a_response(open_model: ModelContext) -> None:
    async with open_model() as model:
        response = await model.respond(_request(REFUSAL))
    assert response.stop_reason == "refusal"
    assert response.message.text == "I won't."


@every_provider
async def test_thinking_is_separate_from_the_text_and_names_its_provider(open_model: ModelContext) -> None:
    deltas: list[ModelDelta] = []
    async with open_model() as model:
        response = await model.respond(_request(THINKING), deltas.append)
    (thought,) = [part for part in response.message.parts if part.type == "thinking"]
    assert (thought.text, thought.provider) == ("Hmm, noon or not?", "test")
    assert response.message.text == "Noon."
    texts = [(kind, "".join(delta.text for delta in deltas if delta.kind == kind)) for kind in ("thinking", "text")]
    assert texts == [("thinking", "Hmm, noon or not?"), ("text", "Noon.")]


@every_provider
async def test_an_empty_response_is_left_to_the_planner(open_model: ModelContext) -> None:
    async with open_model() as model:
        response = await model.respond(_request(NOTHING))
    assert response.message.parts == ()
    assert response.stop_reason == "end"


@every_provider
async def test_characters_split_over_two_chunks_are_joined(open_model: ModelContext) -> None:
    deltas: list[ModelDelta] = []
    async with open_model() as model:
        response = await model.respond(_request(SPLIT_CHARACTERS), deltas.append)
    assert response.message.text == "Yes \U0001f600! \ufffd"
    assert response.message.canonical_json()
    assert "".join(delta.text for delta in deltas) == response.message.text
