"""Deadlines, backoff and waits, on a server that skips the waiting."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from temporalio.client import WorkflowExecutionStatus
from temporalio.testing import WorkflowEnvironment

from activities.retry_policies import model_policy
from agentkit.errors import ModelUnavailable, ToolUnavailable
from agentkit.interfaces import ModelRequest, ToolContext
from agentkit.messages import ToolCall
from agentkit.testing import ScriptedModel, ScriptedResponse
from agentkit.tools import tool
from workflows.search_attributes import STATUS

if TYPE_CHECKING:
    from tests.workflows.conftest import Stage

CALL = ToolCall(id="c", name="reach")


class Unavailable:
    """A model that fails so many times; it notes when it was asked."""

    def __init__(self, environment: WorkflowEnvironment, failures: int, retry_after: float | None) -> None:
        self._environment, self._failures, self._retry_after = environment, failures, retry_after
        self._asked: list[datetime] = []
        self.model = ScriptedModel(self._script)

    @property
    def waits(self) -> list[int]:
        """Whole seconds from each attempt to the next."""
        return [
            round((later - earlier).total_seconds())
            for earlier, later in zip(self._asked, self._asked[1:], strict=False)
        ]

    async def _script(self, _: ModelRequest) -> ScriptedResponse:
        self._asked.append(await self._environment.get_current_time())
        if len(self._asked) > self._failures:
            return "done"
        return ModelUnavailable(f"overloaded {len(self._asked)}", status=529, retry_after=self._retry_after)


@pytest.mark.parametrize(
    ("retry_after", "waits"),
    [
        pytest.param(None, [1, 2, 4, 8, 16, 30, 30], id="backoff"),
        pytest.param(90.0, [90] * 7, id="as the provider asks"),
        pytest.param(86_400.0, [600] * 7, id="but ten minutes at most"),
    ],
)
async def test_an_unavailable_model_is_asked_again_after_a_while(
    skipping: tuple[Stage, WorkflowEnvironment], retry_after: float | None, waits: list[int]
) -> None:
    stage, environment = skipping
    unavailable = Unavailable(environment, failures=7, retry_after=retry_after)
    async with stage.worker(unavailable.model):
        result, _ = await stage.run("Go.")
    assert result.output == "done"
    assert unavailable.waits == waits


async def test_a_model_that_stays_unavailable_fails_the_task_with_the_providers_last_words(
    skipping: tuple[Stage, WorkflowEnvironment],
) -> None:
    stage, environment = skipping
    unavailable = Unavailable(environment, failures=100, retry_after=None)
    async with stage.worker(unavailable.model):
        error, failure = await stage.failure(await stage.start("Go."))
    attempts = model_policy(fallback=False).retry.maximum_attempts
    assert len(unavailable.model.requests) == attempts
    assert (error.type, failure.message, failure.step) == ("ModelUnavailable", f"overloaded {attempts}", 1)


async def test_a_task_that_is_past_its_deadline_has_timed_out(skipping: tuple[Stage, WorkflowEnvironment]) -> None:
    stage, environment = skipping
    unavailable = Unavailable(environment, failures=100, retry_after=600)
    async with stage.worker(unavailable.model):
        handle = await stage.start("Go.", stage.agent(limits={"deadline": "25m"}))
        error, failure = await stage.failure(handle)
    assert error.type == "DeadlineExceeded"
    assert failure.message == "deadline is 1500 s, and the task has run for as long"
    assert unavailable.waits == [600, 600]
    described = await handle.describe()
    assert described.status == WorkflowExecutionStatus.FAILED
    assert described.typed_search_attributes.get(STATUS) == "timed_out"
    assert described.close_time is not None
    assert described.close_time - described.start_time < timedelta(seconds=1510)


async def test_a_tool_that_stays_unavailable_is_told_to_the_model(skipping: tuple[Stage, WorkflowEnvironment]) -> None:
    stage, _ = skipping
    attempts: list[int] = []

    @tool(effect="idempotent")
    def reach(context: ToolContext) -> str:
        attempts.append(context.attempt)
        raise ToolUnavailable("The station is away. Try another.")

    async with stage.worker(ScriptedModel([CALL, "gave up"]), reach):
        result, handle = await stage.run("Go.", stage.agent(reach))
        (told,) = await stage.tool_results(handle)
    assert (attempts, result.output) == ([1, 2, 3, 4], "gave up")
    assert (told.content, told.is_error) == ("The station is away. Try another.", True)


async def test_a_fast_tool_that_fails_once_is_called_again(skipping: tuple[Stage, WorkflowEnvironment]) -> None:
    stage, _ = skipping
    attempts: list[int] = []

    @tool(effect="pure", fast=True)
    def reach(context: ToolContext) -> str:
        attempts.append(context.attempt)
        if len(attempts) == 1:
            raise ToolUnavailable("The station is away.")
        return "here"

    async with stage.worker(ScriptedModel([CALL, "done"]), reach):
        _, handle = await stage.run("Go.", stage.agent(reach))
        (told,) = await stage.tool_results(handle)
    assert (attempts, told.content) == ([1, 2], "here")
