"""Read what a tool call returned: from its task's history, and from payload storage."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from cachetools import LRUCache
from pydantic import JsonValue
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

from activities.failure_mapping import is_local_timeout, is_refusal
from activities.payload_types import TOOL_PREFIX, tool_activity_id
from activities.settings import Settings
from activities.storage.content_storage import ContentStorage
from activities.temporal.client import temporal_address
from activities.temporal.payload_storage import PayloadStorageFailed
from agentkit.interfaces import ToolOutput, ToolValue
from agentkit.messages import StoredContent
from agentkit.runtime.calls.tool_results import encoded_text, value_text
from agentkit.specs import ToolSpec
from api.events.history_decoder import LOCAL_ACTIVITY, HistoryDecoder
from api.events.task_history import TaskHistory
from api.tasks.errors import ToolCallFailed, ToolCallNotFound, ToolCallUnfinished
from api.tasks.payload_decoding import payload_unavailable
from api.tasks.task_service import TaskService
from api.tasks.temporal_calls import calling_temporal
from workflows.listing.journal import RefusedCallEntry, SettledCallEntry, read_journal
from workflows.tools.tool_execution import tool_failure_text

__all__ = ["RecordedResult", "RecordedResults"]

_CACHE_SIZE = 1_000
"""Results whose place is known, so that reading one in ranges reads the history once."""


@dataclass(frozen=True, slots=True)
class RecordedResult:
    """What a tool call returned, or one of the files that it returned."""

    media_type: str
    size: int
    """In bytes."""
    name: str | None = None
    """A file's name."""
    data: bytes | None = None
    """All of it; None where it is in payload storage."""
    stored: StoredContent | None = None


class RecordedResults:
    """Finds the results of tool calls. Methods raise what those of ``TaskService`` do."""

    def __init__(self, client: Client, tasks: TaskService, settings: Settings) -> None:
        self._client = client
        self._tasks = tasks
        self._address = temporal_address(settings)
        self._storage = ContentStorage(client)
        self._stored: LRUCache[tuple[str, str, int | None], RecordedResult] = LRUCache(_CACHE_SIZE)
        """By run, call and file."""

    async def find(self, task_id: str, call_id: str, file: int | None = None) -> RecordedResult:
        """Return the result of a call, or of its files the one with this number, from 1.

        A result that is nothing but one file is that file.

        Raises:
            TaskNotFound: there is no task of this id.
            ToolCallNotFound: the task has made no such call, or it returned no such file.
            ToolCallUnfinished: it has not ended.
            ToolCallFailed: it gave no result.
            PayloadUnavailable: the result can't be read.
        """
        newest = await self._tasks.describe(task_id)
        key = (newest.run_id, call_id, file)
        if (known := self._stored.get(key)) is not None:
            return known
        history = TaskHistory(self._client, task_id)
        async with calling_temporal(self._address, task_id):
            for run_id in reversed(await history.run_ids(newest)):
                search = _CallSearch(history.decoder, call_id)
                async for page in history.pages(run_id, wait=False):
                    for event in page:
                        await search.add(event)
                if search.is_known:
                    found = _selected(await search.value(), call_id, file)
                    if found.stored is not None:
                        self._stored[key] = found
                    return found
        raise ToolCallNotFound(f"Task {task_id!r} has made no tool call {call_id!r}.")

    async def blocks(self, result: RecordedResult, start: int, end: int) -> AsyncIterator[bytes]:
        """Yield the bytes from ``start`` up to and excluding ``end``.

        Raises:
            PayloadUnavailable: they can't be read.
        """
        if result.stored is None:
            yield (result.data or b"")[start:end]
            return
        try:
            async for block in self._storage.blocks(result.stored, start, end):
                yield block
        except PayloadStorageFailed as error:
            raise payload_unavailable(error) from error


class _CallSearch:
    """Looks for one tool call in the events of a run."""

    def __init__(self, decoder: HistoryDecoder, call_id: str) -> None:
        self.is_known = False
        """Whether the run made the call, refused it, or asked a person its question."""
        self._decoder = decoder
        self._call_id = call_id
        self._activity_id = tool_activity_id(call_id)
        self._scheduled: set[int] = set()
        """Ids of the events that scheduled it: several where workers refused it."""
        self._tool = ""
        self._completed: HistoryEvent | None = None
        self._failure: str | None = None
        self._settled: str | None = None
        """What a person answered, or a probe or a person found of a call that was cut off."""

    async def add(self, event: HistoryEvent) -> None:
        """Take the next event."""
        if event.HasField("activity_task_scheduled_event_attributes"):
            self._add_scheduled(event)
        elif event.HasField("marker_recorded_event_attributes"):
            await self._add_local(event)
        elif event.HasField("workflow_properties_modified_event_attributes"):
            await self._add_journal(event)
        elif self._scheduled and _scheduled_event_id(event) in self._scheduled:
            await self._add_end(event)

    async def value(self) -> ToolValue:
        """Return the call's result.

        Raises:
            ToolCallUnfinished: it has not ended.
            ToolCallFailed: it gave no result.
            PayloadUnavailable: the result can't be read.
        """
        if self._completed is not None:
            try:
                return await self._decoder.tool_value(self._completed)
            except Exception as error:  # the boundary: it may be damaged, or stored where this process can't read it
                raise payload_unavailable(error) from error
        if self._settled is not None:
            return self._settled
        if self._failure is not None:
            raise ToolCallFailed(f"Tool call {self._call_id!r} gave no result. {self._failure}")
        raise ToolCallUnfinished(f"Tool call {self._call_id!r} has not ended.")

    def _add_scheduled(self, event: HistoryEvent) -> None:
        scheduled = event.activity_task_scheduled_event_attributes
        if scheduled.activity_id == self._activity_id and scheduled.activity_type.name.startswith(TOOL_PREFIX):
            self.is_known, self._tool = True, scheduled.activity_type.name.removeprefix(TOOL_PREFIX)
            self._scheduled.add(event.event_id)

    async def _add_end(self, event: HistoryEvent) -> None:
        if event.HasField("activity_task_completed_event_attributes"):
            self._completed = event
        elif event.HasField("activity_task_canceled_event_attributes"):
            self._failure = "It was cancelled."
        else:
            self._set_failure((await self._decoder.decode(event)).failure)

    async def _add_journal(self, event: HistoryEvent) -> None:
        decoded = await self._decoder.decode(event)
        for entry in read_journal(decoded.values[0] if decoded.values else None):
            if isinstance(entry, RefusedCallEntry) and entry.call.id == self._call_id:
                self.is_known, self._failure = True, entry.message
            elif isinstance(entry, SettledCallEntry) and entry.result.call_id == self._call_id:
                self.is_known = True  # a question to a person has no activity
                self._settled = None if entry.result.is_error else entry.result.content
                self._failure = entry.result.content

    async def _add_local(self, event: HistoryEvent) -> None:
        """Take a local activity, whose marker is recorded when it has ended."""
        marker = event.marker_recorded_event_attributes
        if marker.marker_name != LOCAL_ACTIVITY:
            return
        local = await self._decoder.local_activity(event)
        if not isinstance(local, dict) or local.get("activity_id") != self._activity_id or local.get("backoff"):
            return
        self.is_known, self._tool = True, str(local.get("activity_type", "")).removeprefix(TOOL_PREFIX)
        if marker.HasField("failure"):
            self._set_failure((await self._decoder.decode(event)).failure)
        else:
            self._completed = event

    def _set_failure(self, failure: BaseException | None) -> None:
        if not is_refusal(failure) and not is_local_timeout(failure):  # then it is made again
            self._failure = tool_failure_text(ToolSpec(name=self._tool, description="", parameters={}), failure)


def _scheduled_event_id(event: HistoryEvent) -> int:
    """Return the id of the event that scheduled the activity that an event is about; 0 for other events."""
    for name in ("completed", "failed", "timed_out", "canceled"):
        if event.HasField(field := f"activity_task_{name}_event_attributes"):  # type: ignore[arg-type]
            return int(getattr(event, field).scheduled_event_id)
    return 0


def _selected(value: ToolValue, call_id: str, file: int | None) -> RecordedResult:
    files = (value.files or ()) if isinstance(value, ToolOutput) else ()
    if file is None and len(files) == 1 and isinstance(value, ToolOutput) and value.value is None:
        file = 1
    if file is not None:
        if not 1 <= file <= len(files):
            raise ToolCallNotFound(f"Tool call {call_id!r} returned {len(files)} files: there is no file {file}.")
        return _kept(files[file - 1])
    if not isinstance(value, ToolOutput):
        return _inline(value)
    if value.omitted is None:
        return _inline(value.value)
    missing = StoredContent(media_type="text/plain", size=value.omitted.size)
    return _kept(value.whole or missing)


def _kept(content: StoredContent) -> RecordedResult:
    return RecordedResult(content.media_type, content.size, content.name, stored=content)


def _inline(value: JsonValue) -> RecordedResult:
    data = encoded_text(value_text(value))
    return RecordedResult("text/plain" if isinstance(value, str) else "application/json", len(data), data=data)
