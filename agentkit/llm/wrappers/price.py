"""What a model's answer cost, by the price lists of ``genai-prices``: its data lie in the package, none are fetched.

The lists are those of the providers themselves: an answer of ``openai:gpt-5-mini`` costs what OpenAI asks for it, also
behind another address. What isn't in a list has no known cost, which is None and never 0: models of one's own
servers, and ``demo``, whose tokens are estimates that nobody bills.
"""

from __future__ import annotations

import genai_prices
from genai_prices.data_snapshot import get_snapshot

from agentkit.interfaces import Emit, Model, ModelRequest, ModelResponse
from agentkit.messages import Usage

__all__ = ["Priced", "cost_usd"]

_LISTS = {"anthropic": "anthropic", "google": "google", "openai": "openai", "openrouter": "openrouter"}
_FREE = ":free"
"""How OpenRouter calls the models that really cost nothing."""


def cost_usd(model: str, usage: Usage) -> float | None:
    """Return US dollars for what ``provider:name`` has used; None: no list tells."""
    provider, _, name = model.partition(":")
    if provider not in _LISTS:
        return None
    cached = min(usage.cached_tokens, usage.input_tokens)
    used = genai_prices.Usage(
        input_tokens=usage.input_tokens,
        cache_read_tokens=cached,
        cache_write_tokens=min(usage.cache_write_tokens, usage.input_tokens - cached),
        output_tokens=usage.output_tokens,
    )
    try:
        price = genai_prices.calc_price(used, name, provider_id=_LISTS[provider]).total_price
    except LookupError:
        return None
    # Some models stand in the lists without a price of their tokens.
    return float(price) if price or usage.tokens == 0 or name.endswith(_FREE) else None


class Priced:
    """A model whose answers say what they cost, as far as the provider doesn't say so itself."""

    def __init__(self, model: Model) -> None:
        self._model = model
        get_snapshot()  # reads the lists, for half a second: now, and not in the middle of an answer

    def __repr__(self) -> str:
        return repr(self._model)

    async def respond(self, request: ModelRequest, emit: Emit | None = None) -> ModelResponse:
        """Ask, and price the answer."""
        response = await self._model.respond(request, emit)
        if response.usage.cost_usd is not None:
            return response
        usage = response.usage.model_copy(update={"cost_usd": cost_usd(request.model, response.usage)})
        return response.model_copy(update={"usage": usage})

    async def aclose(self) -> None:
        """Close the model's connections."""
        await self._model.aclose()
