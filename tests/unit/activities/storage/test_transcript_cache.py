from __future__ import annotations

from activities.storage.transcript_cache import TranscriptCache
from agentkit.messages import user_message
from agentkit.specs import AgentSpec
from agentkit.transcript import Segment, Transcript


def agent(name: str = "a") -> AgentSpec:
    return AgentSpec(name=name, models=("demo:demo",), planner="tools")


def transcript_of_bytes(size: int) -> Transcript:
    """Return a transcript of one message with ``size`` bytes of canonical JSON."""
    empty = len(user_message("").canonical_json())
    transcript = Transcript([user_message("x" * (size - empty))])
    assert transcript.size == size
    return transcript


def is_cached(cache: TranscriptCache, task_id: str, version: int = 1) -> bool:
    return cache.transcript(Segment(workflow_id=task_id, version=version, start=0, end=1, digest="")) is not None


def test_the_least_recently_used_transcript_is_dropped_when_the_cache_is_full() -> None:
    cache = TranscriptCache(1000)
    cache.put_queried("one", 1, transcript_of_bytes(400))
    cache.put_queried("two", 1, transcript_of_bytes(400))
    assert is_cached(cache, "one")  # a use
    cache.put_queried("three", 1, transcript_of_bytes(400))
    assert [is_cached(cache, task_id) for task_id in ("one", "two", "three")] == [True, False, True]
    assert cache.size == 800


def test_of_transcripts_larger_than_the_cache_two_are_kept_and_displace_no_smaller_ones() -> None:
    cache = TranscriptCache(1000)
    cache.put_queried("small", 1, transcript_of_bytes(300))
    cache.put_queried("one", 1, transcript_of_bytes(300))
    for task_id in ("one", "two", "three"):
        cache.put_queried(task_id, 1, transcript_of_bytes(1001))
    assert [is_cached(cache, task_id) for task_id in ("small", "one", "two", "three")] == [True, False, True, True]
    assert cache.size == 300


def test_a_replaced_transcript_no_longer_counts() -> None:
    cache = TranscriptCache(1000)
    cache.put_queried("one", 1, transcript_of_bytes(300))
    cache.put_queried("one", 1, transcript_of_bytes(500))
    assert cache.size == 500


def test_a_workflows_own_transcript_takes_no_space_and_is_kept_as_long_as_the_workflow_keeps_it() -> None:
    cache = TranscriptCache(1000)
    cache.put_queried("one", 1, transcript_of_bytes(300))
    cache.put_queried("two", 1, transcript_of_bytes(300))
    transcript = transcript_of_bytes(5_000)
    cache.share("one", 1, transcript, agent())
    assert (is_cached(cache, "one"), is_cached(cache, "two"), cache.size) == (True, True, 300)
    assert cache.agent(agent().hash) == agent()
    del transcript
    assert not is_cached(cache, "one")


def test_versions_of_a_transcript_are_separate() -> None:
    cache = TranscriptCache(1000)
    cache.put_queried("one", 2, transcript_of_bytes(300))
    assert (is_cached(cache, "one", 1), is_cached(cache, "one", 2)) == (False, True)


def test_a_version_that_compaction_has_replaced_takes_no_space_any_more() -> None:
    cache = TranscriptCache(1000)
    cache.put_queried("one", 1, transcript_of_bytes(300))
    cache.put_queried("one", 2, transcript_of_bytes(200))
    cache.drop_queried("one", 1)
    assert (is_cached(cache, "one", 1), is_cached(cache, "one", 2), cache.size) == (False, True, 200)


def test_the_number_of_agents_is_bounded() -> None:
    cache = TranscriptCache(1000)
    agents = [agent(f"a{number}") for number in range(300)]
    for each in agents:
        cache.put_agent(each)
    assert cache.agent(agents[-1].hash) == agents[-1]
    assert cache.agent(agents[0].hash) is None
