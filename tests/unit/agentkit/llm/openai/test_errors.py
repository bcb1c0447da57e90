"""OpenAI's own errors. Those that all providers share: ``test_provider_failures``."""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import Any

import httpx2
import openai
import pytest

from agentkit.errors import (
    ContentRefused,
    ContextTooLong,
    ModelError,
    ModelRequestRejected,
    ModelTimedOut,
    ModelUnavailable,
)
from agentkit.interfaces import ModelRequest
from agentkit.llm.openai.errors import model_error
from agentkit.llm.openai.model import OpenAIModel
from agentkit.llm.shared.failures import ProviderEndpoint, ProviderStreamError
from agentkit.messages import user_message
from agentkit.testing import RawResponse, ScriptedOpenAIServer, ServerFailure, ServerScriptEntry

REQUEST = ModelRequest(model="openai:gpt-5-mini", system="", messages=(user_message("Hi"),))
ENDPOINT = ProviderEndpoint("openai", "https://api.openai.com/v1", "OPENAI_API_KEY", "sk-0123456789abcdef")


async def _failure(entry: ServerScriptEntry) -> ModelError:
    async with (
        ScriptedOpenAIServer([entry]) as server,
        aclosing(OpenAIModel(base_url=server.url, api="chat")) as model,
    ):
        with pytest.raises(ModelError) as caught:
            await model.respond(REQUEST)
    return caught.value


def _event(data: str) -> RawResponse:
    return RawResponse(body=f"data: {data}\n\n", content_type="text/event-stream")


def _json(body: dict[str, Any], status: int = 200) -> RawResponse:
    return RawResponse(body=json.dumps(body), status=status, content_type="application/json")


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(_event('{"choices": [{"delta": 1}]}'), id="delta that is no object"),
        pytest.param(_event('{"error": {"message": "busy"}}'), id="error event without a code"),
        pytest.param(_json({"error": {"message": "busy", "code": 502}}), id="error with status 200"),
    ],
)
async def test_a_failure_that_may_pass_is_worth_a_retry(entry: ServerScriptEntry) -> None:
    assert type(await _failure(entry)) is ModelUnavailable


@pytest.mark.parametrize(
    ("entry", "expected", "text"),
    [
        pytest.param(
            ServerFailure(status=429, code="insufficient_quota"), ModelRequestRejected, "quota", id="quota by code"
        ),
        pytest.param(
            ServerFailure(status=429, type="insufficient_quota"), ModelRequestRejected, "quota", id="quota by type"
        ),
        pytest.param(
            ServerFailure(status=400, code="context_length_exceeded"), ContextTooLong, "400", id="too long by code"
        ),
        pytest.param(
            ServerFailure(status=400, message="This model's maximum context length is 8192 tokens"),
            ContextTooLong,
            "8192",
            id="too long by message",
        ),
        pytest.param(
            _event('{"error": {"message": "too long", "code": "context_length_exceeded"}}'),
            ContextTooLong,
            "too long",
            id="too long in the stream",
        ),
        pytest.param(ServerFailure(status=400, code="content_filter"), ContentRefused, "400", id="filtered input"),
        pytest.param(
            _json(
                {
                    "error": {
                        "message": "Unsupported parameter.",
                        "code": "unsupported_parameter",
                        "param": "max_completion_tokens",
                    }
                },
                status=400,
            ),
            ModelRequestRejected,
            "Leave max_output_tokens out of the agent's model_settings",
            id="unsupported setting",
        ),
        pytest.param(
            _json({"error": {"message": "no such model", "code": 404}}),
            ModelRequestRejected,
            "no such model",
            id="404 with status 200",
        ),
        pytest.param(
            _json({"detail": "no such field"}, status=400), ModelRequestRejected, "no such field", id="detail"
        ),
    ],
)
async def test_a_failure_that_will_not_pass_is_classified(
    entry: ServerScriptEntry, expected: type[ModelError], text: str
) -> None:
    error = await _failure(entry)
    assert type(error) is expected
    assert text in str(error)


@pytest.mark.parametrize(
    ("body", "expected", "status"),
    [
        pytest.param({"code": "server_error"}, ModelUnavailable, 500, id="server error"),
        pytest.param({"code": "rate_limit_exceeded"}, ModelUnavailable, 429, id="rate limit"),
        pytest.param({"code": "unheard_of"}, ModelUnavailable, 503, id="unknown code"),
        pytest.param({"code": 502}, ModelUnavailable, 502, id="status as the code"),
        pytest.param({"type": "invalid_request_error"}, ModelRequestRejected, 400, id="type"),
        pytest.param({"code": "invalid_prompt"}, ModelRequestRejected, 400, id="prompt"),
        pytest.param({"code": "image_too_large"}, ModelRequestRejected, 400, id="image"),
        pytest.param({"code": "invalid_base64_image"}, ModelRequestRejected, 400, id="image data"),
        pytest.param({"code": "bio_policy"}, ContentRefused, 400, id="policy"),
        pytest.param({"code": "image_content_policy_violation"}, ContentRefused, 400, id="image against the policy"),
        pytest.param({"code": "server_error", "metadata": "eu"}, ModelUnavailable, 500, id="metadata of another form"),
        pytest.param(None, ModelUnavailable, 503, id="nothing"),
    ],
)
def test_an_error_in_a_stream_gets_the_status_that_it_would_have_had(
    body: dict[str, Any] | None, expected: type[ModelError], status: int
) -> None:
    error = model_error(ProviderStreamError(body), ENDPOINT)
    assert type(error) is expected
    assert error.status == status


def test_a_timeout_of_the_sdk_is_no_response_in_time() -> None:
    error = model_error(openai.APITimeoutError(httpx2.Request("POST", ENDPOINT.url)), ENDPOINT)
    assert type(error) is ModelTimedOut
    assert "did not respond in time" in str(error)
