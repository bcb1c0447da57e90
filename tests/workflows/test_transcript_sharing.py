"""Model activities get the transcript that the workflow refers to: from the worker's cache, or by query."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from temporalio.client import Interceptor as ClientInterceptor
from temporalio.client import OutboundInterceptor, QueryWorkflowInput
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.payload_types import ModelCall, TranscriptRange
from activities.storage.transcript_cache import TranscriptCache
from agentkit.interfaces import ModelRequest
from agentkit.messages import Message, TextPart, ToolCall, user_message
from agentkit.specs import AgentSpec
from agentkit.testing import ScriptedModel, ScriptedResponse
from agentkit.tools import tool
from agentkit.transcript import Transcript
from workflows.transcripts.transcript_sharing import TranscriptSharing

if TYPE_CHECKING:
    from tests.workflows.conftest import TaskEnvironment


@tool(effect="pure")
def look(number: int) -> str:
    return f"found {number}"


def call_look(number: int) -> ToolCall:
    return ToolCall(id=f"c{number}", name="look", arguments={"number": number})


class QueryObserver(ClientInterceptor):
    """Records the names of a client's queries."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        names = self.names

        class Outbound(OutboundInterceptor):
            async def query_workflow(self, input: QueryWorkflowInput) -> Any:
                names.append(input.query)
                return await super().query_workflow(input)

        return Outbound(next)


async def test_the_shipped_worker_reads_transcripts_without_a_query(env: TaskEnvironment) -> None:
    queries = QueryObserver()
    env = env.with_interceptor(queries)
    async with env.worker(ScriptedModel([call_look(1), "done"]), look):
        await env.run("Go.", env.agent(look))
    assert queries.names == []


async def test_a_worker_without_sharing_queries_the_agent_once_and_each_message_once(env: TaskEnvironment) -> None:
    queries = QueryObserver()
    env = env.with_interceptor(queries)
    model = ScriptedModel([call_look(1), "done"])
    async with env.worker_without_sharing(model, look):
        _, handle = await env.run("Go.", env.agent(look))
        assert queries.names == ["agent_spec", "transcript", "transcript"]
        transcript = await env.transcript(handle)
    assert [list(request.messages) for request in model.requests] == [transcript[:1], transcript[:3]]


async def test_history_does_not_depend_on_the_size_of_the_transcript_cache(env: TaskEnvironment) -> None:
    histories = []
    for cache_bytes in (1_000_000, 0):
        model = ScriptedModel([*(call_look(step) for step in range(3)), "done"])
        async with env.worker(model, look, transcript_cache_bytes=cache_bytes):
            _, handle = await env.run("Go.", env.agent(look))
            transcript = await env.transcript(handle)
            histories.append([event.event_type for event in await env.history(handle)])
        assert [list(request.messages) for request in model.requests] == [transcript[:end] for end in (1, 3, 5, 7)]
    assert histories[0] == histories[1]


def model_with_long_responses(steps: int) -> ScriptedModel:
    """Return a model that calls a tool in each step, beside 300 kB of text."""

    async def script(request: ModelRequest) -> ScriptedResponse:
        step = sum(message.role == "assistant" for message in request.messages)
        if step == steps:
            return "done"
        text = TextPart(text=f"step {step}: " + f"{step % 10}" * 300_000)
        return Message(role="assistant", parts=(text, call_look(step)))

    return ScriptedModel(script)


async def test_requests_are_the_same_with_and_without_sharing(env: TaskEnvironment) -> None:
    sharing, querying = model_with_long_responses(5), model_with_long_responses(5)
    async with env.worker(sharing, look):
        await env.run("s" * 300_000, env.agent(look))
    async with env.worker_without_sharing(querying, look, cache=TranscriptCache(0)):
        _, handle = await env.run("s" * 300_000, env.agent(look))
        transcript = await env.transcript(handle)
    requests = [[list(request.messages) for request in model.requests] for model in (sharing, querying)]
    assert requests[0] == requests[1]
    assert requests[1][-1] == transcript[:-1]
    assert Transcript(transcript).size > TranscriptRange().max_bytes, "more than one page"


async def test_a_transcript_larger_than_a_grpc_message_is_queried_in_pages(env: TaskEnvironment) -> None:
    model, cache = model_with_long_responses(15), TranscriptCache(64 * 1024 * 1024)
    async with env.worker_without_sharing(model, look, cache=cache):
        _, handle = await env.run("Go.", env.agent(look))
        transcript = await env.transcript(handle)
    assert Transcript(transcript).size > 4 * 1024 * 1024
    assert list(model.requests[-1].messages) == transcript[:-1]
    assert cache.size > 4 * 1024 * 1024, "queried messages are cached, so that the next step queries only new ones"


async def test_a_worker_without_the_agent_queries_it_and_caches_it(env: TaskEnvironment) -> None:
    model = ScriptedModel(["done"])
    agent = env.agent(look, instructions="Be kind.")
    cache = TranscriptCache(1_000_000)
    async with env.worker_without_sharing(model, look, cache=cache):
        await env.run("Go.", agent)
    assert (model.requests[0].system, tuple(model.requests[0].tools)) == ("Be kind.", agent.tools)
    assert cache.agent(agent.hash) == agent


@pytest.mark.parametrize("length", [1, 50], ids=["shorter", "longer"])
async def test_a_cached_transcript_with_another_digest_is_replaced_by_query(env: TaskEnvironment, length: int) -> None:
    cache = TranscriptCache(1_000_000)

    def share_another_transcript(task_id: str, version: int, transcript: Transcript, agent: AgentSpec) -> None:
        cache.put_agent(agent)
        cache.put_queried(task_id, version, Transcript([user_message("wrong")] * length))

    model = ScriptedModel([call_look(1), "done"])
    sharing = TranscriptSharing(share_another_transcript)
    async with env.worker_without_sharing(model, look, cache=cache, interceptors=[sharing]):
        _, handle = await env.run("Go.", env.agent(look))
        transcript = await env.transcript(handle)
    assert [list(request.messages) for request in model.requests] == [transcript[:1], transcript[:3]]


class ModelCallChanger(Interceptor):
    """Changes the argument of model activities, and counts their attempts."""

    def __init__(self, change: Callable[[ModelCall], ModelCall]) -> None:
        self.change = change
        self.attempts = 0

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        changer = self

        class Inbound(ActivityInboundInterceptor):
            async def execute_activity(self, input: ExecuteActivityInput) -> Any:
                if isinstance(input.args[0], ModelCall):
                    changer.attempts += 1
                    input.args = [changer.change(input.args[0])]
                return await super().execute_activity(input)

        return Inbound(next)


def other_digest(call: ModelCall) -> ModelCall:
    return call.model_copy(update={"digest": "0" * 32})


def more_messages(call: ModelCall) -> ModelCall:
    return call.model_copy(update={"end": 9})


def other_agent(call: ModelCall) -> ModelCall:
    return call.model_copy(update={"agent_hash": "0" * 32})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(other_digest, "isn't the one referenced (digest 00000", id="another transcript"),
        pytest.param(more_messages, "has 1 messages, not 9, as referenced", id="a shorter transcript"),
        pytest.param(other_agent, "not 00000000000000000000000000000000", id="another agent"),
    ],
)
async def test_a_mismatch_fails_the_task_at_once_without_a_model_request(
    env: TaskEnvironment, change: Callable[[ModelCall], ModelCall], message: str
) -> None:
    model, changer = ScriptedModel(["never"]), ModelCallChanger(change)
    async with env.worker_without_sharing(model, interceptors=[changer]):
        handle = await env.start("Go.")
        error, failure = await env.failure(handle)
    assert (error.type, changer.attempts, model.requests) == ("TranscriptMismatch", 1, [])
    assert message in failure.message
