from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace

import pytest

from agentkit.errors import ModelNotAuthorized, ModelUnavailable
from agentkit.interfaces import ModelRequest
from agentkit.llm.openai.chat_request import ChatCompletionsApi
from agentkit.llm.openai.compatible_model import OpenAICompatibleModel
from agentkit.messages import user_message
from agentkit.specs import ModelSettings
from agentkit.testing import RawResponse, ScriptedOpenAIServer, ServerFailure, ServerResponse

REQUEST = ModelRequest(model="acme:small", system="", messages=(user_message("Hi"),))
CHAT = ChatCompletionsApi(provider="acme")


def _model(url: str) -> OpenAICompatibleModel:
    return OpenAICompatibleModel(
        CHAT, provider="acme", base_url=url, api_key=None, key_variable="ACME_KEY", headers={"X-Team": "eu"}
    )


async def test_the_headers_of_the_provider_are_sent_with_each_request() -> None:
    async with ScriptedOpenAIServer([ServerResponse(text="ok")] * 2) as server, aclosing(_model(server.url)) as model:
        for _ in range(2):
            await model.respond(REQUEST)
    assert [request.headers["x-team"] for request in server.requests] == ["eu", "eu"]
    assert [request.body["model"] for request in server.requests] == ["small", "small"]


async def test_errors_name_the_provider_and_the_variable_of_its_key() -> None:
    async with ScriptedOpenAIServer([ServerFailure(status=401)]) as server, aclosing(_model(server.url)) as model:
        with pytest.raises(ModelNotAuthorized, match="check ACME_KEY"):
            await model.respond(REQUEST)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        pytest.param('{"choices": [{"message": {"content": "Noon."}, "finish_reason": "stop"}]}', None, id="complete"),
        pytest.param('{"choices": []}', "acme:small sent was no response at all", id="without a choice"),
    ],
)
async def test_a_response_of_type_json_is_read_as_a_complete_one(body: str, error: str | None) -> None:
    entry = RawResponse(body=body, content_type="application/json; charset=utf-8")
    async with ScriptedOpenAIServer([entry]) as server, aclosing(_model(server.url)) as model:
        if error is None:
            assert (await model.respond(REQUEST)).message.text == "Noon."
        else:
            with pytest.raises(ModelUnavailable, match=error):
                await model.respond(REQUEST)


async def test_headers_of_an_agent_replace_those_of_the_provider_whatever_their_case() -> None:
    settings = ModelSettings(extra_headers={"x-team": "us", "AUTHORIZATION": "Basic eA=="})
    async with ScriptedOpenAIServer([ServerResponse(text="ok")] * 2) as server, aclosing(_model(server.url)) as model:
        await model.respond(replace(REQUEST, settings=settings))
        await model.respond(REQUEST)
    sent = [(request.headers["x-team"], request.headers["authorization"]) for request in server.requests]
    assert sent == [("us", "Basic eA=="), ("eu", "Bearer unused")]
