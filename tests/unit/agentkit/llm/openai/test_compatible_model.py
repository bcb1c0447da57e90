from __future__ import annotations

import asyncio
import json
import traceback
from contextlib import aclosing

import pytest

from agentkit.errors import (
    ContentRefused,
    ContextTooLong,
    ModelError,
    ModelNotAuthorized,
    ModelRequestRejected,
    ModelUnavailable,
)
from agentkit.interfaces import ModelRequest
from agentkit.llm import OpenAIModel
from agentkit.llm.shared.streaming_model import ResponseTimeouts
from agentkit.messages import user_message
from agentkit.testing import RawResponse, ScriptedOpenAIServer, ServerFailure, ServerResponse, ServerScriptEntry

KEY = "sk-proj-0123456789abcdef"
REQUEST = ModelRequest(model="openai:gpt-5-mini", system="", messages=(user_message("Hi"),))
LONG = "word " * 40
STREAM = "text/event-stream"


async def _failure(answer: ServerScriptEntry, *, key: str = KEY) -> ModelError:
    """Return the error that asking once ends with."""
    async with ScriptedOpenAIServer([answer]) as server:
        async with aclosing(OpenAIModel(api_key=key, base_url=server.url)) as model:
            with pytest.raises(ModelError) as caught:
                await model.respond(REQUEST)
        assert server.request_count == 1, "retries are Temporal's"
        return caught.value


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(ServerFailure(status=408), id="408"),
        pytest.param(ServerFailure(status=409), id="409"),
        pytest.param(ServerFailure(status=429), id="429"),
        pytest.param(ServerFailure(status=500), id="500"),
        pytest.param(ServerFailure(status=503), id="503"),
        pytest.param(ServerFailure(status=529), id="529"),
        pytest.param(ServerResponse(text=LONG, fault="cut"), id="a stream cut short"),
        pytest.param(ServerResponse(text=LONG, fault="drop"), id="a dropped connection"),
        pytest.param(ServerResponse(text=LONG, fault="garbage"), id="a garbled chunk"),
        pytest.param(RawResponse(body="<html>Hello</html>"), id="a page"),
        pytest.param(RawResponse(body="", content_type=STREAM), id="an empty stream"),
        pytest.param(RawResponse(body="{", content_type="application/json"), id="half a JSON document"),
        pytest.param(RawResponse(body="[]", content_type="application/json"), id="JSON of another kind"),
        pytest.param(RawResponse(body="data: null\n\n", content_type=STREAM), id="a null chunk"),
        pytest.param(RawResponse(body='data: "x"\n\n', content_type=STREAM), id="a text chunk"),
        pytest.param(
            RawResponse(body='data: {"choices": [{"delta": 1}]}\n\n', content_type=STREAM), id="a wrong delta"
        ),
        pytest.param(RawResponse(body="data: " + "[" * 100_000 + "\n\n", content_type=STREAM), id="a deep chunk"),
        pytest.param(
            RawResponse(body='data: {"error": {"message": "busy"}}\n\n', content_type=STREAM), id="an error event"
        ),
        pytest.param(
            RawResponse(body='{"error": {"message": "busy", "code": 502}}', content_type="application/json"),
            id="an error as 200",
        ),
    ],
)
async def test_what_may_pass_is_worth_asking_again(answer: ServerScriptEntry) -> None:
    assert type(await _failure(answer)) is ModelUnavailable


@pytest.mark.parametrize(
    ("answer", "expected", "words"),
    [
        pytest.param(ServerFailure(status=400, message="No such knob"), ModelRequestRejected, "No such knob", id="400"),
        pytest.param(
            RawResponse(
                status=400,
                content_type="application/json",
                body=json.dumps(
                    {
                        "error": {
                            "message": "Unsupported parameter.",
                            "code": "unsupported_parameter",
                            "param": "max_completion_tokens",
                        }
                    }
                ),
            ),
            ModelRequestRejected,
            "Leave max_output_tokens out of the agent's model_settings",
            id="a setting",
        ),
        pytest.param(ServerFailure(status=404, message="No gpt-9"), ModelRequestRejected, "No gpt-9", id="404"),
        pytest.param(ServerFailure(status=422), ModelRequestRejected, "422", id="422"),
        pytest.param(
            ServerFailure(status=429, code="insufficient_quota"), ModelRequestRejected, "quota", id="no quota left"
        ),
        pytest.param(
            ServerFailure(status=429, type="insufficient_quota"), ModelRequestRejected, "quota", id="quota by type"
        ),
        pytest.param(ServerFailure(status=402), ModelRequestRejected, "quota", id="402"),
        pytest.param(ServerFailure(status=401), ModelNotAuthorized, "OPENAI_API_KEY", id="401"),
        pytest.param(ServerFailure(status=403), ModelNotAuthorized, "OPENAI_API_KEY", id="403"),
        pytest.param(
            ServerFailure(status=400, code="context_length_exceeded"), ContextTooLong, "400", id="too long by code"
        ),
        pytest.param(
            ServerFailure(status=400, message="This model's maximum context length is 8192 tokens"),
            ContextTooLong,
            "8192",
            id="too long by words",
        ),
        pytest.param(ServerFailure(status=400, code="content_filter"), ContentRefused, "400", id="filtered input"),
        pytest.param(
            RawResponse(
                body='data: {"error": {"message": "too long", "code": "context_length_exceeded"}}\n\n',
                content_type=STREAM,
            ),
            ContextTooLong,
            "too long",
            id="too long, said in the stream",
        ),
        pytest.param(
            RawResponse(status=400, body="model not loaded", content_type="text/plain"),
            ModelRequestRejected,
            "model not loaded",
            id="plain words",
        ),
    ],
)
async def test_what_will_not_pass_is_said_in_the_providers_words(
    answer: ServerScriptEntry, expected: type[ModelError], words: str
) -> None:
    error = await _failure(answer)
    assert type(error) is expected
    assert words in str(error)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({"retry-after": "7"}, 7.0, id="seconds"),
        pytest.param({"retry-after-ms": "1500", "retry-after": "7"}, 1.5, id="milliseconds win"),
        pytest.param({}, None, id="not said"),
    ],
)
async def test_a_rate_limit_says_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    error = await _failure(ServerFailure(status=429, headers=headers))
    assert isinstance(error, ModelUnavailable)
    assert error.retry_after == seconds
    assert error.status == 429


@pytest.mark.parametrize("said_first", [pytest.param(0, id="at once"), pytest.param(3, id="in the middle")])
async def test_a_stall_ends_in_a_timeout_and_the_connection_is_given_up(said_first: int) -> None:
    async with (
        ScriptedOpenAIServer([ServerResponse(text=LONG, fault="stall", fault_after=said_first)]) as server,
        aclosing(OpenAIModel(base_url=server.url, timeouts=ResponseTimeouts(first_output=0.05, idle=0.05))) as model,
        asyncio.timeout(10),
    ):
        with pytest.raises(ModelUnavailable, match="did not respond in time"):
            await model.respond(REQUEST)
        await server.wait_for_disconnects()


async def test_silence_before_the_first_word_may_last_longer_than_a_pause_between_words() -> None:
    async with (
        ScriptedOpenAIServer([ServerResponse(text="Noon.", delay=0.6)]) as server,
        aclosing(OpenAIModel(base_url=server.url, timeouts=ResponseTimeouts(first_output=30, idle=0.3))) as model,
    ):
        assert (await model.respond(REQUEST)).message.text == "Noon."


async def test_an_answer_may_take_long_as_long_as_it_goes_on() -> None:
    async with (
        ScriptedOpenAIServer([ServerResponse(text="x" * 30, chunk_chars=1, pause=0.05)]) as server,
        aclosing(OpenAIModel(base_url=server.url, timeouts=ResponseTimeouts(first_output=1, idle=1))) as model,
    ):
        assert (await model.respond(REQUEST)).message.text == "x" * 30


async def test_cancelling_gives_the_connection_up() -> None:
    async with (
        ScriptedOpenAIServer([ServerResponse(text=LONG, fault="stall")]) as server,
        aclosing(OpenAIModel(base_url=server.url)) as model,
        asyncio.timeout(10),
    ):
        asking = asyncio.create_task(model.respond(REQUEST))
        await server.wait_for_requests()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await server.wait_for_disconnects()


async def test_an_address_where_nobody_listens_is_named() -> None:
    async with ScriptedOpenAIServer([]) as server:
        url = server.url
    async with aclosing(OpenAIModel(base_url=url)) as model:
        with pytest.raises(ModelUnavailable) as caught:
            await model.respond(REQUEST)
    assert url in str(caught.value)
    assert "ConnectError" in str(caught.value)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        pytest.param(KEY, f"Incorrect API key provided: {KEY}.", id="whole"),
        pytest.param(KEY, "Incorrect API key provided: sk-proj-********cdef.", id="masked"),
        pytest.param("my-own-secret-key", "The token my-own-secret-key is wrong", id="of another make"),
        pytest.param("my-own-secret-key", "The token my-own-s...ret-key is wrong", id="of another make, shortened"),
    ],
)
async def test_a_key_that_the_provider_echoes_is_hidden(key: str, said: str) -> None:
    error = await _failure(ServerFailure(status=401, message=said), key=key)
    told = "".join(traceback.format_exception(error))
    for secret in (key, key[:10], "cdef", "ret-key"):
        assert secret not in told
    assert error.__cause__ is None, "Temporal would write the cause into the history"
