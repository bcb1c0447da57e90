"""Measure what long-term memory finds, how fast, and how much memory it takes: ``python -m benchmarks.memory``."""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean, median, quantiles
from uuid import uuid4

from agentkit.config.agent_settings import AgentSettings
from agentkit.interfaces import Embedder, Memory, MemoryScope, NewMemory
from agentkit.memory.edge_points import EdgePoints
from agentkit.memory.embedders.embedder_choice import open_embedder
from agentkit.memory.stored_points import MemoryPoint, PointFilter, PointVectors, to_milliseconds
from agentkit.memory.vector_memory import VectorMemory
from agentkit.memory.word_vectors import WordVector, document_words, query_words
from agentkit.memory_rules import scope_key
from benchmarks.memory_texts import LabelledFact, QuestionKind, labelled_facts, other_memories

__all__ = ["SearchFigures", "StoreFigures", "recall_share"]

_LIMIT = 5
_SCOPE = MemoryScope(kind="user", owner="ada")
_WAYS = ("hybrid", "meaning", "words")
_KINDS: tuple[QuestionKind, ...] = ("shared words", "other words", "another language")
_BATCH = 32

_Search = Callable[[str], Awaitable[Sequence[str]]]
"""From a question to the texts of the memories that are found, best first."""


@dataclass(frozen=True, slots=True)
class SearchFigures:
    """One way of searching, over all questions."""

    way: str
    found: float
    """Share of the questions whose fact is among the first five."""
    found_by_kind: dict[str, float]
    found_by_language: dict[str, float]
    p50_ms: float
    p95_ms: float
    cpu_ms: float
    """The mean CPU time of all threads: other load on the machine hardly changes it."""


@dataclass(frozen=True, slots=True)
class StoreFigures:
    """One embedding model."""

    embeddings: str
    few: list[SearchFigures] = field(default_factory=list)
    """With the labelled facts alone."""
    many: list[SearchFigures] = field(default_factory=list)
    """With further memories; empty if there are to be none."""
    count: int = 0
    """How many memories there are then."""
    remember_ms: float = 0
    """The median time to remember one, its vectors included."""
    load_s: float = 0
    """Until the first text has its vector."""
    mib: float = 0
    """By how much the process has grown since its start, in MiB."""


def recall_share(found: Sequence[bool]) -> float:
    """Return which share of the questions was answered; 0 for none."""
    return mean(found) if found else 0.0


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4_096 / 2**20


def _searches(memory: VectorMemory, points: EdgePoints, embedder: Embedder) -> dict[str, _Search]:
    """Return the three ways: as ``recall`` does it, by vectors alone, and by words alone."""

    async def search(vectors: PointVectors) -> Sequence[str]:
        now = to_milliseconds(datetime.now(UTC))
        where = PointFilter(_SCOPE.tenant, now, scope_key(_SCOPE), current=True)
        return [stored.memory.text for stored, _ in await points.search(where, vectors, limit=_LIMIT)]

    async def hybrid(question: str) -> Sequence[str]:
        return [found.text for found in await memory.recall(_SCOPE, question, limit=_LIMIT)]

    async def by_meaning(question: str) -> Sequence[str]:
        (vector,) = await embedder.embed([question], "query")
        return await search(PointVectors(vector, WordVector()))

    async def by_words(question: str) -> Sequence[str]:
        words = query_words(question)
        return await search(PointVectors((), words)) if words.indices else []

    return {"hybrid": hybrid, "meaning": by_meaning, "words": by_words}


async def _ask(way: str, search: _Search, facts: Sequence[LabelledFact]) -> SearchFigures:
    """Ask all questions, one after the other."""
    results: list[tuple[str, str, bool]] = []
    times: list[float] = []
    cpu_before = time.process_time()
    for fact in facts:
        for question in fact.questions:
            started = time.perf_counter()
            texts = await search(question.text)
            times.append((time.perf_counter() - started) * 1e3)
            results.append((question.kind, fact.language, fact.text in texts))
    cpu_ms = (time.process_time() - cpu_before) * 1e3 / len(times)
    languages = sorted({language for _, language, _ in results})
    return SearchFigures(
        way,
        recall_share([found for *_, found in results]),
        {kind: recall_share([found for one, _, found in results if one == kind]) for kind in _KINDS},
        {one: recall_share([found for _, language, found in results if language == one]) for one in languages},
        median(times),
        quantiles(times, n=20)[-1],
        cpu_ms,
    )


async def _remember(memory: VectorMemory, facts: Sequence[LabelledFact]) -> float:
    times = []
    for number, fact in enumerate(facts):
        started = time.perf_counter()
        result = await memory.remember(_SCOPE, NewMemory(text=fact.text, key=str(number)))
        times.append((time.perf_counter() - started) * 1e3)
        if result.outcome != "new":
            raise SystemExit(f"{fact.text!r} was taken for another: {result.outcome}")
    return median(times)


async def _store_others(points: EdgePoints, embedder: Embedder, count: int) -> None:
    """Store them as they are, without asking whether they are there already."""
    now = datetime.now(UTC)
    texts = list(other_memories(count))
    for start in range(0, count, _BATCH):
        batch = texts[start : start + _BATCH]
        for text, vector in zip(batch, await embedder.embed(batch, "document"), strict=True):
            memory = Memory(id=str(uuid4()), text=text, scope=_SCOPE, created_at=now, updated_at=now)
            await points.put(MemoryPoint(memory), PointVectors(vector, document_words(text)))


async def measure(embeddings: str, directory: Path, count: int) -> StoreFigures:
    """Measure one embedding model in this process, in which nothing has been loaded."""
    facts, before = labelled_facts(), _resident_mib()
    embedder = await open_embedder(AgentSettings(ltm_embeddings=embeddings))
    started = time.perf_counter()
    await embedder.embed(["the first text"], "query")
    load_s = time.perf_counter() - started
    points = EdgePoints(directory)
    memory = VectorMemory(points, embedder)
    remember_ms = await _remember(memory, facts)
    searches = _searches(memory, points, embedder)
    few = [await _ask(way, searches[way], facts) for way in _WAYS]
    many: list[SearchFigures] = []
    if count > len(facts):
        await _store_others(points, embedder, count - len(facts))
        many = [await _ask(way, searches[way], facts) for way in _WAYS]
    mib = _resident_mib() - before
    await memory.aclose()
    return StoreFigures(embeddings, few, many, count, remember_ms, load_s, mib)


def _table(figures: StoreFigures, searches: Sequence[SearchFigures]) -> str:
    languages = list(searches[0].found_by_language)
    head = ["search", f"recall@{_LIMIT}", *_KINDS, *languages, "p50, ms", "p95, ms", "CPU, ms"]
    lines = ["| " + " | ".join(head) + " |", "|:--|" + "--:|" * (len(head) - 1)]
    for one in searches:
        shares = [one.found, *one.found_by_kind.values(), *one.found_by_language.values()]
        cells = [*(f"{share:.2f}" for share in shares), f"{one.p50_ms:.1f}", f"{one.p95_ms:.1f}", f"{one.cpu_ms:.1f}"]
        lines.append(f"| {figures.embeddings}, {one.way} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _print(figures: StoreFigures, facts: int) -> None:
    out = sys.stdout
    out.write(f"\n**{figures.embeddings}**: {figures.mib:.0f} MiB, loaded in {figures.load_s:.1f} s, ")
    out.write(f"one remembered in {figures.remember_ms:.1f} ms\n")
    out.write(f"\n{facts} memories:\n\n{_table(figures, figures.few)}\n")
    if figures.many:
        out.write(f"\n{figures.count:,} memories:\n\n{_table(figures, figures.many)}\n")


def _in_process_of_its_own(embeddings: str, count: int) -> StoreFigures:
    command = [sys.executable, "-m", "benchmarks.memory", "--in-process", embeddings, "--count", str(count)]
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    values = json.loads(output)
    for key in ("few", "many"):
        values[key] = [SearchFigures(**one) for one in values[key]]
    return StoreFigures(**values)


def main() -> None:
    """Measure, and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("embeddings", nargs="*", default=["minilm", "multilingual"])
    parser.add_argument("--count", type=int, default=5_000, help="how many memories there are at the end")
    parser.add_argument("--in-process", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.in_process:
        with tempfile.TemporaryDirectory() as directory:
            figures = asyncio.run(measure(arguments.in_process, Path(directory) / "memory", arguments.count))
        sys.stdout.write(json.dumps(asdict(figures)))
        return
    facts = labelled_facts()
    questions = sum(len(fact.questions) for fact in facts)
    sys.stdout.write(f"{len(facts)} facts, {questions} questions; Python {platform.python_version()}\n")
    for embeddings in arguments.embeddings:
        _print(_in_process_of_its_own(embeddings, arguments.count), len(facts))


if __name__ == "__main__":
    main()
