"""Each message stands in history once; models get the transcript all the same, and never another one."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Interceptor as ClientInterceptor
from temporalio.client import OutboundInterceptor, QueryWorkflowInput
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.payload_types import ModelCall, TranscriptRange
from activities.transcript_reader import TranscriptCache
from agentkit.interfaces import ModelRequest
from agentkit.messages import Message, TextPart, ToolCall, user_message
from agentkit.specs import AgentSpec
from agentkit.testing import ScriptedModel, ScriptedResponse
from agentkit.tools import tool
from agentkit.transcript import Transcript
from workflows.transcript_sharing import TranscriptSharing

if TYPE_CHECKING:
    from tests.workflows.conftest import TaskEnvironment


@tool(effect="pure")
def look(at: str) -> str:
    return f"seen {at}"


@tool(effect="pure")
def page(number: int) -> str:
    return f"{number:03}" + "r" * 397


def raw(events: list[HistoryEvent]) -> bytes:
    return b"".join(event.SerializeToString() for event in events)


def marker(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex}"


async def test_each_message_stands_in_history_once(env: TaskEnvironment) -> None:
    names = ("said", "thought", "argued", "found", "answered")
    said, thought, argued, found, answered = (marker(name) for name in names)

    @tool(effect="pure")
    def find(key: str) -> str:
        return found

    # Long, because the activity's summary shows where arguments begin.
    call = ToolCall(id="1", name="find", arguments={"key": "k" * 120 + argued})
    asks = Message(role="assistant", parts=(TextPart(text=thought), call))
    async with env.worker(ScriptedModel([asks, answered]), find):
        _, handle = await env.run(said, env.agent(find))
        history = raw(await env.history(handle))
    assert [history.count(text.encode()) for text in (said, thought, found)] == [1, 1, 1]
    assert history.count(argued.encode()) == 2, "in the model's answer, and in the tool's activity"
    assert history.count(answered.encode()) == 2, "in the model's answer, and as the task's output"


async def test_the_agent_stands_in_history_once(env: TaskEnvironment) -> None:
    told, described = marker("told"), marker("described")

    @tool(effect="pure")
    def find() -> str:
        return "found"

    find.spec.parameters["description"] = described
    async with env.worker(ScriptedModel([ToolCall(id="1", name="find"), "done"]), find):
        _, handle = await env.run("Go.", env.agent(find, instructions=told))
        history = raw(await env.history(handle))
    assert (history.count(told.encode()), history.count(described.encode())) == (1, 1)


async def test_history_grows_by_the_same_for_every_step(env: TaskEnvironment) -> None:
    async def script(request: ModelRequest) -> ScriptedResponse:
        step = sum(message.role == "assistant" for message in request.messages)
        if step == 30:
            return "done"
        text = TextPart(text=f"{step:03}" + "t" * 397)
        return Message(
            role="assistant", parts=(text, ToolCall(id=f"c{step:03}", name="page", arguments={"number": 100 + step}))
        )

    async with env.worker(ScriptedModel(script), page):
        _, handle = await env.run("Read.", env.agent(page, limits={"max_steps": 50}))
        events = await env.history(handle)
    asked = [place for place, event in enumerate(events) if b"request_model" in event.SerializeToString()]
    early, late = events[asked[10] : asked[20]], events[asked[20] : asked[30]]
    assert len(early) == len(late)
    assert abs(len(raw(early)) - len(raw(late))) < 200
    assert len(raw(late)) / 10 < 3 * 1024


def long_story(steps: int) -> ScriptedModel:
    """Answer with 300 kB a step."""

    async def script(request: ModelRequest) -> ScriptedResponse:
        step = sum(message.role == "assistant" for message in request.messages)
        if step == steps:
            return "done"
        text = TextPart(text=f"part {step}: " + f"{step % 10}" * 300_000)
        return Message(role="assistant", parts=(text, ToolCall(id=f"c{step}", name="look", arguments={"at": "x"})))

    return ScriptedModel(script)


async def test_a_worker_that_was_handed_nothing_asks_the_same_of_the_model(env: TaskEnvironment) -> None:
    handed, queried = long_story(5), long_story(5)
    async with env.worker(handed, look):
        await env.run("s" * 300_000, env.agent(look))
    async with env.worker_without_sharing(queried, look, cache=TranscriptCache(0)):
        _, handle = await env.run("s" * 300_000, env.agent(look))
        transcript = await env.transcript(handle)
    questions = [[list(request.messages) for request in model.requests] for model in (handed, queried)]
    assert questions[0] == questions[1]
    assert questions[1][-1] == transcript[:-1]
    assert Transcript(transcript).size > TranscriptRange().max_bytes, "more than one page"


async def test_a_transcript_larger_than_a_grpc_message_comes_in_pages(env: TaskEnvironment) -> None:
    model, cache = long_story(15), TranscriptCache(64 * 1024 * 1024)
    async with env.worker_without_sharing(model, look, cache=cache):
        _, handle = await env.run("Tell.", env.agent(look))
        whole = await env.transcript(handle)
    assert Transcript(whole).size > 4 * 1024 * 1024
    assert list(model.requests[-1].messages) == whole[:-1]
    assert cache.size > 4 * 1024 * 1024, "what was read is kept, so that the next step asks only for what is new"


async def test_the_agent_is_asked_for_by_its_hash_where_it_is_not_known(env: TaskEnvironment) -> None:
    model = ScriptedModel(["done"])
    agent = env.agent(look, instructions="Be kind.")
    cache = TranscriptCache(1_000_000)
    assert cache.agent(agent.hash) is None
    async with env.worker_without_sharing(model, look, cache=cache):
        await env.run("Go.", agent)
    assert (model.requests[0].system, tuple(model.requests[0].tools)) == ("Be kind.", agent.tools)
    assert cache.agent(agent.hash) == agent


@pytest.mark.parametrize("length", [1, 50], ids=["shorter", "longer"])
async def test_a_cache_that_holds_something_else_is_healed_by_asking_the_workflow(
    env: TaskEnvironment, length: int
) -> None:
    cache = TranscriptCache(1_000_000)

    def poison(task_id: str, version: int, transcript: Transcript, agent: AgentSpec) -> None:
        cache.put(task_id, version, Transcript([user_message("poison")] * length), agent)

    model = ScriptedModel([ToolCall(id="1", name="look", arguments={"at": "sea"}), "done"])
    async with env.worker_without_sharing(model, look, cache=cache, interceptors=[TranscriptSharing(poison)]):
        _, handle = await env.run("Go.", env.agent(look))
        transcript = await env.transcript(handle)
    assert [list(request.messages) for request in model.requests] == [transcript[:1], transcript[:3]]


class Tamper(Interceptor):
    """Changes model calls on their way to the activity."""

    def __init__(self, change: Callable[[ModelCall], ModelCall]) -> None:
        self.attempts = 0
        self._change = change

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        tamper = self

        class Inbound(ActivityInboundInterceptor):
            async def execute_activity(self, input: ExecuteActivityInput) -> Any:
                if isinstance(input.args[0], ModelCall):
                    tamper.attempts += 1
                    input.args = [tamper._change(input.args[0])]
                return await super().execute_activity(input)

        return Inbound(next)


def other_digest(call: ModelCall) -> ModelCall:
    return call.model_copy(update={"segments": (call.segments[0].model_copy(update={"digest": "0" * 32}),)})


def more_messages(call: ModelCall) -> ModelCall:
    return call.model_copy(update={"segments": (call.segments[0].model_copy(update={"end": 9}),)})


def other_agent(call: ModelCall) -> ModelCall:
    return call.model_copy(update={"agent_hash": "0" * 32})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(other_digest, "isn't the one referenced (digest 00000", id="another transcript"),
        pytest.param(more_messages, "has 1 messages, not 9, as referenced", id="a shorter transcript"),
        pytest.param(other_agent, "not 00000000000000000000000000000000", id="another agent"),
    ],
)
async def test_a_mismatch_fails_the_task_at_once_and_no_model_is_asked(
    env: TaskEnvironment, change: Callable[[ModelCall], ModelCall], words: str
) -> None:
    model, tamper = ScriptedModel(["never"]), Tamper(change)
    async with env.worker_without_sharing(model, interceptors=[tamper]):
        handle = await env.start("Go.")
        error, failure = await env.failure(handle)
    assert (error.type, tamper.attempts, model.requests) == ("TranscriptMismatch", 1, [])
    assert words in failure.message


async def test_feedback_of_the_planner_is_in_history_once_as_a_composed_message(env: TaskEnvironment) -> None:
    model = ScriptedModel(["", "better"])
    async with env.worker(model):
        result, handle = await env.run("Go.")
        transcript = await env.transcript(handle)
        history = raw(await env.history(handle))
    assert (result.output, result.steps) == ("better", 2)
    feedback = transcript[2]
    assert (feedback.role, feedback.source) == ("user", "planner")
    assert list(model.requests[1].messages) == transcript[:3]
    assert history.count(feedback.text.encode()) == 1


class Queries(ClientInterceptor):
    """Notes the queries of a client."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        names = self.names

        class Outbound(OutboundInterceptor):
            async def query_workflow(self, input: QueryWorkflowInput) -> Any:
                names.append(input.query)
                return await super().query_workflow(input)

        return Outbound(next)


async def test_a_workflow_hands_its_transcript_to_its_own_worker_so_that_nothing_is_asked(env: TaskEnvironment) -> None:
    queries = Queries()
    env = env.with_interceptor(queries)
    async with env.worker(ScriptedModel([ToolCall(id="1", name="look", arguments={"at": "sea"}), "done"]), look):
        await env.run("Go.", env.agent(look))
    assert queries.names == []


async def test_a_worker_that_was_handed_nothing_asks_for_no_message_twice(env: TaskEnvironment) -> None:
    queries = Queries()
    env = env.with_interceptor(queries)
    model = ScriptedModel([ToolCall(id="1", name="look", arguments={"at": "sea"}), "done"])
    async with env.worker_without_sharing(model, look):
        await env.run("Go.", env.agent(look))
    assert queries.names == ["agent_spec", "transcript", "transcript"]


async def test_a_worker_without_room_for_transcripts_asks_and_history_is_the_same(env: TaskEnvironment) -> None:
    counts = []
    for room in (1_000_000, 0):
        calls = [ToolCall(id=f"{step}", name="look", arguments={"at": "sea"}) for step in range(3)]
        model = ScriptedModel([*calls, "done"])
        async with env.worker(model, look, transcript_cache_bytes=room):
            _, handle = await env.run("Go.", env.agent(look))
            transcript = await env.transcript(handle)
            counts.append([event.event_type for event in await env.history(handle)])
        assert [list(request.messages) for request in model.requests] == [transcript[:end] for end in (1, 3, 5, 7)]
    assert counts[0] == counts[1]
