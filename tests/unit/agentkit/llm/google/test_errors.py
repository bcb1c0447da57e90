"""Errors in Google's own formats; ``test_provider_failures`` has what all providers share."""

from __future__ import annotations

import json
from contextlib import aclosing

import pytest
from pydantic import JsonValue

from agentkit.errors import ContextTooLong, ModelError, ModelNotAuthorized, ModelRequestRejected, ModelUnavailable
from agentkit.interfaces import ModelRequest
from agentkit.llm.google.model import GoogleModel
from agentkit.messages import user_message
from agentkit.testing import RawResponse, ScriptedGeminiServer, ServerFailure, ServerScriptEntry

REQUEST = ModelRequest(model="google:gemini-3.8-flash", system="", messages=(user_message("Hi"),))
STREAM = "text/event-stream"
JSON = "application/json"


async def _error(entry: ServerScriptEntry) -> ModelError:
    """Return the error that one request raises."""
    async with ScriptedGeminiServer([entry]) as server, aclosing(GoogleModel(base_url=server.url)) as model:
        with pytest.raises(ModelError) as caught:
            await model.respond(REQUEST)
        return caught.value


def _rate_limited(*details: JsonValue) -> RawResponse:
    error = {"code": 429, "message": "You exceeded your current quota", "status": "RESOURCE_EXHAUSTED"}
    return RawResponse(status=429, body=json.dumps({"error": {**error, "details": [*details]}}), content_type=JSON)


RETRY_INFO: JsonValue = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "13.5s"}
QUOTA_PER_MINUTE: JsonValue = {
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    "violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"}],
}
QUOTA_PER_DAY: JsonValue = {
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}],
}


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(ServerFailure(status=499), id="499, which Google sends for a request that it cancelled"),
        pytest.param(_rate_limited(QUOTA_PER_MINUTE), id="quota per minute"),
        pytest.param(
            RawResponse(body='data: {"error": {"message": "busy"}}\n\n', content_type=STREAM), id="error without a code"
        ),
        pytest.param(
            RawResponse(body='data: {"candidates": [{"content": 1}]}\n\n', content_type=STREAM), id="invalid content"
        ),
        pytest.param(RawResponse(body='data: {"candidates": 1}\n\n', content_type=STREAM), id="invalid candidates"),
    ],
)
async def test_an_error_that_may_pass_can_be_retried(entry: ServerScriptEntry) -> None:
    assert type(await _error(entry)) is ModelUnavailable


@pytest.mark.parametrize(
    ("entry", "expected", "message"),
    [
        pytest.param(
            ServerFailure(status=400, message="API key not valid. Please pass a valid API key."),
            ModelNotAuthorized,
            "GOOGLE_API_KEY",
            id="wrong key, as 400",
        ),
        pytest.param(
            ServerFailure(status=400, code="API_KEY_INVALID"),
            ModelNotAuthorized,
            "GOOGLE_API_KEY",
            id="wrong key, by its reason",
        ),
        pytest.param(
            _rate_limited(QUOTA_PER_DAY, RETRY_INFO), ModelRequestRejected, "quota is used up", id="quota per day"
        ),
        pytest.param(
            ServerFailure(status=400, message="The input token count (1200000) exceeds the maximum number of tokens"),
            ContextTooLong,
            "1200000",
            id="input too long",
        ),
        pytest.param(
            RawResponse(body='{"error": {"code": 404, "message": "no model"}}', content_type=JSON),
            ModelRequestRejected,
            "no model",
            id="error with status 200",
        ),
    ],
)
async def test_errors_that_a_retry_does_not_cure_name_the_problem(
    entry: ServerScriptEntry, expected: type[ModelError], message: str
) -> None:
    error = await _error(entry)
    assert type(error) is expected
    with pytest.raises(expected, match=message):
        raise error


async def test_the_delay_before_a_retry_is_read_from_the_details() -> None:
    error = await _error(_rate_limited(QUOTA_PER_MINUTE, RETRY_INFO))
    assert isinstance(error, ModelUnavailable)
    assert error.retry_after == 13.5
