"""Import memories from JSON lines, which ``export`` or a person wrote."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field, ValidationError

from activities.memory.memory_queries import ScopedMemory
from agentkit.interfaces import MemoryScope, NewMemory, RememberedMemory
from agentkit.json_text import MAX_JSON_DEPTH, is_deeper_than
from api.memories.memory_requests import NewMemoryRequest
from api.memories.worker_memory import WorkerMemory
from api.tasks.errors import FieldIssue, RequestInvalid
from api.tasks.requests.request_validation import issue_text
from api.tasks.requests.task_requests import RequestTime

__all__ = ["MAX_IMPORT_BYTES", "ImportedMemory", "import_memories", "read_lines"]

MAX_IMPORT_BYTES = 64 * 2**20
"""The largest body of an import."""

_BATCH = 100
"""Number of memories that one activity writes."""


class ImportedMemory(NewMemoryRequest):
    """One line of an import: a text to remember, or a memory as exports and searches have it."""

    id: Annotated[str, Field(max_length=255)] | None = None
    """The id in the export. It isn't kept; ``superseded_by`` of other lines refers to it."""
    created_at: RequestTime | None = None
    task_id: Annotated[str, Field(max_length=1000)] | None = None
    superseded_by: Annotated[str, Field(max_length=255)] | None = None
    updated_at: RequestTime | None = None
    """Of an export; it isn't kept."""
    score: float | None = None
    """Of a search; it isn't kept."""

    @property
    def key(self) -> str:
        """The idempotency key: the same line is the same memory."""
        return f"import/{hashlib.sha256((self.id or self.text).encode(errors='replace')).hexdigest()[:32]}"


def read_lines(body: bytes) -> Sequence[ImportedMemory]:
    """Return the memories of JSON lines; empty lines are left out.

    Raises:
        RequestInvalid: a line is wrong; the message has its number.
    """
    return [_read_line(line, number) for number, line in enumerate(body.split(b"\n"), 1) if line.strip()]


def _read_line(line: bytes, number: int) -> ImportedMemory:
    try:
        value = json.loads(line)
        if is_deeper_than(value, MAX_JSON_DEPTH):
            raise RecursionError
        if not isinstance(value, dict):
            raise ValueError('expected an object such as {"text": "Ada likes tea."}')
        return ImportedMemory.model_validate(_with_text_scope(value))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise _wrong(number, f"{place}: {issue_text(first)}" if place else issue_text(first)) from None
    except RecursionError:
        raise _wrong(number, f"it is nested too deeply: {MAX_JSON_DEPTH} levels at most") from None
    except ValueError as error:
        raise _wrong(number, f"it isn't JSON: {error}") from None


def _with_text_scope(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a line with its scope as text; exports have it as an object."""
    scope = value.get("scope")
    if not isinstance(scope, dict):
        return value
    return {**value, "scope": str(MemoryScope.model_validate(scope))}


def _wrong(number: int, text: str) -> RequestInvalid:
    return RequestInvalid(FieldIssue((), f"Line {number}: {text}. Nothing was imported"))


async def import_memories(
    memory: WorkerMemory, lines: Sequence[ImportedMemory], scope: MemoryScope | None
) -> Mapping[str, int]:
    """Remember the lines, in order; return the numbers of ``new``, ``same`` and ``updated`` ones.

    ``scope`` replaces the scopes of the lines. An import may be repeated: the same line is the same memory. Links to
    superseded memories are kept if both memories are among the lines.
    """
    import_ = _Import(lines, scope)
    for start in range(0, len(lines), _BATCH):
        batch = lines[start : start + _BATCH]
        import_.record(batch, await memory.add(list(import_.scoped(batch))))
    links = list(import_.further_links())
    for start in range(0, len(links), _BATCH):
        await memory.add(links[start : start + _BATCH])
    return import_.counts


class _Import:
    """The state of an import: which lines supersede others, and the ids of the stored memories."""

    def __init__(self, lines: Sequence[ImportedMemory], scope: MemoryScope | None) -> None:
        self.counts = {"new": 0, "same": 0, "updated": 0}
        self._lines = lines
        self._scope = scope
        self._ids: dict[str, str] = {}
        self._superseded: dict[str, list[str]] = defaultdict(list)
        """The ids that a line supersedes, by the line's id; all ids are those in the lines."""
        for line in lines:
            if line.id is not None and line.superseded_by is not None:
                self._superseded[line.superseded_by].append(line.id)
        self._linked: set[tuple[str, str]] = set()

    def scoped(self, batch: Sequence[ImportedMemory]) -> Iterator[ScopedMemory]:
        """Yield the memories of a batch, each with one that it supersedes, if that precedes it."""
        positions: dict[str, int] = {}
        for position, line in enumerate(batch):
            scoped = self._scoped(line)
            for old in self._superseded.get(line.id or "", ()):
                if old in self._ids:
                    scoped = self._scoped(line, supersedes=self._ids[old])
                elif old in positions:
                    scoped = scoped.model_copy(update={"supersedes_new": positions[old]})
                else:
                    continue
                self._linked.add((line.id or "", old))
                break
            yield scoped
            positions[line.id or ""] = position

    def record(self, batch: Sequence[ImportedMemory], results: Sequence[RememberedMemory]) -> None:
        """Count the results of a batch, and keep the ids."""
        for line, result in zip(batch, results, strict=True):
            self.counts[result.outcome] += 1
            if line.id is not None:
                self._ids[line.id] = result.memory.id

    def further_links(self) -> Iterator[ScopedMemory]:
        """Yield a memory again for each link to a superseded one that isn't stored yet."""
        for line in self._lines:
            for number, old in enumerate(self._superseded.get(line.id or "", ())):
                if (line.id or "", old) not in self._linked:
                    yield self._scoped(line, supersedes=self._ids[old], key=f"{line.key}/{number}")

    def _scoped(self, line: ImportedMemory, *, supersedes: str | None = None, key: str | None = None) -> ScopedMemory:
        memory = NewMemory(
            text=line.text,
            key=key or line.key,
            metadata=line.metadata,
            task_id=line.task_id,
            expires_at=line.expires_at,
            created_at=line.created_at,
            supersedes=supersedes,
        )
        return ScopedMemory(scope=self._scope or line.chosen_scope, memory=memory)
