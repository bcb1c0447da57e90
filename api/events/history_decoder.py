"""Decode the payloads of history events: JSON values and failures, by the data converter that encoded them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.common import RawValue
from temporalio.converter import DataConverter

from activities.payload_types import decode_output
from agentkit.interfaces import ToolValue
from api.tasks.payload_decoding import unreadable_reason
from workflows.listing.journal import JOURNAL_KEY
from workflows.search_attributes import MEMO_INPUT_REQUESTS
from workflows.tools.plain_json import read_plain_json

__all__ = ["LOCAL_ACTIVITY", "DecodedEvent", "HistoryDecoder"]

LOCAL_ACTIVITY = "core_local_activity"
"""Name of the markers that record local activities."""

_Payloads = Sequence[Payload]


@dataclass(frozen=True, slots=True)
class DecodedEvent:
    """A history event with its payloads."""

    event: HistoryEvent
    values: tuple[Any, ...] = ()
    """The input or result, as JSON, or of a tool call a ``ToolOutput``; of an upserted memo, the
    journal and, if it is in the same event, the list of pending input requests."""
    failure: BaseException | None = None
    local_activity: JsonValue = None
    """Id, type, attempt and times of the local activity that the event, a marker, records; None for other events."""
    unreadable: str | None = None
    """Why a payload can't be decoded; then its field is empty, and so may be others."""


def _journal_payloads(event: HistoryEvent) -> _Payloads:
    """Return the journal's entries and, if they are upserted with it, the input requests that the memo lists."""
    fields = event.workflow_properties_modified_event_attributes.upserted_memo.fields
    if JOURNAL_KEY not in fields:
        return ()
    return [fields[key] for key in (JOURNAL_KEY, MEMO_INPUT_REQUESTS) if key in fields]


_PAYLOAD_GETTERS: dict[int, Callable[[HistoryEvent], _Payloads]] = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED: lambda event: (
        event.workflow_execution_started_event_attributes.input.payloads[:1]  # then the state of earlier runs
    ),
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: lambda event: (
        event.workflow_execution_completed_event_attributes.result.payloads
    ),
    EventType.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED: _journal_payloads,
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: lambda event: (
        event.activity_task_scheduled_event_attributes.input.payloads
    ),
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: lambda event: (
        event.activity_task_completed_event_attributes.result.payloads
    ),
    EventType.EVENT_TYPE_MARKER_RECORDED: lambda event: (
        event.marker_recorded_event_attributes.details["result"].payloads
        if "result" in event.marker_recorded_event_attributes.details
        else ()
    ),
}
"""Functions that return an event's encoded payloads, by event type."""

_TOOL_RESULTS = (EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED, EventType.EVENT_TYPE_MARKER_RECORDED)
"""Events whose payload may be the result of a tool."""

_FAILURE_GETTERS: dict[int, Callable[[HistoryEvent], Failure]] = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: lambda event: (
        event.workflow_execution_failed_event_attributes.failure
    ),
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED: lambda event: event.activity_task_failed_event_attributes.failure,
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: lambda event: event.activity_task_timed_out_event_attributes.failure,
    EventType.EVENT_TYPE_MARKER_RECORDED: lambda event: event.marker_recorded_event_attributes.failure,
}
"""Functions that return an event's encoded failure, by event type."""


class HistoryDecoder:
    """Decodes the history events of one task."""

    def __init__(self, converter: DataConverter) -> None:
        self._converter = converter

    async def decode(self, event: HistoryEvent) -> DecodedEvent:
        """Return the event with its payloads. Never raises: ``unreadable`` has the reason for a missing payload."""
        local_activity: JsonValue = None
        values: tuple[Any, ...] = ()
        failure: BaseException | None = None
        unreadable: str | None = None
        try:
            local_activity = await self.local_activity(event)
            if payloads := _PAYLOAD_GETTERS.get(event.event_type, _no_payloads)(event):
                values = await self._values(event, payloads)
            if failure_of := _FAILURE_GETTERS.get(event.event_type):
                failure = await self.failure(failure_of(event))
        except Exception as error:  # the boundary: a payload may be damaged, or stored where this process can't read it
            unreadable = unreadable_reason(error)
        return DecodedEvent(event, values, failure, local_activity, unreadable)

    async def tool_value(self, event: HistoryEvent) -> ToolValue:
        """Return the result that an event of a completed tool call holds; raise as the data converter does."""
        payloads = _PAYLOAD_GETTERS[event.event_type](event)
        if not payloads:
            return None
        raw: RawValue
        [raw] = await self._converter.decode(payloads[:1], [RawValue])
        value = read_plain_json(raw.payload, self._converter.payload_converter)
        return decode_output(value, raw.payload.metadata)

    async def _values(self, event: HistoryEvent, payloads: _Payloads) -> tuple[Any, ...]:
        if event.event_type in _TOOL_RESULTS:
            return (await self.tool_value(event),)
        return tuple(await self._converter.decode(payloads))

    async def payloads(self, payloads: Payloads) -> tuple[Any, ...]:
        """Return the values of payloads; raise as the data converter does."""
        return tuple(await self._converter.decode(payloads.payloads))

    async def failure(self, failure: Failure) -> BaseException | None:
        """Return a failure as an exception; None for an empty one."""
        return await self._converter.decode_failure(_copied(failure)) if failure.ByteSize() else None

    async def local_activity(self, event: HistoryEvent) -> JsonValue:
        """Return what a marker records of a local activity; None for other events. Raises as the converter does."""
        marker = event.marker_recorded_event_attributes
        if marker.marker_name != LOCAL_ACTIVITY:
            return None
        values: list[JsonValue] = await self._converter.decode(marker.details["data"].payloads)
        return values[0]


def _no_payloads(event: HistoryEvent) -> _Payloads:
    return ()


def _copied(failure: Failure) -> Failure:
    """Return a copy, since decoding a failure modifies it."""
    copy = Failure()
    copy.CopyFrom(failure)
    return copy
