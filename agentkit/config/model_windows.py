"""The context windows of models: by the price lists in the package ``genai-prices``, and of the local models."""

from __future__ import annotations

from functools import cache

from agentkit.config.local_models import LOCAL_MODELS
from agentkit.config.model_prices import has_price_list, load_price_lists

__all__ = ["model_window"]


@cache
def model_window(model: str) -> int | None:
    """Return the context window of ``provider:name`` in tokens; None if it isn't known."""
    provider, _, name = model.partition(":")
    if provider == "local" and name in LOCAL_MODELS:
        return LOCAL_MODELS[name].context
    return _listed_window(provider, name) if has_price_list(provider) else None


def _listed_window(provider: str, name: str) -> int | None:
    try:
        _, listed = load_price_lists().find_provider_model(name, None, provider, None)
    except LookupError:
        return None
    return listed.context_window
