"""The cost of a model's response, from the price lists in the package ``genai-prices``; nothing is downloaded.

The lists are those of the providers themselves: a response of ``openai:gpt-5-mini`` costs what OpenAI charges, also
behind another address. A model that no list contains has an unknown cost, which is None and never 0. That includes the
models of self-hosted servers, and ``demo``, whose tokens are estimates.
"""

from __future__ import annotations

import genai_prices
from genai_prices.data_snapshot import get_snapshot

from agentkit.interfaces import Emit, Model, ModelRequest, ModelResponse
from agentkit.messages import Usage

__all__ = ["PricedModel", "cost_usd"]

_PRICED_PROVIDERS = {"anthropic", "google", "openai", "openrouter"}
"""Our names of these providers are also those of ``genai-prices``."""
_FREE_SUFFIX = ":free"
"""Marks OpenRouter's models that cost nothing."""


def cost_usd(model: str, usage: Usage) -> float | None:
    """Return the US dollars that ``provider:name`` charges for this usage; None if no list contains the model."""
    provider, _, name = model.partition(":")
    if provider not in _PRICED_PROVIDERS:
        return None
    cached = min(usage.cached_tokens, usage.input_tokens)
    billed = genai_prices.Usage(
        input_tokens=usage.input_tokens,
        cache_read_tokens=cached,
        cache_write_tokens=min(usage.cache_write_tokens, usage.input_tokens - cached),
        output_tokens=usage.output_tokens,
    )
    try:
        price = genai_prices.calc_price(billed, name, provider_id=provider).total_price
    except LookupError:
        return None
    # Some models are listed without a price for their tokens: their total is 0, and their cost unknown.
    return float(price) if price or usage.tokens == 0 or name.endswith(_FREE_SUFFIX) else None


class PricedModel:
    """A model that adds the cost to each response whose provider doesn't report it."""

    def __init__(self, model: Model) -> None:
        self._model = model
        get_snapshot()  # loads the lists: half a second that would otherwise delay the first response

    def __repr__(self) -> str:
        return repr(self._model)

    async def respond(self, request: ModelRequest, emit: Emit | None = None) -> ModelResponse:
        """Return the model's response with its cost."""
        response = await self._model.respond(request, emit)
        if response.usage.cost_usd is not None:
            return response
        usage = response.usage.model_copy(update={"cost_usd": cost_usd(request.model, response.usage)})
        return response.model_copy(update={"usage": usage})

    async def aclose(self) -> None:
        """Close the model's connections."""
        await self._model.aclose()
