from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from agentkit.config.agent_settings import AgentSettings
from agentkit.config.model_prices import ModelPrice, cost_usd, missing_price
from agentkit.config.providers import PROVIDERS, default_model
from agentkit.messages import Usage

USAGE = Usage(input_tokens=1_000_000, output_tokens=1_000_000, model_calls=1)
OLLAMA = ModelPrice(input=0.5, output=2)


@pytest.mark.parametrize("model", ["openai:gpt-5-mini", "anthropic:claude-sonnet-4-5", "google:gemini-2.5-flash"])
def test_cached_tokens_cost_less_and_reasoning_tokens_are_not_counted_twice(model: str) -> None:
    full, cached = cost_usd(model, USAGE, {}), cost_usd(model, USAGE.model_copy(update={"cached_tokens": 500_000}), {})
    assert full is not None
    assert cached is not None
    assert 0 < cached < full
    assert cost_usd(model, USAGE.model_copy(update={"reasoning_tokens": 500_000}), {}) == full


def test_the_cost_follows_the_price_list() -> None:
    assert (
        cost_usd("openai:gpt-5-mini", Usage(input_tokens=1_000, cached_tokens=500, output_tokens=100), {}) == 0.0003375
    )


def test_cache_writes_cost_more_where_the_provider_charges_for_them() -> None:
    with_writes = cost_usd("anthropic:claude-sonnet-4-5", USAGE.model_copy(update={"cache_write_tokens": 900_000}), {})
    without = cost_usd("anthropic:claude-sonnet-4-5", USAGE, {})
    assert with_writes is not None
    assert without is not None
    assert with_writes > without


@pytest.mark.parametrize(
    "model",
    ["openai:gpt-99", "openai:llama3", "openai-compatible:gpt-5-mini", "google:gemma-3"],
)
def test_a_model_without_a_price_has_an_unknown_cost_and_not_zero(model: str) -> None:
    assert cost_usd(model, USAGE, {}) is None


@pytest.mark.parametrize("model", ["openrouter:deepseek/deepseek-r1:free", "demo:demo", "local:smollm2"])
def test_a_free_model_costs_nothing(model: str) -> None:
    assert cost_usd(model, USAGE, {}) == 0


def test_counts_that_contradict_each_other_still_have_a_cost() -> None:
    assert (
        cost_usd("openai:gpt-5-mini", Usage(input_tokens=10, cached_tokens=500, cache_write_tokens=9), {}) is not None
    )


@pytest.mark.parametrize("provider", sorted(set(PROVIDERS) - {"demo", "local", "openai-compatible"}))
def test_the_default_model_of_each_provider_has_a_price(provider: str) -> None:
    assert cost_usd(default_model(AgentSettings(default_provider=provider)), USAGE, {}) is not None


@pytest.mark.parametrize(
    ("usage", "dollars"),
    [
        pytest.param(USAGE, 2.5, id="input and output"),
        pytest.param(USAGE.model_copy(update={"reasoning_tokens": 500_000}), 2.5, id="reasoning is part of the output"),
        pytest.param(USAGE.model_copy(update={"cached_tokens": 1_000_000}), 2.5, id="cached"),
        pytest.param(Usage(), 0, id="nothing"),
    ],
)
def test_a_price_of_the_settings_is_for_a_million_tokens(usage: Usage, dollars: float) -> None:
    assert cost_usd("openai-compatible:llama3", usage, {"openai-compatible:llama3": OLLAMA}) == dollars


def test_cached_input_may_have_a_price_of_its_own() -> None:
    price = ModelPrice(input=1, output=0, cached_input=0.1)
    usage = Usage(input_tokens=1_000_000, cached_tokens=500_000)
    assert cost_usd("a:b", usage, {"a:b": price}) == pytest.approx(0.55)
    assert cost_usd("a:b", usage.model_copy(update={"cached_tokens": 9_000_000}), {"a:b": price}) == pytest.approx(0.1)


def test_the_first_pattern_that_matches_applies_before_any_list() -> None:
    prices = {
        "openai:gpt-5*": ModelPrice(input=7, output=0),
        "*": ModelPrice(input=1, output=0),
        "demo:demo": ModelPrice(input=3, output=0),
    }
    costs = [cost_usd(model, USAGE, prices) for model in ("openai:gpt-5-mini", "openai-compatible:x", "demo:demo")]
    assert costs == [7, 1, 1]


@pytest.mark.parametrize(
    "price",
    [{"input": 1}, {"input": -1, "output": 1}, {"input": float("inf"), "output": 1}, {"input": 1, "output": 1, "x": 1}],
)
def test_a_price_needs_both_numbers_and_nothing_else(price: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        ModelPrice.model_validate(price)


@pytest.mark.parametrize(
    "models",
    [["openai:gpt-5-mini", "demo:demo", "local:smollm2"], ["openrouter:any/model"], ["openai-compatible:llama3"], []],
    ids=["listed and free", "reported", "set", "none"],
)
def test_no_price_is_missing_where_it_is_listed_set_reported_or_zero(models: list[str]) -> None:
    assert missing_price(models, {"openai-compatible:*": OLLAMA}) is None


def test_the_missing_price_names_the_model_and_the_line_to_write() -> None:
    message = missing_price(["openai:gpt-5-mini", "openai-compatible:llama3"], {})
    assert message is not None
    assert "The price of model 'openai-compatible:llama3' is unknown" in message
    assert '[prices] "openai-compatible:llama3" = {input = 0.5, output = 1.5}' in message
    assert "Leave max_cost_usd out" in message


def test_price_lists_are_loaded_only_when_a_listed_model_is_looked_up() -> None:
    script = (
        "import sys; from agentkit.config.model_prices import missing_price; "
        "missing_price(['demo:demo', 'openrouter:a/b', 'openai-compatible:x'], {}); "
        "print('genai_prices' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout == "False\n"
