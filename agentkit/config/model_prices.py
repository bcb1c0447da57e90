"""What models cost: by the settings, and by the price lists in the package ``genai-prices``. Nothing is downloaded.

The lists are those of the providers themselves: a response of ``openai:gpt-5-mini`` costs what OpenAI charges, also
behind another address. A model without a price has an unknown cost, which is None and never 0. That includes the models
of self-hosted servers. The models ``demo`` and ``local`` cost nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from agentkit.messages import Usage

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot

__all__ = ["ModelPrice", "cost_usd", "has_price_list", "load_price_lists", "missing_price"]

_LISTED_PROVIDERS = frozenset({"anthropic", "google", "openai", "openrouter"})
"""Our names of these providers are also those of ``genai-prices``."""
_FREE_PROVIDERS = frozenset({"demo", "local"})
_REPORTING_PROVIDERS = frozenset({"openrouter"})
"""Their responses state their cost, so every model has a price."""
_FREE_SUFFIX = ":free"
"""Marks OpenRouter's models that cost nothing."""
_EXAMPLE_PRICE = "{input = 0.5, output = 1.5}"
_ANY_USAGE = Usage(input_tokens=1_000_000, output_tokens=1_000_000)


class ModelPrice(BaseModel):
    """The price of a model in the settings: US dollars for a million tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: float = Field(ge=0, allow_inf_nan=False)
    output: float = Field(ge=0, allow_inf_nan=False)
    cached_input: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Of input tokens that the provider read from its cache; None: as ``input``."""

    def cost_usd(self, usage: Usage) -> float:
        """Return the US dollars for this usage."""
        cached = min(usage.cached_tokens, usage.input_tokens)
        cached_price = self.input if self.cached_input is None else self.cached_input
        dollars = (usage.input_tokens - cached) * self.input + cached * cached_price + usage.output_tokens * self.output
        return dollars / 1_000_000


def cost_usd(model: str, usage: Usage, prices: Mapping[str, ModelPrice]) -> float | None:
    """Return the US dollars that ``provider:name`` charges for this usage; None if its price is unknown.

    ``prices`` are those of the settings, by patterns of models; the first that matches applies, before any list.
    """
    for pattern, price in prices.items():
        if fnmatchcase(model, pattern):
            return price.cost_usd(usage)
    provider, _, name = model.partition(":")
    if provider in _FREE_PROVIDERS:
        return 0.0
    return _list_cost(provider, name, usage) if has_price_list(provider) else None


def missing_price(
    models: Iterable[str], prices: Mapping[str, ModelPrice], *, limit: str = "max_cost_usd"
) -> str | None:
    """Return how to set the price that one of these models lacks, as a sentence for a person; None if all have one.

    ``limit`` names the limit that needs the prices.
    """
    for model in models:
        is_reported = model.partition(":")[0] in _REPORTING_PROVIDERS
        if not is_reported and cost_usd(model, _ANY_USAGE, prices) is None:
            return (
                f"The price of model {model!r} is unknown, so {limit} can't be kept. Leave {limit} out, or "
                "set the price in opspawn.toml, in US dollars for a million tokens: "
                f'[prices] "{model}" = {_EXAMPLE_PRICE}'
            )
    return None


def has_price_list(provider: str) -> bool:
    """Return whether the lists contain models of this provider."""
    return provider in _LISTED_PROVIDERS


def load_price_lists() -> DataSnapshot:
    """Return the lists. The first call takes half a second and 15 MB, and many processes need none."""
    from genai_prices.data_snapshot import get_snapshot

    return get_snapshot()


def _list_cost(provider: str, name: str, usage: Usage) -> float | None:
    import genai_prices  # only now: it takes 15 MB, and most API processes never need a price

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
