"""Embedded memory: its directory, its model, and the process that has it open."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest

from agentkit.errors import MemoryMisconfigured, MemoryUnavailable
from agentkit.interfaces import EmbeddedKind, LongTermMemory, MemoryScope, NewMemory
from agentkit.memory.embedded_memory import open_embedded_memory
from agentkit.testing import WordEmbedder

ADA = MemoryScope(kind="user", owner="ada")


async def remember(memory: LongTermMemory, *texts: str) -> None:
    for text in texts:
        await memory.remember(ADA, NewMemory(text=text, key=text))


async def texts_of(memory: LongTermMemory) -> list[str]:
    return sorted([one.text async for one in memory.export(ADA)])


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def bytes_in(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.rglob("*") if path.is_file())


async def test_nothing_is_made_before_the_first_call_and_only_its_user_can_read_it(tmp_path: Path) -> None:
    directory = tmp_path / "data" / "memory"
    memory = open_embedded_memory(directory, WordEmbedder())
    assert not directory.exists()
    await remember(memory, "Ada drinks tea")
    await memory.aclose()
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    unopened = open_embedded_memory(tmp_path / "other", WordEmbedder())
    await unopened.aclose()
    assert not (tmp_path / "other").exists()


async def test_memories_are_there_when_it_is_opened_again(tmp_path: Path) -> None:
    first = open_embedded_memory(tmp_path, WordEmbedder())
    await remember(first, "Ada drinks tea", "The car is a blue Volvo")
    await first.aclose()
    second = open_embedded_memory(tmp_path, WordEmbedder())
    assert await texts_of(second) == ["Ada drinks tea", "The car is a blue Volvo"]
    assert [one.text for one in await second.recall(ADA, "a Volvo?", limit=1)] == ["The car is a blue Volvo"]
    await second.aclose()


async def test_it_is_unavailable_while_another_has_it_open_and_when_it_is_closed(tmp_path: Path) -> None:
    first, second = (open_embedded_memory(tmp_path, WordEmbedder()) for _ in range(2))
    await remember(first, "Ada drinks tea")
    with pytest.raises(MemoryUnavailable, match="another process"):
        await texts_of(second)
    await first.aclose()
    assert await texts_of(second) == ["Ada drinks tea"]
    with pytest.raises(MemoryUnavailable, match="closed"):
        await texts_of(first)
    await second.aclose()


@pytest.mark.parametrize("embedder", [WordEmbedder("other"), WordEmbedder(dimension=64)], ids=["name", "dimension"])
async def test_another_model_is_refused_until_the_vectors_are_made_anew(tmp_path: Path, embedder: WordEmbedder) -> None:
    first = open_embedded_memory(tmp_path, WordEmbedder())
    texts = [f"Fact number {number}" for number in range(100, 200)]
    await remember(first, *texts)
    await first.aclose()
    second = open_embedded_memory(tmp_path, embedder)
    refusal = r"vectors of words \(128 dimensions\).* is (words|other) \((64|128) dim.*`opspawn memory reindex`"
    for call in [second.list(ADA, limit=1), second.recall(ADA, "x", limit=1), remember(second, "x"), second.erase(ADA)]:
        with pytest.raises(MemoryMisconfigured, match=refusal):
            await call
    assert await second.reindex() == 100
    assert await texts_of(second) == texts
    assert [one.text for one in await second.recall(ADA, "Fact number 177", limit=1)] == ["Fact number 177"]
    await second.aclose()
    third = open_embedded_memory(tmp_path, WordEmbedder())
    with pytest.raises(MemoryMisconfigured, match="reindex"):
        await texts_of(third)
    await third.aclose()
    assert names_in(tmp_path) == ["2", "memory.json"]


async def test_the_vectors_stay_if_making_new_ones_fails(tmp_path: Path) -> None:
    class FailingEmbedder(WordEmbedder):
        async def embed(self, texts: Sequence[str], kind: EmbeddedKind) -> Sequence[Sequence[float]]:
            if len(self.texts) > 60:
                raise MemoryUnavailable("overloaded")
            return await super().embed(texts, kind)

    first = open_embedded_memory(tmp_path, WordEmbedder())
    texts = [f"Fact number {number}" for number in range(100, 200)]
    await remember(first, *texts)
    await first.aclose()
    second = open_embedded_memory(tmp_path, FailingEmbedder("other"))
    with pytest.raises(MemoryUnavailable, match="overloaded"):
        await second.reindex()
    await second.aclose()
    third = open_embedded_memory(tmp_path, WordEmbedder())
    assert await texts_of(third) == texts
    await third.aclose()


async def test_what_a_killed_process_left_over_is_removed(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "half").write_text("x")  # killed before memory.json was written
    first = open_embedded_memory(tmp_path, WordEmbedder())
    await remember(first, "Ada drinks tea")
    await first.aclose()
    (tmp_path / "2").mkdir()  # killed while vectors were made anew
    (tmp_path / "2" / "half").write_text("x")
    (tmp_path / "memory.json.new").write_text("{")
    second = open_embedded_memory(tmp_path, WordEmbedder())
    assert await texts_of(second) == ["Ada drinks tea"]
    assert not (tmp_path / "2").exists()
    assert await second.reindex() == 1
    await second.aclose()


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "can't be read"), ("[]", "can't be read"), ('{"format": 1}', "can't be read"), ('{"format": 2}', "newer")],
)
async def test_a_directory_that_cant_be_used_is_named_and_left_as_it_is(
    tmp_path: Path, content: str, message: str
) -> None:
    (tmp_path / "memory.json").write_text(content)
    memory = open_embedded_memory(tmp_path, WordEmbedder())
    with pytest.raises((MemoryUnavailable, MemoryMisconfigured), match=message) as raised:
        await texts_of(memory)
    assert str(tmp_path) in str(raised.value)
    await memory.aclose()
    assert names_in(tmp_path) == ["memory.json"]


async def test_a_damaged_shard_is_unavailable_and_left_as_it_is(tmp_path: Path) -> None:
    description = {"format": 1, "model": "words", "dimension": 128, "shard": 1}
    (tmp_path / "memory.json").write_text(json.dumps(description))
    memory = open_embedded_memory(tmp_path, WordEmbedder())
    with pytest.raises(MemoryUnavailable, match="can't be opened"):
        await texts_of(memory)
    await memory.aclose()
    assert (tmp_path / "memory.json").exists()


async def test_calls_at_the_same_time_open_it_once(tmp_path: Path) -> None:
    memory = open_embedded_memory(tmp_path, WordEmbedder())
    await asyncio.gather(*(remember(memory, f"Fact number {number}") for number in range(10)))
    assert len(await texts_of(memory)) == 10
    await memory.aclose()


async def test_no_file_has_an_erased_text_after_the_vectors_were_made_anew(tmp_path: Path) -> None:
    memory = open_embedded_memory(tmp_path, WordEmbedder())
    await remember(memory, *(f"Ada's secret number {number}" for number in range(20)))
    await memory.remember(MemoryScope(kind="user", owner="bob"), NewMemory(text="Bob drinks tea", key="1"))
    assert b"secret number" in bytes_in(tmp_path)
    assert await memory.erase(ADA) == 20
    assert await memory.reindex() == 1
    await memory.aclose()
    assert b"secret number" not in bytes_in(tmp_path)
    assert b"Bob drinks tea" in bytes_in(tmp_path)
