"""Ask each model one cheap question, and tell key, model, quota and reach apart."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Literal

from agentkit.errors import ModelError, ModelNotAuthorized, ModelRequestRejected, ModelUnavailable
from agentkit.interfaces import Model, ModelRequest
from agentkit.messages import user_message
from agentkit.records import Record
from agentkit.specs import ModelSettings

__all__ = ["ModelCheck", "check_models"]

_WITHIN = 30.0
"""Seconds that an answer may take."""
_ENOUGH_TOKENS = 256
"""Some models think before they say OK, and some providers refuse less."""


class ModelCheck(Record):
    """What came of asking one model."""

    model: str
    """``provider:name``."""
    verdict: Literal["ok", "key", "quota", "model", "unavailable", "unknown"]
    """What is wrong: the key, its quota, the model's name or request, or the way there."""
    words: str = ""
    """The provider's own."""


async def check_models(models: Mapping[str, Model], names: Iterable[str]) -> list[ModelCheck]:
    """Ask each of the models named, all at once; never raise for what a provider answers."""
    return list(await asyncio.gather(*(_check(models, name) for name in dict.fromkeys(names))))


async def _check(models: Mapping[str, Model], name: str) -> ModelCheck:
    model = models.get(name.partition(":")[0])
    if model is None:
        return ModelCheck(model=name, verdict="key", words="no key or address is set")
    request = ModelRequest(
        model=name,
        system="Answer with the word OK.",
        messages=(user_message("say OK"),),
        settings=ModelSettings(max_output_tokens=_ENOUGH_TOKENS),
    )
    try:
        async with asyncio.timeout(_WITHIN):
            await model.respond(request)
    except ModelError as error:
        return ModelCheck(model=name, verdict=_verdict(error), words=str(error))
    except TimeoutError:
        return ModelCheck(model=name, verdict="unavailable", words=f"no answer within {_WITHIN:g} s")
    return ModelCheck(model=name, verdict="ok")


def _verdict(error: ModelError) -> Literal["key", "quota", "model", "unavailable", "unknown"]:
    match error:
        case ModelNotAuthorized():
            return "key"
        case ModelUnavailable(status=429):
            return "quota"
        case ModelUnavailable():
            return "unavailable"
        case ModelRequestRejected() if error.status in (402, 429):
            return "quota"
        case ModelRequestRejected():
            return "model"
        case _:
            return "unknown"
