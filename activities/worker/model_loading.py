"""Import the SDKs of models once a worker polls, so that neither its start nor the first request waits for them."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from agentkit.interfaces import LoadableModel, Model

__all__ = ["load_models"]

logger = logging.getLogger("opspawn.worker")


async def load_models(models: Mapping[str, Model]) -> None:
    """Load the models one after another. What fails is logged, and fails again at the provider's first request."""
    for provider, model in models.items():
        if isinstance(model, LoadableModel):
            try:
                await model.load()
            except Exception:
                logger.exception("The models of %s can't be loaded", provider)
