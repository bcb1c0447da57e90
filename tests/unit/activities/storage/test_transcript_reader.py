from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.client import Client

from activities.payload_types import ModelCall
from activities.settings import Settings
from activities.storage.transcript_cache import TranscriptCache
from activities.storage.transcript_reader import TranscriptReader
from activities.temporal.client import connect
from agentkit.messages import user_message
from agentkit.specs import AgentSpec
from agentkit.transcript import Transcript

AGENT = AgentSpec(name="a", models=("demo:demo",), planner="tools")


@pytest.fixture
async def client_without_server(tmp_path: Path) -> Client:
    """A client whose every query raises ``RuntimeError``, because no server has its address."""
    return await connect(Settings(data_dir=tmp_path, temporal_port=1), lazy=True)


async def test_cached_messages_and_agents_are_read_without_a_query(client_without_server: Client) -> None:
    cache = TranscriptCache(10_000)
    messages = [user_message("a"), user_message("b"), user_message("c")]
    cache.put_agent(AGENT)
    cache.put_queried("task", 1, Transcript(messages))
    reader = TranscriptReader(client_without_server, cache)
    digest = Transcript(messages).digest(2)
    call = ModelCall(step=1, agent_hash=AGENT.hash, model="demo:demo", end=2, digest=digest)
    assert await reader.messages([call.segment("task")]) == messages[:2]
    assert await reader.agent("task", call.agent_hash) == AGENT


async def test_several_segments_are_read_in_order(client_without_server: Client) -> None:
    cache = TranscriptCache(10_000)
    parent, own = Transcript([user_message("a"), user_message("b")]), Transcript([user_message("c")])
    cache.put_agent(AGENT)
    cache.put_queried("parent", 1, parent)
    cache.put_agent(AGENT)
    cache.put_queried("task", 1, own)
    reader = TranscriptReader(client_without_server, cache)
    segments = [parent.segment("parent", 1), own.segment("task", 1)]
    assert await reader.messages(segments) == [user_message("a"), user_message("c")]


async def test_a_cached_transcript_with_another_digest_is_not_used(client_without_server: Client) -> None:
    cache = TranscriptCache(10_000)
    cache.put_agent(AGENT)
    cache.put_queried("task", 1, Transcript([user_message("wrong")]))
    segment = Transcript([user_message("right")]).segment("task", 1)
    with pytest.raises(RuntimeError, match="onnect"):  # the query that it falls back to
        await TranscriptReader(client_without_server, cache).messages([segment])
