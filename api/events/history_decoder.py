"""Read the payloads of history's events: JSON and failures, through the converter that wrote them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import JsonValue
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.converter import DataConverter

__all__ = ["LOCAL_ACTIVITY", "Decoded", "Decoder"]

LOCAL_ACTIVITY = "core_local_activity"
"""Name of the markers that tell of local activities."""

_Payloads = Sequence[Payload]


@dataclass(frozen=True, slots=True)
class Decoded:
    """An event of history, and what its payloads say."""

    event: HistoryEvent
    values: tuple[JsonValue, ...] = ()
    """The input or result."""
    failure: BaseException | None = None
    about: JsonValue = None
    """What a local activity's marker tells of it."""
    unreadable: str | None = None
    """Why the payloads could not be read; then the rest is empty."""


_INPUTS: dict[int, Callable[[HistoryEvent], _Payloads]] = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED: lambda event: (
        event.workflow_execution_started_event_attributes.input.payloads
    ),
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: lambda event: (
        event.workflow_execution_completed_event_attributes.result.payloads
    ),
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

_FAILURES: dict[int, Callable[[HistoryEvent], Failure]] = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: lambda event: (
        event.workflow_execution_failed_event_attributes.failure
    ),
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED: lambda event: event.activity_task_failed_event_attributes.failure,
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: lambda event: event.activity_task_timed_out_event_attributes.failure,
    EventType.EVENT_TYPE_MARKER_RECORDED: lambda event: event.marker_recorded_event_attributes.failure,
}


class Decoder:
    """Decodes the events of one task."""

    def __init__(self, converter: DataConverter) -> None:
        self._converter = converter

    async def decode(self, event: HistoryEvent) -> Decoded:
        """Return the event with its payloads read. What can't be read is said, and never raised."""
        try:
            return await self._decode(event)
        except Exception as error:  # the boundary: a payload may be damaged, foreign, or kept where we can't look
            return Decoded(event, unreadable=f"{type(error).__name__}: {error}")

    async def failure(self, failure: Failure) -> BaseException | None:
        """Return a failure as an exception; None where there is none."""
        return await self._converter.decode_failure(_copied(failure)) if failure.ByteSize() else None

    async def _decode(self, event: HistoryEvent) -> Decoded:
        payloads = _INPUTS.get(event.event_type, _nothing)(event)
        failure = _FAILURES.get(event.event_type)
        about: list[JsonValue] = []
        if event.marker_recorded_event_attributes.marker_name == LOCAL_ACTIVITY:
            about = await self._converter.decode(event.marker_recorded_event_attributes.details["data"].payloads)
        return Decoded(
            event,
            values=tuple(await self._converter.decode(payloads)) if payloads else (),
            failure=None if failure is None else await self.failure(failure(event)),
            about=about[0] if about else None,
        )


def _nothing(event: HistoryEvent) -> _Payloads:
    return ()


def _copied(failure: Failure) -> Failure:
    """Return a copy: decoding changes what it reads."""
    copy = Failure()
    copy.CopyFrom(failure)
    return copy
