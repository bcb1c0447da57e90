from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from agentkit.errors import MemoryMisconfigured
from agentkit.memory.embedders.local_embedder import LocalEmbedder


class LengthEmbedder(LocalEmbedder):
    """Returns how long each text is, and records in which order and on which thread it was called."""

    def __init__(self) -> None:
        super().__init__("length", 1)
        self.batches: list[list[str]] = []
        self.threads: set[str] = set()
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def _vectors(self, texts: Sequence[str]) -> list[list[float]]:
        self.batches.append(list(texts))
        self.threads.add(threading.current_thread().name)
        assert self.may_go_on.wait(10)
        if "broken" in texts:
            raise OSError("the file is damaged")
        return [[float(len(text))] for text in texts]


async def test_a_model_runs_on_one_thread_that_ends_with_it() -> None:
    embedder = LengthEmbedder()
    await asyncio.gather(*(embedder.embed(["a"], "query") for _ in range(5)))
    assert embedder.threads == {"embedder-length_0"}
    await embedder.aclose()
    assert "embedder-length_0" not in {thread.name for thread in threading.enumerate()}


async def test_a_query_does_not_wait_for_all_texts_of_a_long_call() -> None:
    embedder = LengthEmbedder()
    embedder.may_go_on.clear()
    many = asyncio.create_task(embedder.embed(["document"] * 100, "document"))
    await asyncio.sleep(0)
    query = asyncio.create_task(embedder.embed(["query"], "query"))
    await asyncio.sleep(0)
    embedder.may_go_on.set()
    assert await query == [[5.0]]
    assert len(await many) == 100
    assert embedder.batches[1] == ["query"]
    assert embedder.batches[-1] == ["document"] * 4
    await embedder.aclose()


async def test_what_an_engine_raises_is_an_error_of_memory() -> None:
    embedder = LengthEmbedder()
    with pytest.raises(MemoryMisconfigured, match=r"length can't be used: OSError: the file is damaged"):
        await embedder.embed(["broken"], "query")
    assert await embedder.embed(["ab"], "query") == [[2.0]]
    await embedder.aclose()
