"""A checkup tells what is wrong with a model apart."""

from __future__ import annotations

import pytest

from agentkit.errors import ContentRefused, ModelError, ModelNotAuthorized, ModelRequestRejected, ModelUnavailable
from agentkit.runtime.model_check import ModelCheck, check_models
from agentkit.testing import ScriptedModel


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        pytest.param(ModelNotAuthorized("wrong key", status=401), "key", id="key"),
        pytest.param(ModelRequestRejected("no such model", status=404), "model", id="model"),
        pytest.param(ModelRequestRejected("pay first", status=429), "quota", id="quota"),
        pytest.param(ModelRequestRejected("pay first", status=402), "quota", id="bill"),
        pytest.param(ModelUnavailable("slow down", status=429), "quota", id="rate"),
        pytest.param(ModelUnavailable("connection refused"), "unavailable", id="reach"),
        pytest.param(ContentRefused("no"), "unknown", id="other"),
    ],
)
async def test_what_is_wrong_is_told_apart(error: ModelError, verdict: str) -> None:
    (check,) = await check_models({"scripted": ScriptedModel([error])}, ["scripted:m"])
    assert (check.verdict, check.words) == (verdict, str(error))


async def test_each_model_is_asked_once_and_cheaply() -> None:
    model = ScriptedModel(["OK", "OK"])
    checks = await check_models({"scripted": model}, ["scripted:a", "scripted:b", "scripted:a", "other:c"])
    assert checks[:2] == [ModelCheck(model="scripted:a", verdict="ok"), ModelCheck(model="scripted:b", verdict="ok")]
    assert (checks[2].model, checks[2].verdict) == ("other:c", "key")
    assert sorted(request.model for request in model.requests) == ["scripted:a", "scripted:b"]
    assert all(request.settings.max_output_tokens for request in model.requests)
