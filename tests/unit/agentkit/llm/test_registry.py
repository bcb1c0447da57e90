from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import pytest
from pydantic import SecretStr

from activities.settings import Settings
from activities.worker.model_waits import model_waits
from agentkit.errors import ConfigurationInvalid, ModelNotAuthorized, ModelUnavailable
from agentkit.interfaces import Model, ModelRequest
from agentkit.llm import build_models
from agentkit.messages import user_message
from agentkit.runtime.model_request import request_model
from agentkit.schemas.output_check import InlineOutputChecker
from agentkit.specs import AgentSpec
from agentkit.testing import ScriptedOpenAIServer, ServerFailure, ServerResponse
from tests.polling import eventually

KEY = SecretStr("sk-secret-secret")
URL = "http://127.0.0.1:1/v1"
KEYED_PROVIDERS = ("openai", "anthropic", "google", "openrouter", "openai_compatible")


@pytest.fixture(autouse=True)
def _without_provider_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_COMPATIBLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"OPSPAWN_{name}", raising=False)


@asynccontextmanager
async def _models(settings: Settings) -> AsyncIterator[dict[str, Model]]:
    models = build_models(settings)
    yield models
    for model in models.values():
        await model.aclose()


def _request(model: str) -> ModelRequest:
    return ModelRequest(model=model, system="", messages=(user_message("Hi"),))


@pytest.mark.parametrize(
    ("settings", "providers"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param({"openai_api_key": KEY}, ["openai"], id="a key"),
        pytest.param({"openai_base_url": URL}, ["openai"], id="an address without a key"),
        pytest.param({"openai_compatible_base_url": URL}, ["openai-compatible"], id="compatible"),
        pytest.param({"anthropic_api_key": KEY}, ["anthropic"], id="anthropic"),
        pytest.param({"google_api_key": KEY}, ["google"], id="google"),
        pytest.param({"openrouter_api_key": KEY}, ["openrouter"], id="openrouter"),
    ],
)
async def test_only_configured_providers_are_built(settings: dict[str, object], providers: Sequence[str]) -> None:
    async with _models(Settings.model_validate(settings)) as models:
        assert list(models) == ["demo", "local", *providers]
        assert "secret" not in repr(models)


@pytest.mark.parametrize(
    ("field", "variable"),
    [
        pytest.param("openai_base_url", "OPENAI_BASE_URL", id="openai"),
        pytest.param("openai_compatible_base_url", "OPSPAWN_OPENAI_COMPATIBLE_BASE_URL", id="compatible"),
        pytest.param("anthropic_base_url", "ANTHROPIC_BASE_URL", id="anthropic"),
        pytest.param("google_base_url", "OPSPAWN_GOOGLE_BASE_URL", id="google"),
        pytest.param("openrouter_base_url", "OPSPAWN_OPENROUTER_BASE_URL", id="openrouter"),
    ],
)
def test_an_address_that_is_no_url_is_refused_with_its_variable(field: str, variable: str) -> None:
    with pytest.raises(ConfigurationInvalid, match=f"{variable} is 'localhost:11434'"):
        build_models(Settings.model_validate({field: "localhost:11434"}))


@pytest.mark.parametrize("provider", KEYED_PROVIDERS)
@pytest.mark.parametrize("key", ["sk-sécret", "sk-secret\nx: y"], ids=["letter", "line"])
def test_a_key_that_no_header_can_contain_is_refused_with_its_variable_and_not_quoted(provider: str, key: str) -> None:
    settings = {f"{provider}_api_key": SecretStr(key), f"{provider}_base_url": URL}
    with pytest.raises(ConfigurationInvalid, match=f"^{provider.upper()}_API_KEY has characters") as raised:
        build_models(Settings.model_validate(settings))
    assert "cret" not in str(raised.value)


async def test_the_line_end_of_a_key_from_a_file_is_not_sent() -> None:
    async with (
        ScriptedOpenAIServer([ServerResponse(text="OK")]) as server,
        _models(Settings(openai_api_key=SecretStr(" sk-secret-secret\n"), openai_base_url=server.url)) as models,
    ):
        await models["openai"].respond(_request("openai:m"))
    assert server.requests[0].headers["authorization"] == "Bearer sk-secret-secret"


async def test_openais_key_is_not_sent_to_other_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-secret")
    async with (
        ScriptedOpenAIServer([ServerResponse(text="ok")]) as server,
        _models(Settings(openai_compatible_base_url=server.url)) as models,
    ):
        await models["openai-compatible"].respond(_request("openai-compatible:llama"))
        assert server.requests[0].body["model"] == "llama"
        assert "secret" not in str(server.requests[0].headers)


async def test_a_refused_key_names_the_variable_of_its_provider() -> None:
    async with (
        ScriptedOpenAIServer([ServerFailure(status=401)]) as server,
        _models(Settings(openai_compatible_base_url=server.url)) as models,
    ):
        with pytest.raises(ModelNotAuthorized, match="OPENAI_COMPATIBLE_API_KEY"):
            await models["openai-compatible"].respond(_request("openai-compatible:llama"))


@pytest.mark.parametrize(("api", "field"), [("chat", "messages"), ("responses", "input"), (None, "messages")])
async def test_the_api_of_another_server_can_be_set(api: str | None, field: str) -> None:
    async with ScriptedOpenAIServer([ServerResponse(text="ok")]) as server:
        settings = Settings.model_validate({"openai_base_url": server.url, "openai_api": api})
        async with _models(settings) as models:
            await models["openai"].respond(_request("openai:gpt-5-mini"))
        assert field in server.requests[0].body


@pytest.mark.parametrize(
    ("provider", "name", "has_cost"),
    [
        pytest.param("openai", "gpt-5-mini", True, id="listed"),
        pytest.param("openai", "llama3", False, id="not listed"),
        pytest.param("openrouter", "openai/gpt-5-mini", True, id="openrouter"),
        pytest.param("openai-compatible", "gpt-5-mini", False, id="self-hosted"),
    ],
)
async def test_a_response_has_a_cost_if_the_provider_has_a_price_list(provider: str, name: str, has_cost: bool) -> None:
    async with ScriptedOpenAIServer([ServerResponse(text="ok")]) as server:
        settings = Settings.model_validate({f"{provider.replace('-', '_')}_base_url": server.url})
        async with _models(settings) as models:
            response = await models[provider].respond(_request(f"{provider}:{name}"))
    assert (response.usage.cost_usd is not None) == has_cost


async def test_requests_to_one_provider_wait_for_each_other_by_the_concurrency_of_the_settings() -> None:
    async with ScriptedOpenAIServer([ServerResponse(fault="stall"), ServerResponse(text="ok")]) as server:
        settings = Settings(openai_base_url=server.url, model_concurrency=1)
        async with _models(settings) as models, asyncio.timeout(20):
            first = asyncio.create_task(models["openai"].respond(_request("openai:m")))
            await server.wait_for_requests()
            second = asyncio.create_task(models["openai"].respond(_request("openai:m")))
            await asyncio.wait({second}, timeout=0.05)
            assert server.request_count == 1
            first.cancel()
            assert (await second).message.text == "ok"


async def test_providers_do_not_wait_for_each_other() -> None:
    async with ScriptedOpenAIServer([ServerResponse(fault="stall"), ServerResponse(text="ok")]) as server:
        settings = Settings(openai_base_url=server.url, openai_compatible_base_url=server.url, model_concurrency=1)
        async with _models(settings) as models, asyncio.timeout(20):
            first = asyncio.create_task(models["openai"].respond(_request("openai:m")))
            await server.wait_for_requests()
            response = await models["openai-compatible"].respond(_request("openai-compatible:m"))
            assert response.message.text == "ok"
            first.cancel()


REFUSAL = ServerFailure(status=429, headers={"retry-after": "100"})


async def test_two_keys_of_one_provider_have_waits_of_their_own() -> None:
    async with ScriptedOpenAIServer([REFUSAL, ServerResponse(text="ok")]) as server:
        keyed = [Settings(openai_base_url=server.url, openai_api_key=SecretStr(f"sk-secret-{n}")) for n in (1, 2)]
        async with _models(keyed[0]) as first, _models(keyed[1]) as second, asyncio.timeout(20):
            with pytest.raises(ModelUnavailable):
                await first["openai"].respond(_request("openai:m"))
            response = await second["openai"].respond(_request("openai:m"))
            assert response.message.text == "ok"
            waits = model_waits(first)
            assert model_waits(second) == []
    assert [(wait.model, wait.key) for wait in waits] == [("openai:m", "OPENAI_API_KEY")]
    assert 50 < waits[0].seconds <= 100
    assert "secret" not in repr(waits)


async def test_a_model_of_two_agents_has_one_wait() -> None:
    first, second = (AgentSpec(name=name, models=("openai:m",), planner="tools") for name in ("first", "second"))
    async with (
        ScriptedOpenAIServer([REFUSAL, ServerResponse(text="ok")]) as server,
        _models(Settings(openai_base_url=server.url)) as models,
        asyncio.timeout(20),
    ):
        request = partial(
            request_model,
            models["openai"],
            messages=[user_message("Hi")],
            checker=InlineOutputChecker(),
            name="openai:m",
            step=1,
        )
        with pytest.raises(ModelUnavailable):
            await request(first)
        waiting = asyncio.create_task(request(second))
        await eventually(lambda: [wait.requests for wait in model_waits(models)] == [1])
        assert server.request_count == 1
        waiting.cancel()
        await asyncio.wait({waiting})
