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
        pytest.param(ModelRequestRejected("pay first", status=402), "quota", id="unpaid"),
        pytest.param(ModelUnavailable("slow down", status=429), "quota", id="rate limit"),
        pytest.param(ModelUnavailable("connection refused"), "unavailable", id="connection"),
        pytest.param(ContentRefused("no"), "unknown", id="other"),
    ],
)
async def test_the_verdict_names_the_part_that_failed(error: ModelError, verdict: str) -> None:
    (check,) = await check_models({"scripted": ScriptedModel([error])}, ["scripted:m"])
    assert (check.verdict, check.message) == (verdict, str(error))


async def test_each_model_is_requested_once_with_a_small_output_limit() -> None:
    model = ScriptedModel(["OK", "OK"])
    checks = await check_models({"scripted": model}, ["scripted:a", "scripted:b", "scripted:a", "other:c"])
    assert checks[:2] == [ModelCheck(model="scripted:a", verdict="ok"), ModelCheck(model="scripted:b", verdict="ok")]
    assert (checks[2].model, checks[2].verdict) == ("other:c", "key")
    assert sorted(request.model for request in model.requests) == ["scripted:a", "scripted:b"]
    limits = [request.settings.max_output_tokens for request in model.requests]
    assert all(limit is not None and limit <= 256 for limit in limits)
