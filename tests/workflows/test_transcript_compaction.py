"""A transcript that takes its share of the model's context window, or is too long for it, is shortened."""

from __future__ import annotations

import asyncio

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import CancelledError

from activities.payload_types import TranscriptRange
from activities.storage.transcript_cache import TranscriptCache
from agentkit.errors import ContextTooLong, MessageTooLong, ModelUnavailable
from agentkit.interfaces import ModelRequest
from agentkit.messages import ToolCall, ToolResult
from agentkit.testing import ScriptedCompactor, ScriptedModel, ScriptedResponse
from agentkit.tools import tool
from tests.workflows.answering import answer, pending_requests
from tests.workflows.compacting import (
    FULL,
    SMALL_WINDOW,
    GatedCompactor,
    compactions,
    look,
    looking,
    response,
    summary_texts,
)
from tests.workflows.conftest import TIMEOUT_S, TaskEnvironment
from tests.workflows.steering_calls import send_now
from workflows.agent_task import AgentTask
from workflows.task_types import StepEnds

TOO_LONG = ContextTooLong("The request has 1,200 tokens, and the model takes 1,000.", status=400)
LOOK_TWICE_FULL: list[ScriptedResponse] = [
    response(looking(1)),
    response(looking(2), FULL),
    response(looking(3)),
    "Done.",
]


async def test_at_the_share_the_next_step_begins_with_a_shorter_transcript_and_the_old_one_stays_readable(
    env: TaskEnvironment,
) -> None:
    model, compactor = ScriptedModel(LOOK_TWICE_FULL), ScriptedCompactor()
    async with env.worker(model, look, compactor=compactor):
        result, handle = await env.run("Look around.", env.agent(look, compaction=SMALL_WINDOW))
        newest, first = await env.transcript(handle), await env.transcript(handle, version=1)
        page = await handle.query(AgentTask.transcript)
        entries = compactions(await env.history(handle))
    assert (result.output, result.steps) == ("Done.", 4)
    assert [message.role for message in first] == ["user", "assistant", "tool", "assistant", "tool"]
    assert summary_texts(first) == []
    summary = "This is a summary of 2 messages."
    assert [message.text for message in newest] == ["Look around.", summary, "", "", "", "", "Done."]
    assert newest[2:4] == first[3:5]
    assert list(model.requests[2].messages) == newest[:4]
    assert list(model.requests[3].messages) == newest[:6], "the prefix stays the same, so that caches hit"
    assert (page.version, page.versions, page.total) == (2, 2, 7)
    [entry] = entries
    assert (entry.reason, entry.version, entry.step) == ("share", 2, 2)
    assert (entry.messages_before, entry.messages_after, entry.tokens_before, entry.tokens_after) == (5, 4, 500, 400)
    [request] = compactor.requests
    assert (request.reason, request.attempt, request.model) == ("share", 1, "scripted:m")
    assert request.context is not None
    assert (request.context.tokens, request.context.window) == (FULL + 1, 1_000)


async def test_the_usage_of_summaries_counts_and_their_calls_are_no_steps(env: TaskEnvironment) -> None:
    async with env.worker(ScriptedModel(LOOK_TWICE_FULL), look, compactor=ScriptedCompactor()):
        result, _ = await env.run("Look around.", env.agent(look, compaction=SMALL_WINDOW))
    assert (result.usage.input_tokens, result.usage.model_calls, result.steps) == (10 + FULL + 10 + 10 + 10, 5, 4)


async def test_a_summary_that_reaches_a_limit_ends_the_task_before_the_next_step(env: TaskEnvironment) -> None:
    model = ScriptedModel(LOOK_TWICE_FULL)
    limits = {"max_tokens": 11 + FULL + 1 + 10}
    async with env.worker(model, look, compactor=ScriptedCompactor()):
        handle = await env.start("Look around.", env.agent(look, compaction=SMALL_WINDOW, limits=limits))
        error, failure = await env.failure(handle)
    assert (error.type, failure.step, len(model.requests)) == ("LimitExceeded", 2, 2)


async def test_a_task_at_its_limit_pays_for_no_summary(env: TaskEnvironment) -> None:
    compactor = ScriptedCompactor()
    async with env.worker(ScriptedModel(LOOK_TWICE_FULL), look, compactor=compactor):
        handle = await env.start("Look.", env.agent(look, compaction=SMALL_WINDOW, limits={"max_steps": 2}))
        error, _ = await env.failure(handle)
    assert (error.type, compactor.requests) == ("LimitExceeded", [])


async def test_workers_without_the_transcript_read_each_version_from_storage(env: TaskEnvironment) -> None:
    async def script(_: ModelRequest) -> ScriptedResponse:
        if len(first.requests) > 2:
            await asyncio.Event().wait()  # until the worker stops
        return LOOK_TWICE_FULL[len(first.requests) - 1]

    agent = env.agent(look, compaction=SMALL_WINDOW)
    first = ScriptedModel(script)
    async with env.worker_without_sharing(first, look, cache=TranscriptCache(0), compactor=ScriptedCompactor()):
        handle = await env.start("Look around.", agent)
        async with asyncio.timeout(TIMEOUT_S):
            while not compactions(await env.history(handle)):
                pass
    second = ScriptedModel(["Done."])
    async with env.worker_without_sharing(second, look, cache=TranscriptCache(0)):
        result = await env.result(handle)
        newest = await env.transcript(handle)
    assert result.output == "Done."
    assert list(second.requests[-1].messages) == newest[:-1]
    assert summary_texts(newest) == ["This is a summary of 2 messages."]


@pytest.mark.parametrize("failure", [ModelUnavailable("overloaded"), MessageTooLong("1,100 of 1,000 tokens")])
async def test_where_no_summary_can_be_written_at_the_share_the_task_goes_on_as_it_is(
    env: TaskEnvironment, failure: Exception
) -> None:
    model, compactor = ScriptedModel(LOOK_TWICE_FULL), ScriptedCompactor(failures=[failure] * 4)
    async with env.worker(model, look, compactor=compactor):
        result, handle = await env.run("Look around.", env.agent(look, compaction=SMALL_WINDOW))
        page = await handle.query(AgentTask.transcript)
    assert result.output == "Done."
    assert (page.versions, page.total) == (1, 8)


async def test_where_nothing_can_be_left_out_there_is_no_new_version_and_not_each_step_tries_again(
    env: TaskEnvironment,
) -> None:
    responses: list[ScriptedResponse] = [response(looking(number), FULL + number) for number in range(1, 5)]
    compactor = ScriptedCompactor()
    async with env.worker(ScriptedModel([*responses, "Done."]), look, compactor=compactor):
        result, handle = await env.run("Look around.", env.agent(look, compaction=SMALL_WINDOW))
        page = await handle.query(AgentTask.transcript)
    assert (result.output, page.versions, len(compactor.requests)) == ("Done.", 1, 1)


async def test_ids_of_calls_stay_unique_though_the_model_counts_them_anew(env: TaskEnvironment) -> None:
    done: list[str] = []

    @tool(effect="idempotent")
    def note(number: int) -> str:
        done.append(f"note {number}")
        return f"noted {number}"

    def noting(number: int) -> ToolCall:
        return ToolCall(id="call_0", name="note", arguments={"number": number})

    responses = [response(noting(1)), response(noting(2)), response(noting(3), FULL), response(noting(4)), "Done."]
    async with env.worker(ScriptedModel(responses), note, compactor=ScriptedCompactor(keep=1)):
        _, handle = await env.run("Note.", env.agent(note, compaction=SMALL_WINDOW))
        results = await env.tool_results(handle)
        ledger = (await handle.query(AgentTask.tool_calls)).tool_calls
    assert len({entry.idempotency_key for entry in ledger}) == 4
    assert done == [f"note {number}" for number in range(1, 5)]
    assert results[-1].content == "noted 4"


async def test_what_became_of_irreversible_calls_is_given_to_each_compaction(env: TaskEnvironment) -> None:
    @tool(effect="irreversible")
    def pay(number: int) -> str:
        return f"paid invoice {number}"

    calls = [ToolCall(id=f"p{number}", name="pay", arguments={"number": number}) for number in (17, 18)]
    responses = [response(calls[0]), response(calls[1]), response(looking(1), FULL), response(looking(2))]
    further = [response(looking(3), FULL), "Done."]
    compactor = ScriptedCompactor()
    async with env.worker(ScriptedModel([*responses, *further]), pay, look, compactor=compactor):
        handle = await env.start("Pay.", env.agent(pay, look, compaction=SMALL_WINDOW))
        for decision, number in (("approve", 1), ("deny", 2)):
            [request] = await pending_requests(handle)
            assert request.id == f"input_{number}"
            await answer(handle, request, decision)
        await env.result(handle)
    assert len(compactor.requests) == 2
    for compaction in compactor.requests:
        [fact] = compaction.facts
        assert fact.startswith('pay {"number": 17} was done at 2')
        assert fact.endswith(": paid invoice 17")


async def test_feedback_of_the_planner_is_part_of_what_is_shortened(env: TaskEnvironment) -> None:
    model = ScriptedModel([response(looking(1)), response("", FULL), "Done."])
    compactor = ScriptedCompactor(keep=1)
    async with env.worker(model, look, compactor=compactor):
        _, handle = await env.run("Look.", env.agent(look, compaction=SMALL_WINDOW))
        first, newest = await env.transcript(handle, version=1), await env.transcript(handle)
    assert [message.source for message in first] == [None, None, None, None, "planner"]
    assert list(compactor.transcripts[0]) == first
    assert [message.source for message in newest] == [None, "compaction", None, "planner", None]
    assert list(model.requests[-1].messages) == newest[:-1]


async def test_messages_that_come_during_a_compaction_are_read_after_it(env: TaskEnvironment) -> None:
    compactor = GatedCompactor()
    model = ScriptedModel(LOOK_TWICE_FULL)
    async with env.worker(model, look, compactor=compactor):
        handle = await env.start("Look around.", env.agent(look, compaction=SMALL_WINDOW))
        await asyncio.wait_for(compactor.started.wait(), TIMEOUT_S)
        await send_now(handle, "Look up, too.", mode="interrupt")
        compactor.released.set()
        await env.result(handle)
        first = await env.transcript(handle, version=1)
    assert model.requests[2].messages[-1].text == "Look up, too."
    assert len(first) == 5


async def test_a_task_can_be_cancelled_during_a_compaction(env: TaskEnvironment) -> None:
    compactor = GatedCompactor()
    async with env.worker(ScriptedModel(LOOK_TWICE_FULL), look, compactor=compactor):
        handle = await env.start("Look around.", env.agent(look, compaction=SMALL_WINDOW))
        await asyncio.wait_for(compactor.started.wait(), TIMEOUT_S)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as raised:
            await env.result(handle)
    assert isinstance(raised.value.cause, CancelledError)


async def test_a_task_that_continues_as_new_keeps_all_versions(short_history_env: TaskEnvironment) -> None:
    env = short_history_env
    count = 40
    calls = [response(looking(number), FULL if number % 7 == 0 else 10) for number in range(1, count + 1)]
    compactor = ScriptedCompactor()
    async with env.worker(ScriptedModel([*calls, "Done."]), look, compactor=compactor):
        result, handle = await env.run(
            "Look around.", env.agent(look, compaction=SMALL_WINDOW, limits={"max_steps": count + 1})
        )
        newest = env.client.get_workflow_handle(handle.id)
        assert (await newest.describe()).run_id != handle.first_execution_run_id
        page = await newest.query(AgentTask.transcript)
        versions = [await env.transcript(newest, version=version) for version in range(1, page.versions + 1)]
        ends = await newest.query("step_ends", result_type=StepEnds)
    assert (result.output, page.versions) == ("Done.", 1 + count // 7)
    assert [list(transcript) for transcript in compactor.transcripts] == versions[:-1]
    assert [ends.version_of(step) for step in (7, 8, 14, 15)] == [1, 2, 2, 3]
    seen: list[str] = []
    for version in versions:
        parts = [part for message in version for part in message.parts if isinstance(part, ToolResult)]
        seen += [part.content for part in parts if part.content not in seen]
    assert seen == [f"seen {number}" for number in range(1, count + 1)]


async def test_a_version_that_does_not_exist_is_an_empty_page_that_says_how_many_there_are(
    env: TaskEnvironment,
) -> None:
    async with env.worker(ScriptedModel(LOOK_TWICE_FULL), look, compactor=ScriptedCompactor()):
        _, handle = await env.run("Look around.", env.agent(look, compaction=SMALL_WINDOW))
        page = await handle.query(AgentTask.transcript, TranscriptRange(version=3))
    assert (page.messages, page.total, page.versions) == ((), 0, 2)
