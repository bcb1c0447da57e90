from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from agentkit.errors import ConfigurationInvalid, ModelNotAuthorized
from agentkit.interfaces import Model, ModelRequest
from agentkit.llm import build_models
from agentkit.messages import user_message
from agentkit.settings import Settings
from agentkit.testing import Failure, Reply, ScriptedOpenAIServer

KEY = SecretStr("sk-secret-secret")
URL = "http://127.0.0.1:1/v1"


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_COMPATIBLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"OPSPAWN_{name}", raising=False)


@asynccontextmanager
async def _built(settings: Settings) -> AsyncIterator[dict[str, Model]]:
    models = build_models(settings)
    yield models
    for model in models.values():
        await model.aclose()


@pytest.mark.parametrize(
    ("given", "providers"),
    [
        pytest.param({}, [], id="nothing set"),
        pytest.param({"openai_api_key": KEY}, ["openai"], id="a key"),
        pytest.param({"openai_base_url": URL}, ["openai"], id="an address without a key"),
        pytest.param({"openai_compatible_base_url": URL}, ["openai-compatible"], id="compatible"),
    ],
)
async def test_only_what_is_set_up_is_built(given: dict[str, object], providers: Sequence[str]) -> None:
    async with _built(Settings.model_validate(given)) as models:
        assert list(models) == ["demo", "local", *providers]
        assert "secret" not in repr(models)


@pytest.mark.parametrize(
    ("field", "variable"),
    [
        pytest.param("openai_base_url", "OPENAI_BASE_URL", id="openai"),
        pytest.param("openai_compatible_base_url", "OPSPAWN_OPENAI_COMPATIBLE_BASE_URL", id="compatible"),
    ],
)
def test_an_address_that_is_no_url_is_refused_by_name(field: str, variable: str) -> None:
    with pytest.raises(ConfigurationInvalid, match=f"{variable} is 'localhost:11434'"):
        build_models(Settings.model_validate({field: "localhost:11434"}))


async def test_openais_key_is_not_sent_to_other_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-secret")
    request = ModelRequest(model="openai-compatible:llama", system="", messages=(user_message("Hi"),))
    async with (
        ScriptedOpenAIServer([Reply(text="ok")]) as server,
        _built(Settings(openai_compatible_base_url=server.url)) as models,
    ):
        await models["openai-compatible"].respond(request)
        assert server.requests[0].body["model"] == "llama"
        assert "secret" not in str(server.requests[0].headers)


async def test_a_refused_key_names_the_variable_of_its_provider() -> None:
    request = ModelRequest(model="openai-compatible:llama", system="", messages=(user_message("Hi"),))
    async with (
        ScriptedOpenAIServer([Failure(status=401)]) as server,
        _built(Settings(openai_compatible_base_url=server.url)) as models,
    ):
        with pytest.raises(ModelNotAuthorized, match="OPENAI_COMPATIBLE_API_KEY"):
            await models["openai-compatible"].respond(request)
