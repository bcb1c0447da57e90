from __future__ import annotations

from contextlib import aclosing
from typing import Literal

import pytest

from agentkit.interfaces import ModelRequest
from agentkit.llm.openai.model import OpenAIModel
from agentkit.messages import user_message
from agentkit.testing import ScriptedOpenAIServer, ServerResponse

REQUEST = ModelRequest(model="openai:gpt-5-mini", system="", messages=(user_message("Hi"),))


@pytest.mark.parametrize(
    ("api", "field"),
    [
        pytest.param(None, "messages", id="by default"),
        pytest.param("chat", "messages", id="chat"),
        pytest.param("responses", "input", id="responses"),
    ],
)
async def test_another_server_gets_chat_completions_by_default(
    api: Literal["responses", "chat"] | None, field: str
) -> None:
    async with (
        ScriptedOpenAIServer([ServerResponse(text="ok")]) as server,
        aclosing(OpenAIModel(base_url=server.url, api=api)) as model,
    ):
        await model.respond(REQUEST)
        assert field in server.requests[0].body


async def test_without_an_address_it_is_openais_own() -> None:
    async with aclosing(OpenAIModel(api_key="sk-test-key")) as model:
        assert repr(model) == "OpenAIModel(provider='openai', base_url='https://api.openai.com/v1')"
