"""Check models with one small request each: is the key, the quota, the model or the connection at fault?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Literal, TextIO

from agentkit.errors import ModelError, ModelNotAuthorized, ModelRequestRejected, ModelUnavailable
from agentkit.interfaces import Model, ModelRequest
from agentkit.messages import user_message
from agentkit.records import Record
from agentkit.specs import ModelSettings

__all__ = ["ModelCheck", "check_models", "write_model_checks"]

_TIMEOUT_S = 30.0
_MAX_OUTPUT_TOKENS = 256
"""Some models reason before they respond, and some providers refuse a smaller limit."""


class ModelCheck(Record):
    """The outcome of one check."""

    model: str
    """``provider:name``."""
    verdict: Literal["ok", "key", "quota", "model", "unavailable", "unknown"]
    """Which part failed: the key, its quota, the model's name or request, or the connection; ``ok``: none."""
    message: str = ""
    """The provider's own error message."""


async def check_models(models: Mapping[str, Model], names: Iterable[str]) -> list[ModelCheck]:
    """Check the named models, all at once. A provider's error is a verdict, never an exception."""
    return list(await asyncio.gather(*(_check(models, name) for name in dict.fromkeys(names))))


async def write_model_checks(models: Mapping[str, Model], names: Iterable[str], output: TextIO) -> None:
    """Check the named models, write one line of JSON for each, and close the models."""
    for check in await check_models(models, names):
        output.write(check.model_dump_json() + "\n")
    await asyncio.gather(*(model.aclose() for model in models.values()))


async def _check(models: Mapping[str, Model], name: str) -> ModelCheck:
    model = models.get(name.partition(":")[0])
    if model is None:
        return ModelCheck(model=name, verdict="key", message="no key or address is set")
    request = ModelRequest(
        model=name,
        system="Respond with the word OK.",
        messages=(user_message("say OK"),),
        settings=ModelSettings(max_output_tokens=_MAX_OUTPUT_TOKENS),
    )
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            await model.respond(request)
    except ModelError as error:
        return ModelCheck(model=name, verdict=_verdict(error), message=str(error))
    except TimeoutError:
        return ModelCheck(model=name, verdict="unavailable", message=f"no response within {_TIMEOUT_S:g} s")
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
