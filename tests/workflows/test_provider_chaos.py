"""Providers that fail at random, in every way that passes: all tasks end right, on every API."""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from agentkit.llm import build_models
from agentkit.schemas.output_check import InlineOutputChecker
from agentkit.testing import (
    RawResponse,
    ReceivedRequest,
    ScriptedAnthropicServer,
    ScriptedGeminiServer,
    ScriptedOpenAIServer,
    ServerFailure,
    ServerResponse,
    ServerScriptEntry,
    ServerToolCall,
)
from agentkit.tools import ToolRegistry, tool
from tests.workflows.conftest import TIMEOUT_S
from worker import build_worker

if TYPE_CHECKING:
    from activities.settings import Settings
    from tests.workflows.conftest import TaskEnvironment

MODELS = (
    "openai-compatible:m",
    "openai:gpt-5-mini",
    "anthropic:claude-sonnet-5-5",
    "google:gemini-3.8-flash",
    "openrouter:openai/gpt-5-mini",
)
TASKS_OF_EACH = 5
MAX_FAILURES = 2
"""Of one request, so that the waits between attempts stay short."""
HALF = "This is not all of it. " * 20
FAILURES: tuple[ServerScriptEntry, ...] = (
    ServerFailure(status=429, headers={"retry-after": "1"}),
    ServerFailure(status=429, headers={"retry-after": "1000000000"}),
    ServerFailure(status=500),
    ServerFailure(status=503),
    RawResponse(body="<html>Bad gateway</html>", status=502),
    RawResponse(body="", status=504),
    ServerResponse(text=HALF, fault="cut", fault_after=1),
    ServerResponse(text=HALF, fault="drop", fault_after=1),
    ServerResponse(text=HALF, fault="error", fault_after=1),
    ServerResponse(text=HALF, fault="garbage", fault_after=1),
)


@tool(effect="pure")
def double(number: int) -> int:
    return 2 * number


class FailingProvider:
    """A script that fails at random, and otherwise calls a tool, then ends with the task's number."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.failures: Counter[tuple[str, int]] = Counter()
        """By task and step."""

    def __call__(self, request: ReceivedRequest) -> ServerScriptEntry:
        (number,) = set(re.findall(r"task number (\d+)", json.dumps(request.body)))
        key = (number, request.step)
        if self.failures[key] < MAX_FAILURES and self._random.random() < 0.4:
            self.failures[key] += 1
            return self._random.choice(FAILURES)
        if request.step == 0:
            return ServerResponse(calls=(ServerToolCall(name="double", arguments={"number": int(number)}),))
        return ServerResponse(text=f"done {number}")


@pytest.fixture
async def servers() -> AsyncIterator[tuple[FailingProvider, dict[str, str]]]:
    """Servers of all APIs with one script; yields it, and the settings that name their addresses."""
    seed = random.randrange(10**6)
    sys.stdout.write(f"seed {seed}\n")  # pytest shows it when the test fails
    script = FailingProvider(seed)
    async with AsyncExitStack() as stack:
        openai = await stack.enter_async_context(ScriptedOpenAIServer(script))
        anthropic = await stack.enter_async_context(ScriptedAnthropicServer(script))
        google = await stack.enter_async_context(ScriptedGeminiServer(script))
        yield (
            script,
            {
                **dict.fromkeys(("openai_base_url", "openai_compatible_base_url", "openrouter_base_url"), openai.url),
                "anthropic_base_url": anthropic.url,
                "google_base_url": google.url,
            },
        )


def with_servers(settings: Settings, addresses: dict[str, str]) -> Settings:
    keys = ("openai_api_key", "openrouter_api_key", "anthropic_api_key", "google_api_key")
    secret = SecretStr("sk-test-0123456789")
    update = {**dict.fromkeys(keys, secret), **addresses, "openai_api": "responses", "model_max_wait": 1.0}
    return settings.model_copy(update=update)


async def test_tasks_end_right_while_providers_fail_at_random(
    env: TaskEnvironment, servers: tuple[FailingProvider, dict[str, str]]
) -> None:
    script, addresses = servers
    settings = with_servers(env.settings, addresses)
    models = build_models(settings)
    try:
        async with build_worker(env.client, settings, models, ToolRegistry([double]), InlineOutputChecker()):
            handles = [
                await env.start(f"This is task number {number}.", env.agent(double, models=(model,)))
                for number, model in enumerate(MODELS * TASKS_OF_EACH)
            ]
            results = await asyncio.wait_for(asyncio.gather(*map(env.result, handles)), 2 * TIMEOUT_S)
    finally:
        await asyncio.gather(*(model.aclose() for model in models.values()))
    assert [result.output for result in results] == [f"done {number}" for number in range(len(handles))]
    assert {result.steps for result in results} == {2}
    assert script.failures.total() > 0
