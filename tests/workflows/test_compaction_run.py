"""A request that a model refuses as too long is repeated with a shorter transcript, before another model is asked."""

from __future__ import annotations

import pytest

from agentkit.errors import ContextTooLong, MessageTooLong, ModelError, ModelRequestRejected
from agentkit.interfaces import ModelRequest
from agentkit.specs import CompactionSettings
from agentkit.testing import ScriptedCompactor, ScriptedModel, ScriptedResponse
from tests.workflows.compacting import FULL, ShorterEachTime, compactions, look, looking, response
from tests.workflows.conftest import TaskEnvironment
from workflows.agent_task import AgentTask

TOO_LONG = ContextTooLong("The request has 1,200 tokens, and the model takes 1,000.", status=400)


async def test_a_request_that_is_too_long_is_repeated_with_a_shorter_transcript_before_another_model_is_asked(
    env: TaskEnvironment,
) -> None:
    model = ScriptedModel([response(looking(1)), response(looking(2)), TOO_LONG, "Done."])
    async with env.worker(model, look, compactor=ScriptedCompactor()):
        agent = env.agent(look, models=("scripted:m", "scripted:larger"))
        result, handle = await env.run("Look around.", agent)
        events = await env.history(handle)
    assert (result.output, result.steps) == ("Done.", 3)
    assert [request.model for request in model.requests] == ["scripted:m"] * 4
    assert [len(request.messages) for request in model.requests] == [1, 3, 5, 4]
    [entry] = compactions(events)
    assert (entry.reason, entry.step, entry.version) == ("too_long", 3, 2)
    scheduled = [event.activity_task_scheduled_event_attributes for event in events]
    ids = [each.activity_id for each in scheduled if each.activity_type.name == "request_model"]
    assert len(set(ids)) == len(ids) == 4


async def test_a_model_that_still_refuses_is_given_up_after_three_compactions(env: TaskEnvironment) -> None:
    calls: list[ScriptedResponse] = [response(looking(number)) for number in range(1, 7)]

    async def script(request: ModelRequest) -> ScriptedResponse:
        if request.model == "scripted:larger":
            return "Done by the larger one."
        return TOO_LONG if not calls else calls.pop(0)

    model, compactor = ScriptedModel(script), ShorterEachTime()
    async with env.worker(model, look, compactor=compactor):
        agent = env.agent(look, models=("scripted:m", "scripted:larger"))
        result, handle = await env.run("Look around.", agent)
        page = await handle.query(AgentTask.transcript)
    assert result.output == "Done by the larger one."
    assert [(request.reason, request.attempt) for request in compactor.requests] == [
        ("too_long", attempt) for attempt in (1, 2, 3)
    ]
    assert page.versions == 4


@pytest.mark.parametrize(
    ("failure", "error_type"),
    [
        (ModelRequestRejected("no such model"), "ContextTooLong"),
        (MessageTooLong("One message has 1,100 tokens, and the window 1,000."), "MessageTooLong"),
    ],
)
async def test_a_request_that_stays_too_long_fails_the_task(
    env: TaskEnvironment, failure: ModelError | MessageTooLong, error_type: str
) -> None:
    model = ScriptedModel([response(looking(1)), response(looking(2)), TOO_LONG])
    async with env.worker(model, look, compactor=ScriptedCompactor(failures=[failure])):
        error, detail = await env.failure(await env.start("Look around.", env.agent(look)))
    assert (error.type, detail.step) == (error_type, 3)
    assert "1,000" in detail.message


async def test_an_agent_that_forbids_it_fails_as_its_model_says(env: TaskEnvironment) -> None:
    compactor = ScriptedCompactor()
    model = ScriptedModel([response(looking(1)), response(looking(2), FULL), TOO_LONG])
    async with env.worker(model, look, compactor=compactor):
        agent = env.agent(look, compaction=CompactionSettings(window=1_000, off=True))
        error, _ = await env.failure(await env.start("Look around.", agent))
    assert (error.type, compactor.requests) == ("ContextTooLong", [])
