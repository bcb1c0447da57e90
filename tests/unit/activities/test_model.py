from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.model import ModelActivities
from activities.payload_types import ModelCall
from activities.settings import Settings
from activities.streaming.token_streams import AnswerId, Answers, Listener, Piece
from activities.temporal.client import connect
from activities.transcript_reader import WorkerCache, WorkflowReader
from agentkit.errors import ModelRequestRejected, ModelUnavailable
from agentkit.messages import Message, TextPart, ToolCall, user_message
from agentkit.specs import AgentSpec, ToolSpec
from agentkit.testing import ScriptedModel
from agentkit.transcript import Transcript

AGENT = AgentSpec(
    name="a",
    models=("demo:demo",),
    planner="tools",
    instructions="Be kind.",
    tools=(ToolSpec(name="look", description="", parameters={}),),
)
MESSAGES = [user_message("hello"), Message(role="assistant", parts=(ToolCall(id="c", name="look"),))]


@pytest.fixture
async def reader(tmp_path: Path) -> WorkflowReader:
    """It has all in its cache, and a real client of a server that isn't there."""
    cache = WorkerCache(10_000)
    cache.remember("task", 1, Transcript(MESSAGES), AGENT)
    return WorkflowReader(await connect(Settings(data_dir=tmp_path, temporal_port=1), lazy=True), cache)


def model_call(model: str = "demo:demo", *delta: Message) -> ModelCall:
    segment = Transcript(MESSAGES).segment("task", len(MESSAGES))
    return ModelCall(task_id="task", step=2, agent=AGENT.hash, model=model, segments=(segment,), delta=delta)


async def test_the_model_gets_the_agent_the_referenced_transcript_and_the_delta(reader: WorkflowReader) -> None:
    model = ScriptedModel(["fine"])
    feedback = Message(role="user", parts=(TextPart(text="try again"),), source="planner")
    reply = await ActivityEnvironment().run(
        ModelActivities({"demo": model}, reader).ask_model, model_call("demo:other", feedback)
    )
    (request,) = model.requests
    assert list(request.messages) == [*MESSAGES, feedback]
    assert (request.system, tuple(request.tools)) == (AGENT.instructions, AGENT.tools)
    assert (request.model, request.attempt) == ("demo:other", 1)
    assert (reply.response.message.text, reply.model) == ("fine", "demo:other")


async def test_the_model_learns_which_attempt_this_is(reader: WorkflowReader) -> None:
    model = ScriptedModel(["fine"])
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, attempt=3)
    await environment.run(ModelActivities({"demo": model}, reader).ask_model, model_call())
    assert model.requests[0].attempt == 3


async def test_calls_get_ids_that_the_task_has_not_used_yet(reader: WorkflowReader) -> None:
    model = ScriptedModel([(ToolCall(id="c", name="look"), ToolCall(id="", name="look"))])
    reply = await ActivityEnvironment().run(ModelActivities({"demo": model}, reader).ask_model, model_call())
    ids = [call.id for call in reply.response.message.tool_calls]
    assert len({*ids, "c", ""}) == 4


@pytest.mark.parametrize(
    ("error", "retried"),
    [
        pytest.param(ModelUnavailable("overloaded", status=529), True, id="unavailable"),
        pytest.param(ModelRequestRejected("bad schema", status=400), False, id="rejected"),
    ],
)
async def test_errors_of_models_become_temporals_posture(
    reader: WorkflowReader, error: Exception, retried: bool
) -> None:
    activities = ModelActivities({"demo": ScriptedModel([error])}, reader)
    with pytest.raises(ApplicationError, match=str(error)) as raised:
        await ActivityEnvironment().run(activities.ask_model, model_call())
    assert (raised.value.type, raised.value.non_retryable) == (type(error).__name__, not retried)


async def test_a_model_that_this_worker_has_no_key_for_is_named(reader: WorkflowReader) -> None:
    activities = ModelActivities({"demo": ScriptedModel([])}, reader)
    with pytest.raises(ApplicationError, match=r"no openai model for 'openai:gpt'.*opspawn doctor") as raised:
        await ActivityEnvironment().run(activities.ask_model, model_call("openai:gpt"))
    assert (raised.value.type, raised.value.non_retryable) == ("ModelNotAuthorized", True)


async def test_what_the_model_says_is_passed_on_under_the_name_of_the_call(reader: WorkflowReader) -> None:
    answers = Answers()
    listener = Listener(answers)
    listener.watch("task")
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, workflow_run_id="run", activity_id="7", attempt=2)
    activities = ModelActivities({"demo": ScriptedModel(["fine"])}, reader, answers)
    heard: list[Piece] = []

    async def hear() -> None:
        while not (heard and heard[-1].last):
            number, pieces = await listener.batch()
            heard.extend(pieces)
        listener.confirm(number)

    async with asyncio.timeout(10):
        await asyncio.gather(environment.run(activities.ask_model, model_call()), hear())
    assert {piece.answer for piece in heard} == {AnswerId("task", "run", "7", 2, 2)}
    assert [delta.text for piece in heard for delta in piece.deltas] == ["fine"]
