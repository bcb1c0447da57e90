from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.memory.memory_payloads import RecallCall, RecallResult
from activities.memory.memory_recall import MemoryRecallActivity
from activities.settings import Settings
from activities.storage.transcript_cache import TranscriptCache
from activities.storage.transcript_reader import TranscriptReader
from activities.temporal.client import connect
from agentkit.errors import MemoryUnavailable
from agentkit.interfaces import LongTermMemory, Memory, MemoryScope, NewMemory
from agentkit.messages import ImagePart, Message, TextPart, user_message
from agentkit.testing import InMemoryMemory
from agentkit.transcript import Transcript

ADA = MemoryScope(kind="user", owner="ada")


async def recall(
    directory: Path, memory: LongTermMemory, *messages: Message, limit: int = 5, max_tokens: int = 1_000
) -> RecallResult:
    cache, transcript = TranscriptCache(100_000), Transcript(messages)
    cache.put_queried("task", 1, transcript)
    client = await connect(Settings(data_dir=directory, temporal_port=1), lazy=True)
    activity = MemoryRecallActivity(memory, TranscriptReader(client, cache))
    segment = transcript.segment("task", len(messages))
    call = RecallCall(scope=ADA, segments=(segment,), limit=limit, max_tokens=max_tokens)
    result: RecallResult = await ActivityEnvironment().run(activity.recall_memories, call)
    return result


async def stored(memory: LongTermMemory, text: str) -> Memory:
    return (await memory.remember(ADA, NewMemory(text=text, key=text))).memory


async def test_the_newest_message_of_a_person_is_the_query(tmp_path: Path) -> None:
    memory = InMemoryMemory()
    chess = await stored(memory, "Ada plays chess.")
    await stored(memory, "Ada likes tea.")
    planner = Message(role="user", parts=(TextPart(text="Which tea?"),), source="planner")
    said = [user_message("What tea?"), user_message("Who plays chess?"), planner]
    result = await recall(tmp_path, memory, *said)
    assert result.memories[0].id == chess.id
    assert len(result.memories) == len({each.id for each in result.memories})


async def test_a_memory_of_an_earlier_turn_is_not_recalled_again(tmp_path: Path) -> None:
    memory = InMemoryMemory()
    tea = await stored(memory, "Ada likes tea.")
    first = await recall(tmp_path, memory, user_message("Does Ada like tea?"))
    assert first.message is not None
    assert [each.id for each in first.memories] == [tea.id]
    turns = [user_message("Does Ada like tea?"), first.message, user_message("And which tea does Ada like?")]
    assert await recall(tmp_path, memory, *turns) == RecallResult()
    green = await stored(memory, "The tea of Ada is a green one from a small shop.")
    again = await recall(tmp_path, memory, *turns)
    assert [each.id for each in again.memories] == [green.id]


async def test_the_message_keeps_to_the_number_and_the_tokens_that_are_allowed(tmp_path: Path) -> None:
    memory = InMemoryMemory()
    for number in range(20):
        await stored(memory, f"Tea number {number}: {'x ' * 40}{number}")
    query = user_message("Which tea?")
    assert len((await recall(tmp_path, memory, query, limit=3)).memories) == 3
    short = await recall(tmp_path, memory, query, limit=20, max_tokens=200)
    assert short.message is not None
    assert 0 < len(short.memories) < 20
    assert len(short.message.text) / 3 <= 200


async def test_a_message_without_text_recalls_nothing(tmp_path: Path) -> None:
    memory = InMemoryMemory()
    await stored(memory, "Ada likes tea.")
    picture = Message(role="user", parts=(ImagePart(url="https://example.com/a.png"),))
    assert await recall(tmp_path, memory, picture) == RecallResult()


class _Away(InMemoryMemory):
    async def recall(self, *_: object, **__: object) -> list[Memory]:
        raise MemoryUnavailable("No response from http://127.0.0.1:6333")


async def test_memory_that_is_away_is_tried_again(tmp_path: Path) -> None:
    with pytest.raises(ApplicationError) as raised:
        await recall(tmp_path, _Away(), user_message("tea?"))
    assert (raised.value.type, raised.value.non_retryable) == ("MemoryUnavailable", False)
