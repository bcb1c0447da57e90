"""Errors in Anthropic's own formats; ``test_provider_failures`` has what all providers share."""

from __future__ import annotations

import json
from contextlib import aclosing

import pytest

from agentkit.errors import ContextTooLong, ModelError, ModelNotAuthorized, ModelRequestRejected, ModelUnavailable
from agentkit.interfaces import ModelRequest
from agentkit.llm.anthropic.model import AnthropicModel
from agentkit.messages import user_message
from agentkit.testing import RawResponse, ScriptedAnthropicServer, ServerFailure, ServerScriptEntry

REQUEST = ModelRequest(model="anthropic:claude-sonnet-5", system="", messages=(user_message("Hi"),))
STREAM = "text/event-stream"


async def _error(entry: ServerScriptEntry) -> ModelError:
    """Return the error that one request raises."""
    async with ScriptedAnthropicServer([entry]) as server, aclosing(AnthropicModel(base_url=server.url)) as model:
        with pytest.raises(ModelError) as caught:
            await model.respond(REQUEST)
        return caught.value


def _error_event(error_type: str, message: str) -> RawResponse:
    data = json.dumps({"type": "error", "error": {"type": error_type, "message": message}})
    return RawResponse(body=f"event: error\ndata: {data}\n\n", content_type=STREAM)


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(_error_event("overloaded_error", "Overloaded"), id="overloaded"),
        pytest.param(_error_event("rate_limit_error", "Slow down"), id="rate limited"),
        pytest.param(_error_event("api_error", "Oops"), id="server error"),
        pytest.param(_error_event("unknown_error", "Oops"), id="error of an unknown type"),
        pytest.param(
            RawResponse(body='event: x\ndata: {"delta": 1}\n\n', content_type=STREAM), id="delta of no object"
        ),
    ],
)
async def test_an_error_in_the_stream_may_be_retried(entry: ServerScriptEntry) -> None:
    assert type(await _error(entry)) is ModelUnavailable


@pytest.mark.parametrize(
    ("entry", "expected", "message"),
    [
        pytest.param(
            _error_event("authentication_error", "bad key"), ModelNotAuthorized, "bad key", id="401 in the stream"
        ),
        pytest.param(
            ServerFailure(status=400, message="Your credit balance is too low to access the API"),
            ModelRequestRejected,
            "quota is used up",
            id="no credit, as 400",
        ),
        pytest.param(
            ServerFailure(status=429, code="enforced_spend_limit_reached"),
            ModelRequestRejected,
            "quota is used up",
            id="spend limit, as 429",
        ),
        pytest.param(
            ServerFailure(status=400, message="prompt is too long: 210000 tokens > 200000 maximum"),
            ContextTooLong,
            "210000 tokens > 200000",
            id="prompt too long",
        ),
        pytest.param(
            ServerFailure(status=400, message="input length and `max_tokens` exceed context limit: 190 + 32 > 200"),
            ContextTooLong,
            "190 \\+ 32 > 200",
            id="prompt and response too long",
        ),
        pytest.param(
            RawResponse(
                body='{"type": "error", "error": {"type": "not_found_error", "message": "no model"}}',
                content_type="application/json",
            ),
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
