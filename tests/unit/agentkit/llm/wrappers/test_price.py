from __future__ import annotations

from contextlib import aclosing

import pytest

from activities.settings import Settings
from agentkit.config.providers import PROVIDERS, default_model
from agentkit.interfaces import ModelRequest
from agentkit.llm import OpenRouterModel
from agentkit.llm.wrappers.price import PricedModel, cost_usd
from agentkit.messages import Usage, user_message
from agentkit.testing import ScriptedModel, ScriptedOpenAIServer, ServerResponse

USAGE = Usage(input_tokens=1_000_000, output_tokens=1_000_000, model_calls=1)


@pytest.mark.parametrize("model", ["openai:gpt-5-mini", "anthropic:claude-sonnet-4-5", "google:gemini-2.5-flash"])
def test_cached_tokens_cost_less_and_reasoning_tokens_are_not_counted_twice(model: str) -> None:
    full, cached = cost_usd(model, USAGE), cost_usd(model, USAGE.model_copy(update={"cached_tokens": 500_000}))
    assert full is not None
    assert cached is not None
    assert 0 < cached < full
    assert cost_usd(model, USAGE.model_copy(update={"reasoning_tokens": 500_000})) == full


def test_the_cost_follows_the_price_list() -> None:
    assert cost_usd("openai:gpt-5-mini", Usage(input_tokens=1_000, cached_tokens=500, output_tokens=100)) == 0.0003375


def test_cache_writes_cost_more_where_the_provider_charges_for_them() -> None:
    with_writes = cost_usd("anthropic:claude-sonnet-4-5", USAGE.model_copy(update={"cache_write_tokens": 900_000}))
    without = cost_usd("anthropic:claude-sonnet-4-5", USAGE)
    assert with_writes is not None
    assert without is not None
    assert with_writes > without


@pytest.mark.parametrize(
    "model",
    ["openai:gpt-99", "openai:llama3", "demo:demo", "openai-compatible:gpt-5-mini", "local:smollm2", "google:gemma-3"],
)
def test_a_model_without_a_price_has_an_unknown_cost_and_not_zero(model: str) -> None:
    assert cost_usd(model, USAGE) is None


def test_a_free_model_costs_nothing() -> None:
    assert cost_usd("openrouter:deepseek/deepseek-r1:free", USAGE) == 0


def test_counts_that_contradict_each_other_still_have_a_cost() -> None:
    assert cost_usd("openai:gpt-5-mini", Usage(input_tokens=10, cached_tokens=500, cache_write_tokens=9)) is not None


@pytest.mark.parametrize("provider", sorted(set(PROVIDERS) - {"demo", "local", "openai-compatible"}))
def test_the_default_model_of_each_provider_has_a_price(provider: str) -> None:
    assert cost_usd(default_model(Settings(default_provider=provider)), USAGE) is not None


async def test_a_response_without_a_cost_gets_that_of_the_list() -> None:
    request = ModelRequest(model="openai:gpt-5-mini", system="", messages=(user_message("Hi"),))
    async with aclosing(PricedModel(ScriptedModel(["Noon."]))) as model:
        response = await model.respond(request)
    assert response.usage.cost_usd == pytest.approx(0.0000125)  # 10 tokens in and 5 out, at $0.25 and $2 a million
    assert response.message.text == "Noon."


async def test_the_cost_that_the_provider_reports_is_kept() -> None:
    request = ModelRequest(model="openrouter:openai/gpt-5-mini", system="", messages=(user_message("Hi"),))
    async with (
        ScriptedOpenAIServer([ServerResponse(text="ok", cost=7.5)]) as server,
        aclosing(PricedModel(OpenRouterModel(base_url=server.url))) as model,
    ):
        assert (await model.respond(request)).usage.cost_usd == 7.5
