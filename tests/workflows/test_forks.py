"""Forks: tasks that go on from a step of another one, whose messages they refer to."""

from __future__ import annotations

import uuid

from activities.payload_types import TranscriptSource
from agentkit.messages import Message, ToolCall, user_message
from agentkit.specs import AgentSpec
from agentkit.testing import ScriptedModel
from agentkit.tools import tool
from agentkit.transcript import Transcript
from tests.workflows.answering import pending_requests
from tests.workflows.conftest import Handle, TaskEnvironment
from workflows.agent_task import AgentTask
from workflows.task_types import StepEnds, TaskInput


@tool(effect="pure")
def look(number: int) -> str:
    return f"seen {number}"


@tool(effect="irreversible")
def pay() -> str:
    return "paid"


def looking(number: int) -> ToolCall:
    return ToolCall(id=f"l{number}", name="look", arguments={"number": number})


async def fork(env: TaskEnvironment, source: Handle, step: int, agent: AgentSpec, text: str) -> Handle:
    """Start a fork of a task that goes on after a step."""
    ends = await source.query("step_ends", result_type=StepEnds)
    end = ends.ends[step - ends.first_step]
    digest = Transcript(await whole_transcript(env, source)).digest(end)
    point = TranscriptSource(workflow_id=source.id, end=end, digest=digest)
    return await env.client.start_workflow(
        AgentTask.run,
        TaskInput(agent=agent, message=user_message(text), source=point, first_step=step),
        id=f"fork-{uuid.uuid4().hex}",
        task_queue=env.settings.task_queue,
    )


async def whole_transcript(env: TaskEnvironment, handle: Handle) -> list[Message]:
    """Return the messages of a task, those of its source first."""
    first = await handle.query(AgentTask.transcript)
    if first.source is None:
        return await env.transcript(handle)
    source: Handle = env.client.get_workflow_handle_for(AgentTask.run, first.source.workflow_id)
    earlier = (await whole_transcript(env, source))[: first.source.end]
    return earlier + await env.transcript(handle, start=first.source.end)


async def test_a_fork_reads_its_source_and_copies_nothing(env: TaskEnvironment) -> None:
    source_model = ScriptedModel([looking(1), looking(2), "Seen both."])
    agent = env.agent(look)
    async with env.worker(source_model, look):
        source = await env.start("Look around, marker-of-the-source.", agent)
        await env.result(source)
    fork_model = ScriptedModel([looking(3), "Seen another."])
    async with env.worker(fork_model, look):
        forked = await fork(env, source, 1, agent, "Look elsewhere.")
        result = await env.result(forked)
        transcript = await whole_transcript(env, forked)
        history = await forked.fetch_history()
    assert (result.output, result.steps, result.usage.model_calls) == ("Seen another.", 3, 2)
    texts = [message.text for message in transcript]
    assert texts == ["Look around, marker-of-the-source.", "", "", "Look elsewhere.", "", "", "Seen another."]
    assert [message.text for message in fork_model.requests[0].messages] == texts[:4]
    assert "marker-of-the-source" not in history.to_json()


async def test_a_fork_of_a_fork_of_a_waiting_task_goes_on_while_the_source_waits(env: TaskEnvironment) -> None:
    agent = env.agent(look, pay)
    async with env.worker(ScriptedModel([looking(1), ToolCall(id="p", name="pay")]), look, pay):
        source = await env.start("Pay.", agent)
        await pending_requests(source)
    async with env.worker(ScriptedModel([looking(2), "Not paid."]), look, pay):
        first = await fork(env, source, 1, agent, "Don't pay.")
        await env.result(first)
    async with env.worker(ScriptedModel(["Never paid."]), look, pay):
        second = await fork(env, first, 2, agent, "Still don't.")
        await env.result(second)
        texts = [message.text for message in await whole_transcript(env, second)]
        assert len(await pending_requests(source)) == 1
    assert texts == ["Pay.", "", "", "Don't pay.", "", "", "Still don't.", "Never paid."]


async def test_a_fork_continues_as_new(short_history_env: TaskEnvironment) -> None:
    env = short_history_env
    agent = env.agent(look, limits={"max_steps": 12})
    async with env.worker(ScriptedModel([looking(1), "Seen."]), look):
        source = await env.start("Look.", agent)
        await env.result(source)
    async with env.worker(ScriptedModel([*map(looking, range(10, 21)), "Seen all."]), look):
        forked = await fork(env, source, 1, agent, "Look more.")
        result = await env.result(forked)
        transcript = await whole_transcript(env, forked)
        assert (await forked.describe()).run_id != forked.first_execution_run_id
    assert (result.output, result.steps) == ("Seen all.", 13)
    assert [message.text for message in transcript if message.role == "user"] == ["Look.", "Look more."]
    assert len(transcript) == 3 + 1 + 2 * 11 + 1


async def test_forks_of_tasks_that_continued_as_new_read_what_earlier_runs_stored(
    short_history_env: TaskEnvironment,
) -> None:
    env = short_history_env
    agent = env.agent(look, limits={"max_steps": 40})
    async with env.worker(ScriptedModel([*map(looking, range(10)), "Seen."]), look):
        source = await env.start("Look.", agent)
        await env.result(source)
    async with env.worker(ScriptedModel([*map(looking, range(20, 30)), "Seen more."]), look):
        first = await fork(env, source, 2, agent, "Look more.")
        await env.result(first)
    model = ScriptedModel(["Enough."])
    async with env.worker_without_sharing(model, look):
        second = await fork(env, first, 4, agent, "Stop.")
        result = await env.result(second)
        for handle in (source, first):
            newest = env.client.get_workflow_handle(handle.id)
            assert (await newest.describe()).run_id != handle.first_execution_run_id
    calls = [call.id for message in model.requests[0].messages for call in message.tool_calls]
    assert (result.output, calls) == ("Enough.", ["l0", "l1", "l20", "l21"])


async def test_a_fork_whose_source_is_gone_says_so(env: TaskEnvironment) -> None:
    gone = TranscriptSource(workflow_id="task-that-was-erased", end=3, digest="0" * 32)
    async with env.worker(ScriptedModel(["Never."])):
        handle = await env.client.start_workflow(
            AgentTask.run,
            TaskInput(agent=env.agent(), message=user_message("Look."), source=gone, first_step=1),
            id=f"fork-{uuid.uuid4().hex}",
            task_queue=env.settings.task_queue,
        )
        error, failure = await env.failure(handle)
    assert error.type == "TranscriptSourceGone"
    assert "is gone: Temporal has erased it" in failure.message
