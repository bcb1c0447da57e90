"""Retry intervals, the number of attempts and deadlines, on a server that skips the waiting."""

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
    from tests.workflows.conftest import TaskEnvironment

CALL = ToolCall(id="c", name="lookup")


class UnavailableModel:
    """A model that fails ``failures`` times and then responds; it records the server's time of each request."""

    def __init__(self, server: WorkflowEnvironment, failures: int, retry_after: float | None) -> None:
        self._server, self._failures, self._retry_after = server, failures, retry_after
        self._request_times: list[datetime] = []
        self.model = ScriptedModel(self._respond)

    @property
    def intervals(self) -> list[int]:
        """Seconds from each request to the next, rounded."""
        return [
            round((later - earlier).total_seconds())
            for earlier, later in zip(self._request_times, self._request_times[1:], strict=False)
        ]

    async def _respond(self, _: ModelRequest) -> ScriptedResponse:
        self._request_times.append(await self._server.get_current_time())
        if len(self._request_times) > self._failures:
            return "done"
        return ModelUnavailable(f"overloaded {len(self._request_times)}", status=529, retry_after=self._retry_after)


@pytest.mark.parametrize(
    ("retry_after", "intervals"),
    [
        pytest.param(None, [1, 2, 4, 8, 16, 30, 30], id="exponential backoff"),
        pytest.param(90.0, [90] * 7, id="Retry-After"),
        pytest.param(86_400.0, [600] * 7, id="Retry-After above the limit"),
    ],
)
async def test_an_unavailable_model_is_retried_at_growing_intervals_or_as_the_provider_asks(
    time_skipping_env: TaskEnvironment,
    time_skipping_server: WorkflowEnvironment,
    retry_after: float | None,
    intervals: list[int],
) -> None:
    unavailable = UnavailableModel(time_skipping_server, failures=7, retry_after=retry_after)
    async with time_skipping_env.worker(unavailable.model):
        result, _ = await time_skipping_env.run("Go.")
    assert result.output == "done"
    assert unavailable.intervals == intervals


async def test_a_model_that_stays_unavailable_fails_the_task_with_the_providers_last_message(
    time_skipping_env: TaskEnvironment, time_skipping_server: WorkflowEnvironment
) -> None:
    unavailable = UnavailableModel(time_skipping_server, failures=100, retry_after=None)
    async with time_skipping_env.worker(unavailable.model):
        error, failure = await time_skipping_env.failure(await time_skipping_env.start("Go."))
    attempts = model_policy(fallback=False).retry.maximum_attempts
    assert len(unavailable.model.requests) == attempts
    assert (error.type, failure.message, failure.step) == ("ModelUnavailable", f"overloaded {attempts}", 1)


async def test_a_task_beyond_its_deadline_times_out_even_between_two_attempts(
    time_skipping_env: TaskEnvironment, time_skipping_server: WorkflowEnvironment
) -> None:
    unavailable = UnavailableModel(time_skipping_server, failures=100, retry_after=600)
    async with time_skipping_env.worker(unavailable.model):
        handle = await time_skipping_env.start("Go.", time_skipping_env.agent(limits={"deadline": "25m"}))
        error, failure = await time_skipping_env.failure(handle)
    assert error.type == "DeadlineExceeded"
    assert failure.message == "deadline is 1500 s, and the task has run for as long"
    assert unavailable.intervals == [600, 600]
    described = await handle.describe()
    assert described.status == WorkflowExecutionStatus.FAILED
    assert described.typed_search_attributes.get(STATUS) == "timed_out"
    assert described.close_time is not None
    assert described.close_time - described.start_time < timedelta(seconds=1510)


async def test_a_tool_that_stays_unavailable_gives_its_message_as_the_result_after_four_attempts(
    time_skipping_env: TaskEnvironment,
) -> None:
    attempts: list[int] = []

    @tool(effect="idempotent")
    def lookup(context: ToolContext) -> str:
        attempts.append(context.attempt)
        raise ToolUnavailable("The station is closed. Try another.")

    async with time_skipping_env.worker(ScriptedModel([CALL, "gave up"]), lookup):
        task_result, handle = await time_skipping_env.run("Go.", time_skipping_env.agent(lookup))
        (result,) = await time_skipping_env.tool_results(handle)
    assert (attempts, task_result.output) == ([1, 2, 3, 4], "gave up")
    assert (result.content, result.is_error) == ("The station is closed. Try another.", True)


async def test_a_fast_tool_that_is_unavailable_once_is_called_again(time_skipping_env: TaskEnvironment) -> None:
    attempts: list[int] = []

    @tool(effect="pure", fast=True)
    def lookup(context: ToolContext) -> str:
        attempts.append(context.attempt)
        if len(attempts) == 1:
            raise ToolUnavailable("The station is closed.")
        return "found"

    async with time_skipping_env.worker(ScriptedModel([CALL, "done"]), lookup):
        _, handle = await time_skipping_env.run("Go.", time_skipping_env.agent(lookup))
        (result,) = await time_skipping_env.tool_results(handle)
    assert (attempts, result.content) == ([1, 2], "found")
