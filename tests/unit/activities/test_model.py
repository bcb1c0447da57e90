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
from activities.storage.transcript_cache import TranscriptCache
from activities.storage.transcript_reader import TranscriptReader
from activities.streaming.token_batches import ResponseId, TokenBatch
from activities.streaming.token_streams import TokenStreams, TokenSubscriber
from activities.temporal.client import connect
from agentkit.errors import ModelRequestRejected, ModelUnavailable
from agentkit.messages import Message, TextPart, ToolCall, user_message
from agentkit.schemas.output_check import InlineOutputChecker
from agentkit.specs import AgentSpec, ToolSpec
from agentkit.testing import ScriptedModel
from agentkit.transcript import Transcript

TASK_ID = ActivityEnvironment().info.workflow_id or ""
AGENT = AgentSpec(
    name="a",
    models=("demo:demo",),
    planner="tools",
    instructions="Be kind.",
    tools=(ToolSpec(name="look", description="", parameters={}),),
)
MESSAGES = [user_message("hello"), Message(role="assistant", parts=(ToolCall(id="c", name="look"),))]


@pytest.fixture
async def reader(tmp_path: Path) -> TranscriptReader:
    """A reader whose cache has all messages; its client has no server, so a query would fail."""
    cache = TranscriptCache(10_000)
    cache.put_agent(AGENT)
    cache.put_queried(TASK_ID, 1, Transcript(MESSAGES))
    return TranscriptReader(await connect(Settings(data_dir=tmp_path, temporal_port=1), lazy=True), cache)


def model_call(model: str = "demo:demo", *composed: Message) -> ModelCall:
    end = len(MESSAGES)
    digest = Transcript(MESSAGES).digest(end)
    return ModelCall(step=2, agent_hash=AGENT.hash, model=model, end=end, digest=digest, composed_messages=composed)


async def test_the_request_holds_the_referenced_transcript_and_the_composed_messages(reader: TranscriptReader) -> None:
    model = ScriptedModel(["fine"])
    feedback = Message(role="user", parts=(TextPart(text="try again"),), source="planner")
    reply = await ActivityEnvironment().run(
        ModelActivities({"demo": model}, reader, InlineOutputChecker()).request_model,
        model_call("demo:other", feedback),
    )
    (request,) = model.requests
    assert list(request.messages) == [*MESSAGES, feedback]
    assert (request.system, tuple(request.tools)) == (AGENT.instructions, AGENT.tools)
    assert (request.model, request.attempt) == ("demo:other", 1)
    assert reply.response.message.text == "fine"


async def test_the_request_has_the_attempt_of_the_activity(reader: TranscriptReader) -> None:
    model = ScriptedModel(["fine"])
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, attempt=3)
    await environment.run(ModelActivities({"demo": model}, reader, InlineOutputChecker()).request_model, model_call())
    assert model.requests[0].attempt == 3


@pytest.mark.parametrize(
    ("error", "is_retryable"),
    [
        pytest.param(ModelUnavailable("overloaded", status=529), True, id="unavailable"),
        pytest.param(ModelRequestRejected("bad schema", status=400), False, id="rejected"),
    ],
)
async def test_an_error_of_the_model_is_a_failure_of_its_type(
    reader: TranscriptReader, error: Exception, is_retryable: bool
) -> None:
    activities = ModelActivities({"demo": ScriptedModel([error])}, reader, InlineOutputChecker())
    with pytest.raises(ApplicationError, match=str(error)) as raised:
        await ActivityEnvironment().run(activities.request_model, model_call())
    assert (raised.value.type, raised.value.non_retryable) == (type(error).__name__, not is_retryable)


async def test_a_model_of_a_provider_that_the_worker_does_not_have_is_refused_with_its_name(
    reader: TranscriptReader,
) -> None:
    activities = ModelActivities({"demo": ScriptedModel([])}, reader, InlineOutputChecker())
    with pytest.raises(ApplicationError, match=r"no openai model for 'openai:gpt'.*opspawn doctor") as raised:
        await ActivityEnvironment().run(activities.request_model, model_call("openai:gpt"))
    assert (raised.value.type, raised.value.non_retryable) == ("ModelNotAuthorized", True)


async def test_deltas_are_published_under_the_id_of_the_response(reader: TranscriptReader) -> None:
    streams = TokenStreams()
    subscriber = TokenSubscriber(streams)
    subscriber.watch(TASK_ID)
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, workflow_run_id="run", activity_id="7", attempt=2)
    activities = ModelActivities({"demo": ScriptedModel(["fine"])}, reader, InlineOutputChecker(), streams)
    received: list[TokenBatch] = []

    async def receive() -> None:
        while not (received and received[-1].last):
            number, batches = await subscriber.next_batches()
            received.extend(batches)
        subscriber.acknowledge(number)

    async with asyncio.timeout(10):
        await asyncio.gather(environment.run(activities.request_model, model_call()), receive())
    assert {batch.response for batch in received} == {ResponseId(TASK_ID, "run", "7", 2, 2)}
    assert [delta.text for batch in received for delta in batch.deltas] == ["fine"]
