from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.client import Client

from activities.payload_types import ModelCall
from activities.settings import Settings
from activities.temporal.client import connect
from activities.transcript_cache import TranscriptCache
from activities.transcript_reader import TranscriptReader
from agentkit.messages import Message, user_message
from agentkit.specs import AgentSpec
from agentkit.transcript import Segment, Transcript


def agent(name: str = "a") -> AgentSpec:
    return AgentSpec(name=name, models=("demo:demo",), planner="tools")


def of_bytes(size: int) -> Transcript:
    empty = len(user_message("").canonical_json())
    transcript = Transcript([user_message("x" * (size - empty))])
    assert transcript.size == size
    return transcript


def is_kept(cache: TranscriptCache, task_id: str, version: int = 1) -> bool:
    return cache.transcript(Segment(workflow_id=task_id, version=version, start=0, end=1, digest="")) is not None


@pytest.fixture
async def nowhere(tmp_path: Path) -> Client:
    """A real client of a server that isn't there: whoever asks it fails."""
    return await connect(Settings(data_dir=tmp_path, temporal_port=1), lazy=True)


def test_the_oldest_use_goes_first_when_the_cache_is_full() -> None:
    cache = TranscriptCache(1000)
    cache.put_transcript("one", 1, of_bytes(400))
    cache.put_transcript("two", 1, of_bytes(400))
    assert is_kept(cache, "one")
    cache.put_transcript("three", 1, of_bytes(400))
    assert [is_kept(cache, task) for task in ("one", "two", "three")] == [True, False, True]
    assert cache.size == 800


def test_a_transcript_larger_than_the_cache_is_not_kept() -> None:
    cache = TranscriptCache(1000)
    cache.put_transcript("one", 1, of_bytes(1001))
    assert not is_kept(cache, "one")
    assert cache.size == 0


def test_the_size_follows_a_transcript_that_is_replaced() -> None:
    cache = TranscriptCache(1000)
    cache.put_transcript("one", 1, of_bytes(300))
    cache.put_transcript("one", 1, of_bytes(500))
    assert cache.size == 500


def test_a_transcript_that_grew_counts_with_what_it_has_grown_to_when_it_is_handed_over_again() -> None:
    cache = TranscriptCache(1000)
    transcript = of_bytes(300)
    cache.put("one", 1, transcript, agent())
    transcript.append(*of_bytes(600).read())
    cache.put("one", 1, transcript, agent())
    assert cache.size == 900
    cache.put_transcript("two", 1, of_bytes(200))
    assert (is_kept(cache, "one"), cache.size) == (False, 200)


def test_versions_of_a_transcript_are_kept_apart() -> None:
    cache = TranscriptCache(1000)
    cache.put_transcript("one", 2, of_bytes(300))
    assert (is_kept(cache, "one", 1), is_kept(cache, "one", 2)) == (False, True)


def test_only_so_many_agents_are_kept() -> None:
    cache = TranscriptCache(1000)
    agents = [agent(f"a{number}") for number in range(300)]
    for one in agents:
        cache.put_agent(one)
    assert cache.agent(agents[-1].hash) == agents[-1]
    assert cache.agent(agents[0].hash) is None


async def test_what_was_handed_over_is_read_without_asking_temporal(nowhere: Client) -> None:
    cache = TranscriptCache(10_000)
    messages: list[Message] = [user_message("a"), user_message("b"), user_message("c")]
    cache.put("task", 1, Transcript(messages), agent())
    reader = TranscriptReader(nowhere, cache)
    segment = Transcript(messages[:2]).segment("task", 2)
    call = ModelCall(task_id="task", step=1, agent_hash=agent().hash, model="demo:demo", segments=(segment,))
    assert await reader.messages(call.segments) == messages[:2]
    assert await reader.agent(call) == agent()


async def test_a_kept_transcript_that_is_not_the_one_referenced_is_not_believed(nowhere: Client) -> None:
    cache = TranscriptCache(10_000)
    cache.put("task", 1, Transcript([user_message("poison")]), agent())
    with pytest.raises(RuntimeError):  # it asks the workflow instead
        await TranscriptReader(nowhere, cache).messages([Transcript([user_message("a")]).segment("task", 1)])
