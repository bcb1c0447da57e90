from __future__ import annotations

from contextlib import aclosing

import pytest

from activities.settings import Settings
from agentkit.config.providers import PROVIDERS, default_model
from agentkit.interfaces import ModelRequest
from agentkit.llm import OpenRouterModel
from agentkit.llm.wrappers.price import Priced, cost_usd
from agentkit.messages import Usage, user_message
from agentkit.testing import ScriptedModel, ScriptedOpenAIServer, ServerResponse

USED = Usage(input_tokens=1_000_000, output_tokens=1_000_000, model_calls=1)


@pytest.mark.parametrize("model", ["openai:gpt-5-mini", "anthropic:claude-sonnet-4-5", "google:gemini-2.5-flash"])
def test_what_is_cached_costs_less_and_what_is_thought_counts_as_output(model: str) -> None:
    whole, cached = cost_usd(model, USED), cost_usd(model, USED.model_copy(update={"cached_tokens": 500_000}))
    assert whole is not None
    assert cached is not None
    assert 0 < cached < whole
    assert cost_usd(model, USED.model_copy(update={"reasoning_tokens": 500_000})) == whole


def test_a_price_is_that_of_the_list() -> None:
    assert cost_usd("openai:gpt-5-mini", Usage(input_tokens=1_000, cached_tokens=500, output_tokens=100)) == 0.0003375


def test_writing_into_a_cache_costs_where_the_provider_charges_for_it() -> None:
    written = cost_usd("anthropic:claude-sonnet-4-5", USED.model_copy(update={"cache_write_tokens": 900_000}))
    plain = cost_usd("anthropic:claude-sonnet-4-5", USED)
    assert written is not None
    assert plain is not None
    assert written > plain


@pytest.mark.parametrize(
    "model",
    ["openai:gpt-99", "openai:llama3", "demo:demo", "openai-compatible:gpt-5-mini", "local:smollm2", "google:gemma-3"],
)
def test_what_no_list_tells_has_no_cost_rather_than_none_at_all(model: str) -> None:
    assert cost_usd(model, USED) is None


def test_what_is_free_costs_nothing() -> None:
    assert cost_usd("openrouter:deepseek/deepseek-r1:free", USED) == 0


def test_counts_that_contradict_each_other_still_have_a_cost() -> None:
    assert cost_usd("openai:gpt-5-mini", Usage(input_tokens=10, cached_tokens=500, cache_write_tokens=9)) is not None


@pytest.mark.parametrize("provider", sorted(set(PROVIDERS) - {"demo", "local", "openai-compatible"}))
def test_the_default_model_of_each_provider_has_a_price(provider: str) -> None:
    assert cost_usd(default_model(Settings(default_provider=provider)), USED) is not None


async def test_an_answer_says_what_it_cost() -> None:
    request = ModelRequest(model="openai:gpt-5-mini", system="", messages=(user_message("Hi"),))
    async with aclosing(Priced(ScriptedModel(["Noon."]))) as model:
        response = await model.respond(request)
    assert response.usage.cost_usd == cost_usd("openai:gpt-5-mini", response.usage)
    assert response.message.text == "Noon."


async def test_what_the_provider_says_itself_stands() -> None:
    request = ModelRequest(model="openrouter:openai/gpt-5-mini", system="", messages=(user_message("Hi"),))
    async with (
        ScriptedOpenAIServer([ServerResponse(text="ok", cost=7.5)]) as server,
        aclosing(Priced(OpenRouterModel(base_url=server.url))) as model,
    ):
        assert (await model.respond(request)).usage.cost_usd == 7.5
