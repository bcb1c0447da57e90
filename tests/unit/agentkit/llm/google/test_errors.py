from __future__ import annotations

import asyncio
import json
import traceback
from contextlib import aclosing

import pytest
from pydantic import JsonValue

from agentkit.errors import (
    ContextTooLong,
    ModelError,
    ModelNotAuthorized,
    ModelRequestRejected,
    ModelUnavailable,
)
from agentkit.interfaces import ModelRequest
from agentkit.llm.google.model import GoogleModel
from agentkit.llm.shared.streaming_model import ResponseTimeouts
from agentkit.messages import user_message
from agentkit.testing import RawResponse, ScriptedGeminiServer, ServerFailure, ServerResponse, ServerScriptEntry

KEY = "AIzaSy0123456789abcdef"
REQUEST = ModelRequest(model="google:gemini-3.8-flash", system="", messages=(user_message("Hi"),))
LONG = "word " * 40
STREAM = "text/event-stream"


async def _failure(answer: ServerScriptEntry, *, key: str = KEY) -> ModelError:
    """Return the error that asking once ends with."""
    async with ScriptedGeminiServer([answer]) as server:
        async with aclosing(GoogleModel(api_key=key, base_url=server.url)) as model:
            with pytest.raises(ModelError) as caught:
                await model.respond(REQUEST)
        assert server.request_count == 1, "retries are Temporal's"
        return caught.value


def _limited(*details: JsonValue) -> RawResponse:
    error = {"code": 429, "message": "You exceeded your current quota", "status": "RESOURCE_EXHAUSTED"}
    body = json.dumps({"error": {**error, "details": [*details]}})
    return RawResponse(status=429, body=body, content_type="application/json")


RETRY: JsonValue = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "13.5s"}
BY_MINUTE: JsonValue = {
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    "violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"}],
}
BY_DAY: JsonValue = {
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}],
}


@pytest.mark.parametrize(
    "answer",
    [
        *(pytest.param(ServerFailure(status=status), id=str(status)) for status in (408, 429, 499, 500, 503, 504)),
        pytest.param(_limited(BY_MINUTE), id="429 by the minute"),
        pytest.param(ServerResponse(text=LONG, fault="cut"), id="a stream cut short"),
        pytest.param(ServerResponse(text=LONG, fault="cut", fault_after=0), id="a stream of nothing"),
        pytest.param(ServerResponse(text=LONG, fault="drop"), id="a dropped connection"),
        pytest.param(ServerResponse(text=LONG, fault="garbage"), id="a garbled chunk"),
        pytest.param(ServerResponse(text=LONG, fault="error"), id="an error in the middle"),
        pytest.param(
            RawResponse(body='data: {"error": {"message": "busy"}}\n\n', content_type=STREAM),
            id="an error of no code",
        ),
        pytest.param(RawResponse(body="<html>Hello</html>"), id="a page"),
        pytest.param(RawResponse(body="", content_type=STREAM), id="an empty stream"),
        pytest.param(RawResponse(body="{", content_type="application/json"), id="half a JSON document"),
        pytest.param(RawResponse(body="[]", content_type="application/json"), id="JSON of another kind"),
        pytest.param(RawResponse(body="data: null\n\n", content_type=STREAM), id="a null chunk"),
        pytest.param(
            RawResponse(body='data: {"candidates": [{"content": 1}]}\n\n', content_type=STREAM),
            id="wrong content",
        ),
        pytest.param(RawResponse(body='data: {"candidates": 1}\n\n', content_type=STREAM), id="wrong candidates"),
        pytest.param(RawResponse(body="data: " + "[" * 100_000 + "\n\n", content_type=STREAM), id="a deep chunk"),
    ],
)
async def test_what_may_pass_is_worth_asking_again(answer: ServerScriptEntry) -> None:
    assert type(await _failure(answer)) is ModelUnavailable


@pytest.mark.parametrize(
    ("answer", "expected", "words"),
    [
        pytest.param(ServerFailure(status=400, message="No such knob"), ModelRequestRejected, "No such knob", id="400"),
        pytest.param(
            ServerFailure(status=404, message="models/gemini-9 is not found"),
            ModelRequestRejected,
            "gemini-9",
            id="404",
        ),
        pytest.param(ServerFailure(status=401), ModelNotAuthorized, "GOOGLE_API_KEY", id="401"),
        pytest.param(ServerFailure(status=403), ModelNotAuthorized, "GOOGLE_API_KEY", id="403"),
        pytest.param(
            ServerFailure(status=400, message="API key not valid. Please pass a valid API key."),
            ModelNotAuthorized,
            "GOOGLE_API_KEY",
            id="a wrong key as 400",
        ),
        pytest.param(
            ServerFailure(status=400, code="API_KEY_INVALID"),
            ModelNotAuthorized,
            "GOOGLE_API_KEY",
            id="a wrong key by its reason",
        ),
        pytest.param(_limited(BY_DAY, RETRY), ModelRequestRejected, "quota is used up", id="429 by the day"),
        pytest.param(
            ServerFailure(
                status=400, message="The input token count (1200000) exceeds the maximum number of tokens allowed"
            ),
            ContextTooLong,
            "1200000",
            id="too long",
        ),
        pytest.param(
            RawResponse(status=400, body="<p>Bad gateway words</p>"),
            ModelRequestRejected,
            "gateway words",
            id="an error that is no JSON",
        ),
        pytest.param(
            RawResponse(body='{"error": {"code": 404, "message": "no model"}}', content_type="application/json"),
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


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        pytest.param(ServerFailure(status=503, headers={"retry-after": "12"}), 12, id="in a header"),
        pytest.param(_limited(BY_MINUTE, RETRY), 13.5, id="in the details"),
        pytest.param(_limited(), None, id="not at all"),
    ],
)
async def test_the_provider_says_when_to_ask_again(answer: ServerScriptEntry, seconds: float | None) -> None:
    error = await _failure(answer)
    assert isinstance(error, ModelUnavailable)
    assert error.retry_after == seconds


@pytest.mark.parametrize("fault_after", [0, 2])
async def test_a_stalled_answer_is_cut_after_the_idle_timeout(fault_after: int) -> None:
    reply = ServerResponse(text=LONG, fault="stall", fault_after=fault_after)
    async with (
        ScriptedGeminiServer([reply]) as server,
        aclosing(GoogleModel(base_url=server.url, timeouts=ResponseTimeouts(first_output=0.3, idle=0.2))) as model,
        asyncio.timeout(10),
    ):
        with pytest.raises(ModelUnavailable, match="did not respond in time"):
            await model.respond(REQUEST)
        await server.wait_for_disconnects()


async def test_each_chunk_gives_it_more_time() -> None:
    async with (
        ScriptedGeminiServer([ServerResponse(text="abcdefgh", chunk_chars=1, pause=0.1)]) as server,
        aclosing(GoogleModel(base_url=server.url, timeouts=ResponseTimeouts(first_output=0.5, idle=0.5))) as model,
    ):
        assert (await model.respond(REQUEST)).message.text == "abcdefgh"


async def test_no_connection_is_worth_asking_again() -> None:
    async with ScriptedGeminiServer([]) as server:
        url = server.url
    async with aclosing(GoogleModel(base_url=url)) as model:
        with pytest.raises(ModelUnavailable, match=f"The connection to google at {url} failed"):
            await model.respond(REQUEST)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(ServerFailure(status=403, message=f"The key {KEY} is blocked"), id="403"),
        pytest.param(RawResponse(status=500, body=f"<p>{KEY}</p>"), id="a page"),
    ],
)
async def test_the_key_is_in_no_error(answer: ServerScriptEntry) -> None:
    error = await _failure(answer)
    shown = "".join(traceback.format_exception(error))
    assert KEY not in shown
    assert "0123456789" not in str(error)
