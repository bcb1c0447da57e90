from __future__ import annotations

import asyncio
import json
import traceback
from contextlib import aclosing

import pytest

from agentkit.errors import (
    ContextTooLong,
    ModelError,
    ModelNotAuthorized,
    ModelRequestRejected,
    ModelUnavailable,
)
from agentkit.interfaces import ModelRequest
from agentkit.llm.anthropic.model import AnthropicModel
from agentkit.llm.shared.streaming_model import ResponseTimeouts
from agentkit.messages import user_message
from agentkit.testing import (
    RawResponse,
    ScriptedAnthropicServer,
    ServerFailure,
    ServerResponse,
    ServerScriptEntry,
)

KEY = "sk-ant-api03-0123456789abcdef"
REQUEST = ModelRequest(model="anthropic:claude-sonnet-5", system="", messages=(user_message("Hi"),))
LONG = "word " * 40
STREAM = "text/event-stream"


async def _failure(answer: ServerScriptEntry, *, key: str = KEY) -> ModelError:
    """Return the error that asking once ends with."""
    async with ScriptedAnthropicServer([answer]) as server:
        async with aclosing(AnthropicModel(api_key=key, base_url=server.url)) as model:
            with pytest.raises(ModelError) as caught:
                await model.respond(REQUEST)
        assert server.request_count == 1, "retries are Temporal's"
        return caught.value


def _event(kind: str, message: str) -> RawResponse:
    data = json.dumps({"type": "error", "error": {"type": kind, "message": message}})
    return RawResponse(body=f"event: error\ndata: {data}\n\n", content_type=STREAM)


@pytest.mark.parametrize(
    "answer",
    [
        *(pytest.param(ServerFailure(status=status), id=str(status)) for status in (408, 409, 429, 500, 503, 504, 529)),
        pytest.param(ServerResponse(text=LONG, fault="cut", fault_after=5), id="a stream cut short"),
        pytest.param(ServerResponse(text=LONG, fault="cut", fault_after=0), id="a stream of nothing"),
        pytest.param(ServerResponse(text=LONG, fault="drop"), id="a dropped connection"),
        pytest.param(ServerResponse(text=LONG, fault="garbage"), id="a garbled event"),
        pytest.param(_event("overloaded_error", "Overloaded"), id="overloaded in the middle"),
        pytest.param(_event("rate_limit_error", "Slow down"), id="rate limited in the middle"),
        pytest.param(_event("api_error", "Oops"), id="failed in the middle"),
        pytest.param(_event("unheard_of", "Oops"), id="an error unheard of in the middle"),
        pytest.param(RawResponse(body="<html>Hello</html>"), id="a page"),
        pytest.param(RawResponse(body="", content_type=STREAM), id="an empty stream"),
        pytest.param(RawResponse(body="{", content_type="application/json"), id="half a JSON document"),
        pytest.param(RawResponse(body="[]", content_type="application/json"), id="JSON of another kind"),
        pytest.param(RawResponse(body="event: x\ndata: null\n\n", content_type=STREAM), id="a null event"),
        pytest.param(RawResponse(body='event: x\ndata: {"delta": 1}\n\n', content_type=STREAM), id="a wrong delta"),
        pytest.param(
            RawResponse(body="event: x\ndata: " + "[" * 100_000 + "\n\n", content_type=STREAM), id="a deep event"
        ),
    ],
)
async def test_what_may_pass_is_worth_asking_again(answer: ServerScriptEntry) -> None:
    assert type(await _failure(answer)) is ModelUnavailable


@pytest.mark.parametrize(
    ("answer", "expected", "words"),
    [
        pytest.param(ServerFailure(status=400, message="No such knob"), ModelRequestRejected, "No such knob", id="400"),
        pytest.param(ServerFailure(status=404, message="model: claude-9"), ModelRequestRejected, "claude-9", id="404"),
        pytest.param(ServerFailure(status=401), ModelNotAuthorized, "ANTHROPIC_API_KEY", id="401"),
        pytest.param(ServerFailure(status=403), ModelNotAuthorized, "ANTHROPIC_API_KEY", id="403"),
        pytest.param(_event("authentication_error", "bad key"), ModelNotAuthorized, "bad key", id="401 in the middle"),
        pytest.param(ServerFailure(status=402), ModelRequestRejected, "quota", id="402"),
        pytest.param(
            ServerFailure(status=400, message="Your credit balance is too low to access the API"),
            ModelRequestRejected,
            "quota is used up",
            id="no credit",
        ),
        pytest.param(
            ServerFailure(status=429, code="enforced_spend_limit_reached"),
            ModelRequestRejected,
            "quota is used up",
            id="spend limit",
        ),
        pytest.param(
            ServerFailure(status=400, message="prompt is too long: 210000 tokens > 200000 maximum"),
            ContextTooLong,
            "210000 tokens > 200000",
            id="too long",
        ),
        pytest.param(
            ServerFailure(status=400, message="input length and `max_tokens` exceed context limit: 190 + 32 > 200"),
            ContextTooLong,
            "190 \\+ 32 > 200",
            id="too long with the answer",
        ),
        pytest.param(
            ServerFailure(status=413, message="Request exceeds the maximum size"), ContextTooLong, "413", id="413"
        ),
        pytest.param(
            RawResponse(status=400, body="<p>Bad gateway words</p>"),
            ModelRequestRejected,
            "gateway words",
            id="an error that is no JSON",
        ),
        pytest.param(
            RawResponse(
                body='{"type": "error", "error": {"type": "not_found_error", "message": "no model"}}',
                content_type="application/json",
            ),
            ModelRequestRejected,
            "no model",
            id="an error as 200",
        ),
    ],
)
async def test_what_will_not_pass_is_told_apart(
    answer: ServerScriptEntry, expected: type[ModelError], words: str
) -> None:
    error = await _failure(answer)
    assert type(error) is expected
    with pytest.raises(expected, match=words):
        raise error


async def test_the_provider_says_when_to_ask_again() -> None:
    error = await _failure(ServerFailure(status=529, headers={"retry-after": "12"}))
    assert isinstance(error, ModelUnavailable)
    assert (error.retry_after, error.status) == (12, 529)


@pytest.mark.parametrize("fault_after", [0, 4])
async def test_a_stalled_answer_is_cut_after_the_idle_timeout(fault_after: int) -> None:
    reply = ServerResponse(text=LONG, fault="stall", fault_after=fault_after)
    async with (
        ScriptedAnthropicServer([reply]) as server,
        aclosing(AnthropicModel(base_url=server.url, timeouts=ResponseTimeouts(first_output=0.3, idle=0.2))) as model,
        asyncio.timeout(10),
    ):
        with pytest.raises(ModelUnavailable, match="did not respond in time"):
            await model.respond(REQUEST)
        await server.wait_for_disconnects()


async def test_each_sign_of_life_gives_it_more_time() -> None:
    async with (
        ScriptedAnthropicServer([ServerResponse(text="abcdefgh", chunk_chars=1, pause=0.1)]) as server,
        aclosing(AnthropicModel(base_url=server.url, timeouts=ResponseTimeouts(first_output=0.5, idle=0.5))) as model,
    ):
        assert (await model.respond(REQUEST)).message.text == "abcdefgh"


async def test_no_connection_is_worth_asking_again() -> None:
    async with ScriptedAnthropicServer([]) as server:
        url = server.url
    async with aclosing(AnthropicModel(base_url=url)) as model:
        with pytest.raises(ModelUnavailable, match=f"The connection to anthropic at {url} failed"):
            await model.respond(REQUEST)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(ServerFailure(status=401, message=f"invalid x-api-key: {KEY}"), id="401"),
        pytest.param(_event("api_error", f"Header Bearer {KEY} failed"), id="in the middle"),
        pytest.param(RawResponse(status=500, body=f"<p>{KEY}</p>"), id="a page"),
    ],
)
async def test_the_key_is_in_no_error(answer: ServerScriptEntry) -> None:
    error = await _failure(answer)
    shown = "".join(traceback.format_exception(error))
    assert KEY not in shown
    assert "0123456789" not in str(error)
