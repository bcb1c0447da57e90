"""Schemas and outputs that are hard to check end their own task, and hold up no other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from pydantic import JsonValue
from temporalio.client import WorkflowFailureError
from temporalio.worker import Worker

from agentkit.interfaces import Model, ModelRequest
from agentkit.schemas.output_checker import OutputCheckProcesses
from agentkit.testing import ScriptedModel
from agentkit.tools import ToolRegistry
from tests.workflows.conftest import TIMEOUT_S, TaskEnvironment
from worker import build_worker


@pytest.fixture
async def checker() -> AsyncIterator[OutputCheckProcesses]:
    async with OutputCheckProcesses(timeout_s=1.5) as checker:
        yield checker


def worker(env: TaskEnvironment, model: Model, checker: OutputCheckProcesses) -> Worker:
    return build_worker(env.client, env.settings, {"scripted": model}, ToolRegistry([]), checker)


@pytest.mark.parametrize(
    ("schema", "bad", "good"),
    [
        pytest.param({"pattern": "^(a+)+$"}, json.dumps("a" * 40 + "!"), '"aaa"', id="nested quantifiers"),
        pytest.param({"multipleOf": 0.5, "maximum": 1}, "1" * 401, "0.5", id="a number of 401 digits"),
        pytest.param({"type": "array", "items": {"$ref": "#"}}, "[" * 300 + "]" * 300, "[[]]", id="deep recursion"),
        pytest.param(
            {"uniqueItems": True, "maxItems": 2},
            json.dumps([{"a": [number]} for number in range(3_000)]),
            "[1]",
            id="many unique objects",
        ),
    ],
)
async def test_an_output_that_is_hard_to_check_gets_feedback_like_any_other(
    env: TaskEnvironment, checker: OutputCheckProcesses, schema: dict[str, JsonValue], bad: str, good: str
) -> None:
    async with worker(env, ScriptedModel([bad, good]), checker):
        result, _ = await env.run("Go", env.agent(output_schema=schema))
    assert (result.output, result.steps) == (json.loads(good), 2)


async def test_a_schema_that_takes_too_long_fails_its_task_and_others_go_on(
    env: TaskEnvironment, checker: OutputCheckProcesses
) -> None:
    endless: dict[str, JsonValue] = {"pattern": r"^(?=x)(x+x+)+y$"}

    async def respond(request: ModelRequest) -> str:
        return json.dumps("x" * 40)

    async with worker(env, ScriptedModel(respond), checker):
        stuck = [await env.start("Go", env.agent(output_schema=endless)) for _ in range(3)]
        result, _ = await asyncio.wait_for(env.run("Go"), TIMEOUT_S)
        assert result.output == json.dumps("x" * 40)
        for handle in stuck:
            with pytest.raises(WorkflowFailureError) as raised:
                await asyncio.wait_for(handle.result(), TIMEOUT_S)
            assert getattr(raised.value.cause, "type", None) == "OutputUncheckable"
            assert "the check took more than 1.5 s" in str(raised.value.cause)
