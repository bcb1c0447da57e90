"""What every ``Model`` promises, held against each one there is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import replace

import pytest

from agentkit.errors import ModelError, ModelNotAuthorized, ModelRequestRejected, ModelUnavailable
from agentkit.interfaces import Model, ModelDelta, ModelRequest
from agentkit.llm import DemoModel, OpenAIModel, OpenRouterModel
from agentkit.llm.anthropic.model import AnthropicModel
from agentkit.llm.google.model import GoogleModel
from agentkit.llm.shared.http_status import status_error
from agentkit.messages import ToolCall, user_message
from agentkit.specs import ModelSettings
from agentkit.testing import (
    RawResponse,
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

Subject = Callable[[], AbstractAsyncContextManager[Model]]
"""A model that obeys the scenarios below, which are written in the ``demo`` model's words."""

SAY = "say The answer is 42."
CALL_TWO = 'call add {"a": 1} & call clock'
MALFORMED = "call add not-json"
SILENT = "think 600000"


FAULTS: dict[str, ServerScriptEntry] = {
    "a cut stream": ServerResponse(text="word " * 40, fault="cut"),
    "a dropped connection": ServerResponse(text="word " * 40, fault="drop"),
    "garbage": ServerResponse(text="word " * 40, fault="garbage"),
    "an error event": ServerResponse(text="word " * 40, fault="error"),
    "a page": RawResponse(body="<html>Hello</html>"),
    "an empty stream": RawResponse(body="", content_type="text/event-stream"),
    "an empty body": RawResponse(body="", content_type="application/json"),
    "a null": RawResponse(body="null", content_type="application/json"),
}
"""What a server may send instead of an answer."""
WAIT = "wait"
REFUSE = "refuse"
THINK = "think first"
EMPTY = "nothing"
HALVES = "halves"


def _answer(request: ReceivedRequest) -> ServerScriptEntry:
    asked = request.last_text
    special: dict[str, ServerScriptEntry] = {
        WAIT: ServerFailure(status=429, headers={"retry-after": "7"}),
        REFUSE: ServerResponse(refusal="I won't."),
        THINK: ServerResponse(thinking="Hmm, noon or not?", text="Noon.", chunk_chars=4),
        EMPTY: ServerResponse(),
        HALVES: ServerResponse(text="Yes \ud83d\ude00! \udc00", chunk_chars=1),
        **FAULTS,
    }
    if asked in special:
        return special[asked]
    if asked == CALL_TWO:
        return ServerResponse(
            calls=(ServerToolCall(name="add", arguments={"a": 1}), ServerToolCall(name="clock")), chunk_chars=3
        )
    if asked == MALFORMED:
        return ServerResponse(calls=(ServerToolCall(name="add", arguments="not-json"),))
    if asked == SILENT:
        return ServerResponse(fault="stall", fault_after=0)
    if asked.startswith("fail "):
        return ServerFailure(status=int(asked.removeprefix("fail ")))
    return ServerResponse(text=asked.removeprefix("say "), chunk_chars=5)


async def _response(request: ModelRequest) -> ScriptedResponse:
    asked = request.messages[-1].text
    if asked == CALL_TWO:
        return (ToolCall(id="1", name="add", arguments={"a": 1}), ToolCall(id="2", name="clock"))
    if asked == MALFORMED:
        return ToolCall(id="1", name="add", malformed="not-json")
    if asked == SILENT:
        await asyncio.Event().wait()
    if asked.startswith("fail "):
        return status_error(int(asked.removeprefix("fail ")), "scripted")
    return asked.removeprefix("say ")


@asynccontextmanager
async def _demo() -> AsyncIterator[Model]:
    async with aclosing(DemoModel()) as model:
        yield model


@asynccontextmanager
async def _chat() -> AsyncIterator[Model]:
    async with ScriptedOpenAIServer(_answer) as server, aclosing(OpenAIModel(base_url=server.url, api="chat")) as model:
        yield model


@asynccontextmanager
async def _responses() -> AsyncIterator[Model]:
    async with (
        ScriptedOpenAIServer(_answer) as server,
        aclosing(OpenAIModel(base_url=server.url, api="responses")) as model,
    ):
        yield model


@asynccontextmanager
async def _openrouter() -> AsyncIterator[Model]:
    async with ScriptedOpenAIServer(_answer) as server, aclosing(OpenRouterModel(base_url=server.url)) as model:
        yield model


@asynccontextmanager
async def _anthropic() -> AsyncIterator[Model]:
    async with ScriptedAnthropicServer(_answer) as server, aclosing(AnthropicModel(base_url=server.url)) as model:
        yield model


@asynccontextmanager
async def _google() -> AsyncIterator[Model]:
    async with ScriptedGeminiServer(_answer) as server, aclosing(GoogleModel(base_url=server.url)) as model:
        yield model


@asynccontextmanager
async def _scripted() -> AsyncIterator[Model]:
    async with aclosing(ScriptedModel(_response)) as model:
        yield model


WIRES = [
    pytest.param(_chat, id="openai-chat"),
    pytest.param(_responses, id="openai-responses"),
    pytest.param(_openrouter, id="openrouter"),
    pytest.param(_anthropic, id="anthropic"),
    pytest.param(_google, id="google"),
]
every_wire = pytest.mark.parametrize("subject", WIRES)
"""Those that ask a server."""
EVERY = [pytest.param(_demo, id="demo"), *WIRES, pytest.param(_scripted, id="scripted")]
every_model = pytest.mark.parametrize("subject", EVERY)


def _request(text: str) -> ModelRequest:
    return ModelRequest(model="test:model", system="Be brief.", messages=(user_message(text),))


@every_model
async def test_a_text_answer_ends_and_says_who_spoke_and_what_was_spent(subject: Subject) -> None:
    async with subject() as model:
        response = await model.respond(_request(SAY))
    assert response.message.role == "assistant"
    assert response.message.text == "The answer is 42."
    assert response.message.model == "test:model"
    assert response.stop_reason == "end"
    assert response.usage.model_calls == 1
    assert response.usage.input_tokens > 0
    assert response.usage.output_tokens > 0


@every_model
async def test_the_text_deltas_make_up_the_text(subject: Subject) -> None:
    deltas: list[ModelDelta] = []
    async with subject() as model:
        await model.respond(_request(SAY), deltas.append)
    assert {delta.kind for delta in deltas} == {"text"}
    assert "".join(delta.text for delta in deltas) == "The answer is 42."


@every_model
async def test_parallel_tool_calls_keep_their_order_and_arguments(subject: Subject) -> None:
    deltas: list[ModelDelta] = []
    async with subject() as model:
        response = await model.respond(_request(CALL_TWO), deltas.append)
    first, second = response.message.tool_calls
    assert (first.name, first.arguments, first.malformed) == ("add", {"a": 1}, None)
    assert (second.name, second.arguments, second.malformed) == ("clock", {}, None)
    assert first.id != second.id
    assert response.stop_reason == "tool_calls"
    assert "".join(delta.text for delta in deltas if delta.kind == "tool_arguments") == '{"a": 1}{}'


@pytest.mark.parametrize("subject", [one for one in EVERY if one.id != "google"])  # whose API sends only objects
async def test_arguments_that_are_no_json_object_are_kept_as_written(subject: Subject) -> None:
    async with subject() as model:
        response = await model.respond(_request(MALFORMED))
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
async def test_a_failure_is_the_same_error_behind_every_model(
    subject: Subject, status: int, expected: type[Exception]
) -> None:
    async with subject() as model:
        with pytest.raises(expected) as caught:
            await model.respond(_request(f"fail {status}"))
    assert type(caught.value) is expected
    assert getattr(caught.value, "status", None) == status


@every_model
async def test_requests_at_once_each_get_their_own_answer(subject: Subject) -> None:
    texts = [f"answer {number}" for number in range(20)]
    async with subject() as model:
        responses = await asyncio.gather(*(model.respond(_request(f"say {text}")) for text in texts))
    assert [response.message.text for response in responses] == texts


@every_model
async def test_a_request_can_be_cancelled_while_the_model_is_silent(subject: Subject) -> None:
    async with subject() as model, asyncio.timeout(10):
        asking = asyncio.create_task(model.respond(_request(SILENT)))
        done, _ = await asyncio.wait({asking}, timeout=0.05)
        assert not done
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking


@every_wire
@pytest.mark.parametrize("fault", list(FAULTS))
async def test_whatever_is_no_whole_answer_is_worth_asking_again(subject: Subject, fault: str) -> None:
    async with subject() as model, asyncio.timeout(20):
        with pytest.raises(ModelError) as caught:
            await model.respond(_request(fault))
    assert type(caught.value) is ModelUnavailable


@every_wire
async def test_a_rate_limit_says_how_long_to_wait(subject: Subject) -> None:
    async with subject() as model:
        with pytest.raises(ModelUnavailable) as caught:
            await model.respond(_request(WAIT))
    assert caught.value.retry_after == 7


@every_wire
async def test_a_refusal_is_an_answer_that_says_so(subject: Subject) -> None:
    async with subject() as model:
        response = await model.respond(_request(REFUSE))
    assert response.stop_reason == "refusal"
    assert response.message.text == "I won't."


@every_wire
async def test_thinking_stands_apart_from_the_text_and_names_its_provider(subject: Subject) -> None:
    deltas: list[ModelDelta] = []
    async with subject() as model:
        response = await model.respond(_request(THINK), deltas.append)
    (thought,) = [part for part in response.message.parts if part.type == "thinking"]
    assert (thought.text, thought.provider) == ("Hmm, noon or not?", "test")
    assert response.message.text == "Noon."
    said = [(kind, "".join(delta.text for delta in deltas if delta.kind == kind)) for kind in ("thinking", "text")]
    assert said == [("thinking", "Hmm, noon or not?"), ("text", "Noon.")]


@every_wire
async def test_an_answer_of_nothing_is_left_to_the_planner(subject: Subject) -> None:
    async with subject() as model:
        response = await model.respond(_request(EMPTY))
    assert response.message.parts == ()
    assert response.stop_reason == "end"


@every_wire
async def test_characters_that_come_in_halves_are_put_together(subject: Subject) -> None:
    deltas: list[ModelDelta] = []
    async with subject() as model:
        response = await model.respond(_request(HALVES), deltas.append)
    assert response.message.text == "Yes \U0001f600! \ufffd"
    assert response.message.canonical_json()
    assert "".join(delta.text for delta in deltas) == response.message.text


@pytest.mark.parametrize("subject", [one for one in WIRES if one.id != "anthropic"])  # whose SDK writes UTF-8
async def test_a_header_that_cannot_be_written_is_the_requests_fault(subject: Subject) -> None:
    request = replace(_request(SAY), settings=ModelSettings(extra_headers={"X-Team": "Größe 漢"}))
    async with subject() as model:
        with pytest.raises(ModelRequestRejected, match="extra_headers"):
            await model.respond(request)
