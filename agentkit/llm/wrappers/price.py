"""A model that adds the cost to its responses."""

from __future__ import annotations

from collections.abc import Mapping

from agentkit.config.model_prices import ModelPrice, cost_usd
from agentkit.interfaces import Emit, Model, ModelRequest, ModelResponse

__all__ = ["PricedModel"]


class PricedModel:
    """A model that adds the cost to each response whose provider doesn't report it."""

    def __init__(self, model: Model, prices: Mapping[str, ModelPrice]) -> None:
        """Wrap a model; ``prices`` are those of the settings."""
        self._model = model
        self._prices = prices

    def __repr__(self) -> str:
        return repr(self._model)

    async def respond(self, request: ModelRequest, emit: Emit | None = None) -> ModelResponse:
        """Return the model's response with its cost."""
        response = await self._model.respond(request, emit)
        if response.usage.cost_usd is not None:
            return response
        cost = cost_usd(request.model, response.usage, self._prices)
        usage = response.usage.model_copy(update={"cost_usd": cost})
        return response.model_copy(update={"usage": usage})

    async def aclose(self) -> None:
        """Close the model's connections."""
        await self._model.aclose()
