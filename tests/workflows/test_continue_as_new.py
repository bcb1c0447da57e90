"""A long task continues as new when Temporal suggests it, with the same result as without."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from temporalio.client import WorkflowHistory
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from activities.storage.transcript_cache import TranscriptCache
from agentkit.interfaces import ModelRequest
from agentkit.messages import Message, TextPart, ToolCall, ToolResult, Usage, user_message
from agentkit.runtime.loop import MAX_RETRIES
from agentkit.specs import AgentSpec
from agentkit.testing import ScriptedModel, ScriptedResponse
from agentkit.tools import tool
from workflows.agent_task import AgentTask
from workflows.search_attributes import AGENT, MEMO_TITLE, STATUS, STEPS
from workflows.task_types import CarriedState, TaskInput

if TYPE_CHECKING:
    from tests.workflows.conftest import Handle, TaskEnvironment

STEPS_WITH_CALLS = 12
GO = user_message("Go.")


@tool(effect="pure")
def look(number: int) -> str:
    return f"found {number}"


def page_text(number: int) -> str:
    return f"{number:05d}" * 6_000


@tool(effect="pure")
def fetch(number: int) -> str:
    return page_text(number)


def model_with_long_responses(chars: int) -> ScriptedModel:
    """Return a model that calls a tool in each step, beside a text of ``chars`` characters."""

    async def script(request: ModelRequest) -> ScriptedResponse:
        step = sum(message.role == "assistant" for message in request.messages)
        if step == STEPS_WITH_CALLS:
            return "done"
        call = ToolCall(id=f"c{step}", name="look", arguments={"number": step})
        return Message(role="assistant", parts=(TextPart(text=f"{step % 10}" * chars), call))

    return ScriptedModel(script)


async def histories_of_runs(env: TaskEnvironment, task_id: str) -> list[WorkflowHistory]:
    """Return the histories of a task's runs, the newest first."""
    histories: list[WorkflowHistory] = []
    run_id: str | None = None
    while run_id != "":
        history = await env.client.get_workflow_handle(task_id, run_id=run_id).fetch_history()
        histories.append(history)
        run_id = history.events[0].workflow_execution_started_event_attributes.continued_execution_run_id
    return histories


async def test_a_task_that_continues_as_new_has_the_same_result_transcript_and_requests(
    env: TaskEnvironment, short_history_env: TaskEnvironment
) -> None:
    outcomes, task_ids = [], []
    for environment in (env, short_history_env):
        model = model_with_long_responses(250_000)
        async with environment.worker(model, look):
            result, handle = await environment.run("Go.", environment.agent(look))
            transcript = await environment.transcript(handle)
            status = await handle.query(AgentTask.status)
        outcomes.append((result, transcript, [list(request.messages) for request in model.requests], status))
        task_ids.append(handle.id)
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][0].steps == STEPS_WITH_CALLS + 1
    assert len(await histories_of_runs(env, task_ids[0])) == 1
    assert len(await histories_of_runs(short_history_env, task_ids[1])) > 2
    stored = sum(path.stat().st_size for path in (short_history_env.settings.data_dir / "payloads").rglob("*/*/*"))
    size = sum(len(message.canonical_json()) for message in outcomes[1][1])
    assert stored < 3.1 * size, "the responses of both tasks, and once those that later runs of the second refer to"


async def test_with_a_tiny_cache_and_replaced_workers_a_long_transcript_is_stored_once(
    short_history_env: TaskEnvironment,
) -> None:
    env, reached = short_history_env, {5: asyncio.Event(), 9: asyncio.Event()}

    async def script(request: ModelRequest) -> ScriptedResponse:
        step = sum(message.role == "assistant" for message in request.messages)
        if step in reached:
            reached[step].set()
        return "done" if step == STEPS_WITH_CALLS else ToolCall(id=f"c{step}", name="fetch", arguments={"number": step})

    agent = env.agent(fetch)
    async with env.worker(ScriptedModel(script), fetch, transcript_cache_bytes=0):
        handle = await env.start("Go.", agent)
        await asyncio.wait_for(reached[5].wait(), 20)
    async with env.worker_without_sharing(ScriptedModel(script), fetch, cache=TranscriptCache(0)):
        await asyncio.wait_for(reached[9].wait(), 20)
    async with env.worker(ScriptedModel(script), fetch, transcript_cache_bytes=0):
        result = await env.result(handle)
        transcript = await env.transcript(handle)
    results = [part.content for message in transcript for part in message.parts if isinstance(part, ToolResult)]
    assert (result.steps, results) == (STEPS_WITH_CALLS + 1, [page_text(step) for step in range(STEPS_WITH_CALLS)])
    assert len(await histories_of_runs(env, handle.id)) > 2
    files = [path for path in (env.settings.data_dir / "payloads").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 1.2 * sum(map(len, results))


async def test_memo_and_search_attributes_survive_continue_as_new(short_history_env: TaskEnvironment) -> None:
    async with short_history_env.worker(model_with_long_responses(10), look):
        handle = await short_history_env.client.start_workflow(
            AgentTask.run,
            TaskInput(agent=short_history_env.agent(look), message=user_message("Go.")),
            id=f"task-{uuid.uuid4().hex}",
            task_queue=short_history_env.settings.task_queue,
            memo={MEMO_TITLE: "Go."},
            search_attributes=TypedSearchAttributes([SearchAttributePair(AGENT, "a")]),
        )
        await short_history_env.result(handle)
    newest, *_, first = await histories_of_runs(short_history_env, handle.id)
    described = await short_history_env.client.get_workflow_handle(handle.id).describe()
    attributes = described.typed_search_attributes
    assert (attributes.get(AGENT), attributes.get(STATUS), attributes.get(STEPS)) == (
        "a",
        "completed",
        STEPS_WITH_CALLS + 1,
    )
    assert await described.memo_value(MEMO_TITLE) == "Go."
    assert first.events[-1].HasField("workflow_execution_continued_as_new_event_attributes")
    assert newest.events[-1].HasField("workflow_execution_completed_event_attributes")


async def start_continued(
    env: TaskEnvironment, agent: AgentSpec, carried: CarriedState, messages: Sequence[Message] = (GO,)
) -> Handle:
    """Start a task as continue-as-new does: with the state of an earlier run."""
    return await env.client.start_workflow(
        AgentTask.run,
        args=[
            TaskInput(agent=agent, message=messages[0]),
            carried.model_copy(update={"messages": tuple(messages)}),
        ],
        id=f"task-{uuid.uuid4().hex}",
        task_queue=env.settings.task_queue,
    )


async def test_limits_include_the_steps_and_usage_of_earlier_runs(env: TaskEnvironment) -> None:
    carried = CarriedState(
        usage=Usage(input_tokens=7, model_calls=2),
        steps=2,
        started_at=datetime.now(UTC),
    )
    model = ScriptedModel([ToolCall(id="c", name="look", arguments={"number": 1}), "never"])
    async with env.worker(model, look):
        error, failure = await env.failure(
            await start_continued(env, env.agent(look, limits={"max_steps": 3}), carried)
        )
    assert (error.type, failure.step, len(model.requests)) == ("LimitExceeded", 3, 1)
    assert (failure.usage.input_tokens, failure.usage.model_calls) == (17, 3)


async def test_the_deadline_counts_from_the_start_of_the_first_run(env: TaskEnvironment) -> None:
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    carried = CarriedState(usage=Usage(), steps=1, started_at=an_hour_ago)
    async with env.worker(ScriptedModel(["never"])):
        handle = await start_continued(env, env.agent(limits={"deadline": "30m"}), carried)
        error, _ = await env.failure(handle)
    assert error.type == "DeadlineExceeded"


async def test_feedback_in_the_carried_messages_is_sent_to_the_model_once(env: TaskEnvironment) -> None:
    feedback = Message(role="user", parts=(TextPart(text="Write more."),), source="planner")
    messages = (user_message("Go."), Message(role="assistant", parts=(TextPart(text=""),)), feedback)
    carried = CarriedState(usage=Usage(), steps=1, started_at=datetime.now(UTC))
    model = ScriptedModel(["more"])
    async with env.worker_without_sharing(model):
        handle = await start_continued(env, env.agent(), carried, messages)
        await env.result(handle)
    assert tuple(model.requests[0].messages) == messages


async def test_repeated_calls_are_counted_across_runs(short_history_env: TaskEnvironment) -> None:
    async def script(request: ModelRequest) -> ScriptedResponse:
        return ToolCall(id=f"c{len(request.messages)}", name="look", arguments={"number": 1})

    async with short_history_env.worker(ScriptedModel(script), look):
        agent = short_history_env.agent(look, limits={"max_repeats": 20})
        handle = await short_history_env.start("Go.", agent)
        error, failure = await short_history_env.failure(handle)
    assert (error.type, failure.step) == ("LoopDetected", 20)
    assert len(await histories_of_runs(short_history_env, handle.id)) > 2


async def test_unusable_responses_are_counted_across_runs(env: TaskEnvironment) -> None:
    carried = CarriedState(usage=Usage(), steps=3, started_at=datetime.now(UTC), retry_count=MAX_RETRIES)
    async with env.worker(ScriptedModel(["", "never"])):
        error, failure = await env.failure(await start_continued(env, env.agent(), carried))
    assert (error.type, failure.step) == ("ModelOutputInvalid", 4)
