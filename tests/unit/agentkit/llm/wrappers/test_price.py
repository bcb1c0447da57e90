from __future__ import annotations

from contextlib import aclosing

import pytest

from agentkit.config.model_prices import ModelPrice
from agentkit.interfaces import ModelRequest
from agentkit.llm.openrouter.model import OpenRouterModel
from agentkit.llm.wrappers.price import PricedModel
from agentkit.messages import user_message
from agentkit.testing import ScriptedModel, ScriptedOpenAIServer, ServerResponse

PRICES = {"openai-compatible:*": ModelPrice(input=1, output=2), "openrouter:*": ModelPrice(input=1, output=2)}


def request(model: str) -> ModelRequest:
    return ModelRequest(model=model, system="", messages=(user_message("Hi"),))


@pytest.mark.parametrize(
    ("model", "cost"),
    [
        pytest.param("openai:gpt-5-mini", 0.0000125, id="of the list"),  # $0.25 and $2 a million
        pytest.param("openai-compatible:llama3", 0.00002, id="of the settings"),
        pytest.param("demo:demo", 0.0, id="free"),
        pytest.param("openai:gpt-99", None, id="unknown"),
    ],
)
async def test_a_response_without_a_cost_gets_it_by_the_price_of_its_model(model: str, cost: float | None) -> None:
    async with aclosing(PricedModel(ScriptedModel(["Noon."]), PRICES)) as priced:  # 10 tokens in, 5 out
        response = await priced.respond(request(model))
    assert response.usage.cost_usd == (cost if cost is None else pytest.approx(cost))
    assert response.message.text == "Noon."


async def test_the_cost_that_the_provider_reports_is_kept() -> None:
    async with (
        ScriptedOpenAIServer([ServerResponse(text="ok", cost=7.5)]) as server,
        aclosing(PricedModel(OpenRouterModel(base_url=server.url), PRICES)) as model,
    ):
        assert (await model.respond(request("openrouter:openai/gpt-5-mini"))).usage.cost_usd == 7.5
