"""Tools in processes of their own, called by tasks: what goes wrong there is a result that the model reads."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.worker import Worker

from activities.tool_calls import ToolCallLimits, ToolCalls
from agentkit.catalog.catalog import Catalog, load_catalog
from agentkit.interfaces import ModelRequest
from agentkit.messages import ToolCall
from agentkit.schemas.output_check import InlineOutputChecker
from agentkit.specs import AgentSpec
from agentkit.testing import ScriptedModel, ScriptedResponse
from tests.polling import eventually
from tests.process_states import still_running
from tests.workflows.answering import answer, pending_requests
from tests.workflows.conftest import Handle, TaskEnvironment
from worker import build_worker

TOOLS = """
import os, time
from pathlib import Path
from agentkit.tools import ToolContext, ToolUnavailable, tool

@tool(effect="irreversible", approval="never")
def crash(directory: str, context: ToolContext) -> None:
    Path(directory, f"crash-{context.attempt}").touch()
    os._exit(9)

@tool(effect="pure", timeout="500ms")
async def block() -> None:
    while True:
        pass

@tool(effect="pure")
def wait(fifo: str) -> None:
    Path(fifo).write_text(str(os.getpid()))
    time.sleep(60)

@tool(effect="pure")
def count_sheep(fifo: str, context: ToolContext) -> str:
    context.progress("7 of 10 sheep", 0.7)
    while not context.wait_cancelled(0.05):
        pass
    Path(fifo).write_text("told")
    return "told"

@tool(effect="idempotent")
def try_twice(directory: str, context: ToolContext) -> str:
    if context.attempt == 1:
        raise ToolUnavailable("closed")
    return context.idempotency_key

@tool(effect="pure", timeout=120)
def hang() -> None:
    time.sleep(120)

@tool(effect="pure", fast=True)
def half(number: int) -> float:
    return number / 2
"""


@pytest.fixture
async def catalog(env: TaskEnvironment, tmp_path: Path) -> AsyncIterator[Catalog]:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "a.py").write_text(TOOLS)
    catalog = load_catalog(env.settings.model_copy(update={"app_dir": tmp_path}))
    yield catalog
    await catalog.aclose()


def worker(env: TaskEnvironment, catalog: Catalog, *script: object) -> Worker:
    model = ScriptedModel(list(script))  # type: ignore[arg-type]  # its entries are of several types
    return build_worker(env.client, env.settings, {"scripted": model}, catalog.toolset, InlineOutputChecker())


def agent(env: TaskEnvironment, catalog: Catalog) -> AgentSpec:
    return env.agent(
        *(catalog.toolset.get(name) for name in ("crash", "block", "wait", "count_sheep", "try_twice", "half"))
    )


async def test_calls_end_with_a_clear_result_whatever_happens_to_their_processes(
    env: TaskEnvironment, catalog: Catalog, tmp_path: Path
) -> None:
    calls = [
        ToolCall(id="c1", name="crash", arguments={"directory": str(tmp_path)}),
        ToolCall(id="c2", name="block"),
        ToolCall(id="c3", name="half", arguments={"number": 5}),
        ToolCall(id="c4", name="try_twice", arguments={"directory": str(tmp_path)}),
    ]
    async with worker(env, catalog, calls, "done"):
        handle = await env.start("Go.", agent(env, catalog))
        (request,) = await pending_requests(handle)
        assert "may have taken effect: crash failed: its process" in request.message
        await answer(handle, request, "give_up", comment="The log is lost.")
        result = await env.result(handle)
        results = await env.tool_results(handle)
    assert result.output == "done"
    assert [(each.content, each.is_error) for each in results] == [
        (
            "crash was cut off, and a person could not find out more. The log is lost. Whether it took effect is "
            "UNKNOWN. Don't call it again before you have checked.",
            True,
        ),
        ("block timed out after 0.5 s. Ask for something smaller.", True),
        ("2.5", False),
        (f"{handle.id}/c4", False),
    ]
    assert sorted(path.name for path in tmp_path.glob("crash-*")) == ["crash-1"]  # noqa: ASYNC240  # one file


async def test_progress_is_in_heartbeats_and_a_plain_function_is_told_of_its_cancellation(
    env: TaskEnvironment, catalog: Catalog, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "fifo")
    call = ToolCall(id="c", name="count_sheep", arguments={"fifo": str(tmp_path / "fifo")})
    async with worker(env, catalog, call):
        handle = await env.start("Go.", agent(env, catalog))
        progress = await asyncio.wait_for(reported_progress(handle), 30)
        await handle.cancel()
        told = await asyncio.wait_for(asyncio.to_thread((tmp_path / "fifo").read_text), 30)
        with pytest.raises(WorkflowFailureError):
            await env.result(handle)
    assert progress == {"text": "7 of 10 sheep", "fraction": 0.7}
    assert told == "told"


async def reported_progress(handle: Handle) -> dict[str, object]:
    """Return what the running activity has reported, as soon as it has."""
    while True:
        description = await handle.describe()
        for activity in description.raw_description.pending_activities:
            if activity.HasField("heartbeat_details"):
                progress: dict[str, object] = json.loads(activity.heartbeat_details.payloads[0].data)
                return progress


async def test_cancelling_a_task_stops_its_plain_function(
    env: TaskEnvironment, catalog: Catalog, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "fifo")
    call = ToolCall(id="c", name="wait", arguments={"fifo": str(tmp_path / "fifo")})
    async with worker(env, catalog, call):
        handle = await env.start("Go.", agent(env, catalog))
        pid = int(await asyncio.wait_for(asyncio.to_thread((tmp_path / "fifo").read_text), 60))
        await handle.cancel()
        with pytest.raises(WorkflowFailureError):
            await env.result(handle)
        await eventually(lambda: not still_running([pid]))  # the activity ends after the task


async def test_100_calls_that_hang_hold_up_no_other_task(
    env: TaskEnvironment, catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    sum_call = ToolCall(id="s", name="calculator", arguments={"expression": "6*7"})

    async def respond(request: ModelRequest) -> ScriptedResponse:
        if request.messages[0].text == "Hang.":
            return [ToolCall(id=f"h{number}", name="hang") for number in range(25)]
        return sum_call if len(request.messages) == 1 else "done"

    agent = env.agent(catalog.toolset.get("hang"), catalog.toolset.get("calculator"))
    settings = env.settings
    limits = ToolCallLimits(slow_after_s=1, check_interval_s=0.1)
    with caplog.at_level(logging.WARNING):
        async with (
            ToolCalls(limits) as tool_calls,
            build_worker(
                env.client,
                settings,
                {"scripted": ScriptedModel(respond)},
                catalog.toolset,
                InlineOutputChecker(),
                None,
                tool_calls,
            ),
        ):
            hanging = [await env.start("Hang.", agent) for _ in range(4)]
            await eventually(lambda: tool_calls.running_counts["hang"] == 100, 90)
            large = "x" * (settings.payload_threshold_bytes + 1)
            result, handle = await env.run(large, agent)
            (answer,) = await env.tool_results(handle)
            await eventually(lambda: "hang: " in caplog.text)
            for each in hanging:
                await each.cancel()
            for each in hanging:
                with pytest.raises(WorkflowFailureError):
                    await env.result(each)
    assert (result.output, answer.content) == ("done", "42")
    assert "calls have been running for more than 1 s (its timeout is 120 s), of tasks task-" in caplog.text
