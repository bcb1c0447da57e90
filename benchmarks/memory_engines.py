"""Compare two engines of embedded memory, qdrant-edge-py and qdrant-client's local mode.

``python -m benchmarks.memory_engines``
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from uuid import UUID, uuid4

from qdrant_client import AsyncQdrantClient, models

from agentkit.interfaces import EmbeddedKind, Memory, MemoryScope, NewMemory
from agentkit.memory.edge_points import EdgePoints
from agentkit.memory.server_points import ServerPoints
from agentkit.memory.stored_points import WORDS_VECTOR, MemoryPoint, PointStore, PointVectors, VectorModel
from agentkit.memory.vector_memory import VectorMemory
from agentkit.memory.word_vectors import document_words

__all__ = ["RandomEmbedder"]

_DIMENSION = 384
_SCOPES = [MemoryScope(kind="user", owner=f"user-{number}") for number in range(10)]
_TEXT = "Number {} of the memories is about {} and {}, told on a day in {}"
_WORDS = [f"word{number}" for number in range(2_000)]
_HEARTBEAT_S = 0.001
CALLS = 30


class RandomEmbedder:
    """An ``Embedder`` whose vectors are random and cost nothing, so that the database alone is measured."""

    name = "random"
    dimension = _DIMENSION

    async def embed(self, texts: Sequence[str], kind: EmbeddedKind) -> Sequence[Sequence[float]]:
        """See ``Embedder``."""
        return [self.vector(text) for text in texts]

    async def aclose(self) -> None:
        """See ``Embedder``."""

    @staticmethod
    def vector(text: str) -> Sequence[float]:
        """Return the text's vector."""
        numbers = random.Random(hashlib.sha256(text.encode()).digest())
        return [numbers.gauss(0, 1) for _ in range(_DIMENSION)]


class LocalPoints(ServerPoints):
    """The same requests to qdrant-client's local mode, whose calls run in the event loop."""

    def __init__(self, directory: Path) -> None:
        super().__init__("http://127.0.0.1:6333", api_key=None, collection="memories")
        self._client = AsyncQdrantClient(path=str(directory))

    async def prepare(self, model: VectorModel) -> None:
        """See ``PointStore``."""
        if self._model is None:
            self._model = model
            if not await self._client.collection_exists("memories"):
                size = models.VectorParams(size=model.dimension, distance=models.Distance.COSINE)
                idf = models.SparseVectorParams(modifier=models.Modifier.IDF)
                await self._client.create_collection(
                    "memories", vectors_config={self._meaning: size}, sparse_vectors_config={WORDS_VECTOR: idf}
                )


def _opened(engine: str, directory: Path) -> PointStore:
    return EdgePoints(directory) if engine == "edge" else LocalPoints(directory)


def _text(number: int) -> str:
    words = random.Random(number)
    return _TEXT.format(number, words.choice(_WORDS), words.choice(_WORDS), words.choice(_WORDS))


async def _put(points: PointStore, number: int, identifier: UUID) -> None:
    now, text = datetime.now(UTC), _text(number)
    memory = Memory(id=str(identifier), text=text, scope=_SCOPES[number % 10], created_at=now, updated_at=now)
    await points.put(MemoryPoint(memory), PointVectors(RandomEmbedder.vector(text), document_words(text)))


async def _times(count: int, call: Callable[[int], Awaitable[object]]) -> tuple[float, float, float]:
    """Return p50 and p95 of a call in ms, and the longest time in ms that the event loop stood still meanwhile."""
    stalls, times = [0.0], []

    async def beat() -> None:
        while True:
            started = time.perf_counter()
            await asyncio.sleep(_HEARTBEAT_S)
            stalls.append((time.perf_counter() - started - _HEARTBEAT_S) * 1e3)

    beating = asyncio.create_task(beat())
    for number in range(count):
        started = time.perf_counter()
        await call(number)
        times.append((time.perf_counter() - started) * 1e3)
        await asyncio.sleep(_HEARTBEAT_S)
    beating.cancel()
    return median(times), sorted(times)[int(count * 0.95)], sorted(stalls)[int(len(stalls) * 0.99)]


def _resident_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4_096 / 2**20


async def _measure(engine: str, directory: Path, count: int) -> None:
    out, before, model = sys.stdout, _resident_mib(), VectorModel("random", _DIMENSION)
    points = _opened(engine, directory)
    started = time.perf_counter()
    await points.prepare(model)
    out.write(f"| {engine} | create, ms | {(time.perf_counter() - started) * 1e3:.0f} |\n")
    started = time.perf_counter()
    for number in range(count):
        await _put(points, number, uuid4())
    out.write(f"| {engine} | put, ms each | {(time.perf_counter() - started) * 1e3 / count:.2f} |\n")
    memory = VectorMemory(points, RandomEmbedder())
    calls: dict[str, Callable[[int], Awaitable[object]]] = {
        "recall of 5": lambda number: memory.recall(_SCOPES[number % 10], _text(number * 7), limit=5),
        "remember": lambda number: memory.remember(
            _SCOPES[number % 10], NewMemory(text=_text(count + number), key=f"{number}")
        ),
        "list of 20": lambda number: memory.list(_SCOPES[number % 10], limit=20),
    }
    for name, call in calls.items():
        p50, p95, stall = await _times(CALLS, call)
        out.write(f"| {engine} | {name}, p50 / p95 / stall of the loop, ms | {p50:.1f} / {p95:.1f} / {stall:.1f} |\n")
    out.write(f"| {engine} | MiB that the process grew | {_resident_mib() - before:.0f} |\n")
    await memory.aclose()
    started = time.perf_counter()
    points = _opened(engine, directory)
    await points.prepare(model)
    out.write(f"| {engine} | open again, ms | {(time.perf_counter() - started) * 1e3:.0f} |\n")
    await points.aclose()


async def _write_for_ever(engine: str, directory: Path) -> None:
    points = _opened(engine, directory)
    await points.prepare(VectorModel("random", _DIMENSION))
    number = 0
    while True:
        await _put(points, number, UUID(int=number))
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
        number += 1


async def _lost(engine: str, directory: Path, acknowledged: int) -> tuple[int, int]:
    """Return how many acknowledged memories are lost, and how many are there more than once."""
    points = _opened(engine, directory)
    memory = VectorMemory(points, RandomEmbedder())
    found = [one.id for scope in _SCOPES async for one in memory.export(scope)]
    await memory.aclose()
    return len({str(UUID(int=number)) for number in range(acknowledged)} - set(found)), len(found) - len(set(found))


def _kill(engine: str, directory: Path, seconds: float) -> str:
    """Kill a process with SIGKILL while it writes; return what was lost."""
    command = [sys.executable, "-m", "benchmarks.memory_engines", "--write", engine, str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()  # it has begun
        deadline, last = time.monotonic() + seconds, 0
        for line in writer.stdout:
            last = int(line)
            if time.monotonic() > deadline:
                writer.kill()
                break
        rest = [line for line in writer.stdout.read().split("\n")[:-1] if line]
    acknowledged = (int(rest[-1]) if rest else last) + 1
    lost, doubled = asyncio.run(_lost(engine, directory, acknowledged))
    return f"lost {lost} of {acknowledged:,}, doubled {doubled}"


def main() -> None:
    """Measure, and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5_000)
    parser.add_argument("engines", nargs="*", default=["edge", "local"])
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--write", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        asyncio.run(_measure(arguments.measure[0], Path(arguments.measure[1]), arguments.count))
    elif arguments.write:
        asyncio.run(_write_for_ever(arguments.write[0], Path(arguments.write[1])))
    else:
        sys.stdout.write(
            f"{arguments.count:,} memories of 10 users, {_DIMENSION} dimensions\n\n| engine | | |\n|:--|:--|--:|\n"
        )
        for engine in arguments.engines:
            with tempfile.TemporaryDirectory() as directory:
                sys.stdout.flush()
                command = [sys.executable, "-m", "benchmarks.memory_engines", "--count", str(arguments.count)]
                subprocess.run([*command, "--measure", engine, f"{directory}/memory"], check=True)
                for number, seconds in enumerate((0.5, 1.0, 2.0)):
                    result = _kill(engine, Path(directory) / f"killed-{number}", seconds)
                    sys.stdout.write(f"| {engine} | kill -9 after {seconds} s | {result} |\n")


if __name__ == "__main__":
    main()
