"""Turn the history of a task into its events: pure, so that the same history always gives the same events."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pydantic import JsonValue, ValidationError
from temporalio.api.enums.v1 import EventType as Kind
from temporalio.api.history.v1 import HistoryEvent
from temporalio.converter import decode_typed_search_attributes
from temporalio.exceptions import CancelledError

from activities.payload_types import TOOL_PREFIX, ModelReply
from agentkit.interfaces import ModelResponse
from api.events.event import Event
from api.events.event_data import Told, dumped, failed, tool_completed, unreadable
from api.events.event_position import Position
from api.events.history_decoder import LOCAL_ACTIVITY, Decoded
from api.events.loop_rules import outcome_of
from api.events.scheduled_calls import AskedModel, CalledTool, Step, scheduled_call
from api.rest.response_schemas import TaskUsage
from api.tasks.task_reading import ending_of, input_of
from workflows.search_attributes import STATUS
from workflows.task_types import TaskInput, TaskResult, TaskStatus

__all__ = ["PartMapper"]


_Tale = Iterator[Told]


class PartMapper:
    """Maps one part of a task (a Temporal run; continue-as-new begins another), from its first event on, in order."""

    def __init__(self, task_id: str, run_id: str) -> None:
        self._task_id = task_id
        self._run_id = run_id
        self.pending: Mapping[str, AskedModel | CalledTool] = {}
        """Calls that have been scheduled and not come to anything yet, by activity id."""
        self._scheduled: dict[int, AskedModel | CalledTool] = {}
        self._attempts: dict[int, int] = {}
        self._step = Step()
        self._opening: dict[str, JsonValue] = {}
        self._opened = False
        self._status: str | None = None
        self._answer: ModelResponse | None = None
        self._worked_from = datetime.min.replace(tzinfo=UTC)
        self._maps: Mapping[int, Callable[[Decoded], _Tale]] = {
            Kind.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED: self._submitted,
            Kind.EVENT_TYPE_WORKFLOW_TASK_STARTED: self._taken_up,
            Kind.EVENT_TYPE_WORKFLOW_TASK_COMPLETED: self._decided,
            Kind.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES: self._upserted,
            Kind.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: self._called,
            Kind.EVENT_TYPE_ACTIVITY_TASK_STARTED: self._attempted,
            Kind.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: self._returned,
            Kind.EVENT_TYPE_ACTIVITY_TASK_FAILED: self._failed,
            Kind.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: self._timed_out,
            Kind.EVENT_TYPE_ACTIVITY_TASK_CANCELED: self._cancelled,
            Kind.EVENT_TYPE_MARKER_RECORDED: self._marked,
            Kind.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: self._completed,
            Kind.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: self._ended,
            Kind.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: self._task_cancelled,
            Kind.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED: self._ended,
            Kind.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT: self._ended,
        }

    def tells_of(self, kind: int) -> bool:
        """Say whether events of history of this type matter; the others need not be decoded."""
        return kind in self._maps

    def map(self, decoded: Decoded) -> list[Event]:
        """Return what an event of history tells of the task; nothing, most often."""
        tale = self._maps.get(decoded.event.event_type)
        if tale is None:
            return []
        event_id, at = decoded.event.event_id, _moment(decoded.event)
        return [
            Event(
                told.type, self._task_id, told.at or at, told.data, told.step, Position(self._run_id, event_id, index)
            )
            for index, told in enumerate(tale(decoded))
        ]

    def _submitted(self, decoded: Decoded) -> _Tale:
        try:
            task = TaskInput.model_validate(decoded.values[0])
        except (ValidationError, IndexError):
            pass  # not one of ours, or unreadable: what stands in history is told nevertheless
        else:
            self._step.agent = task.agent
            self._opening = {"agent": task.agent.name, "input": _input(task)}
        carried = decoded.event.workflow_execution_started_event_attributes.continued_execution_run_id
        self._opened = bool(carried)
        if not carried:
            yield self._now("queued")

    def _taken_up(self, decoded: Decoded) -> _Tale:
        self._worked_from = _moment(decoded.event)
        if not self._opened:
            self._opened = True
            yield Told("task.started", self._opening)

    def _decided(self, _: Decoded) -> _Tale:
        answer, self._answer = self._answer, None
        if answer is None or self._step.agent is None:
            return
        outcome = outcome_of(self._step.agent, answer, self._step.number)
        self._step.calls = outcome.admitted
        if outcome.plan:
            yield Told("plan.updated", {"plan": list(outcome.plan)}, self._step.number)
        for call, result in outcome.refused:
            error: JsonValue = {"type": "NotCalled", "message": result.content}
            told: dict[str, JsonValue] = {"call": dumped(call), "result": dumped(result), "error": error}
            yield Told("tool.failed", told, self._step.number)

    def _upserted(self, decoded: Decoded) -> _Tale:
        upserted = decoded.event.upsert_workflow_search_attributes_event_attributes.search_attributes
        status = decode_typed_search_attributes(upserted).get(STATUS)
        if status is not None and status != self._status:
            yield self._now(status)

    def _called(self, decoded: Decoded) -> _Tale:
        call = scheduled_call(decoded, self._step)
        if call is None:
            return
        self._scheduled[decoded.event.event_id] = call
        self._note_pending()
        if isinstance(call, CalledTool):
            yield Told("tool.started", {"call": dumped(call.call)}, call.step)
        else:
            self._step = replace(self._step, number=call.step, calls=(), asked_as=_number(call.activity_id))
            yield Told("model.started", {"model": call.model}, call.step)

    def _attempted(self, decoded: Decoded) -> _Tale:
        started = decoded.event.activity_task_started_event_attributes
        self._attempts[started.scheduled_event_id] = started.attempt
        yield from ()

    def _returned(self, decoded: Decoded) -> _Tale:
        call, _ = self._closed(decoded.event.activity_task_completed_event_attributes.scheduled_event_id)
        if isinstance(call, CalledTool):
            yield tool_completed(call, decoded)
        elif call is not None:
            yield self._answered(call, decoded)

    def _answered(self, call: AskedModel, decoded: Decoded) -> Told:
        try:
            reply = ModelReply.model_validate(decoded.values[0])
        except (ValidationError, IndexError):
            return Told("model.completed", {"model": call.model, **unreadable(decoded)}, call.step)
        self._answer = reply.response
        told: dict[str, JsonValue] = {
            "model": reply.model,
            "message": dumped(reply.response.message),
            "usage": dumped(reply.response.usage),
            "stop_reason": reply.response.stop_reason,
        }
        return Told("model.completed", told, call.step)

    def _failed(self, decoded: Decoded) -> _Tale:
        yield from self._came_to_nothing(
            decoded, decoded.event.activity_task_failed_event_attributes.scheduled_event_id, decoded.failure
        )

    def _timed_out(self, decoded: Decoded) -> _Tale:
        yield from self._came_to_nothing(
            decoded, decoded.event.activity_task_timed_out_event_attributes.scheduled_event_id, decoded.failure
        )

    def _cancelled(self, decoded: Decoded) -> _Tale:
        yield from self._came_to_nothing(
            decoded,
            decoded.event.activity_task_canceled_event_attributes.scheduled_event_id,
            CancelledError("Cancelled."),
        )

    def _came_to_nothing(self, decoded: Decoded, scheduled: int, failure: BaseException | None) -> _Tale:
        call, attempts = self._closed(scheduled)
        if call is not None:
            yield failed(call, decoded, failure, attempts)

    def _marked(self, decoded: Decoded) -> _Tale:
        marker = decoded.event.marker_recorded_event_attributes.marker_name
        about = decoded.about
        if marker != LOCAL_ACTIVITY or not isinstance(about, dict) or about.get("backoff"):
            return  # with a backoff, another attempt follows
        kind = str(about.get("activity_type", ""))
        call = self._step.local_call(kind.removeprefix(TOOL_PREFIX), str(about.get("activity_id", "")))
        if call is None or not kind.startswith(TOOL_PREFIX):
            return
        ended = _ended_at(about, _moment(decoded.event))
        yield Told("tool.started", {"call": dumped(call.call)}, call.step, min(self._worked_from, ended))
        attempt = about.get("attempt")
        if decoded.failure is None:
            told = tool_completed(call, decoded)
        else:
            told = failed(call, decoded, decoded.failure, attempt if isinstance(attempt, int) else 1)
        yield replace(told, at=ended)

    def _completed(self, decoded: Decoded) -> _Tale:
        yield from self._last("completed")
        try:
            result = TaskResult.model_validate(decoded.values[0])
        except (ValidationError, IndexError):
            yield Told("task.completed", {"status": "completed", **unreadable(decoded)})
            return
        spent: dict[str, JsonValue] = {"usage": dumped(TaskUsage.of(result.usage)), "steps": result.steps}
        yield Told("task.completed", {"status": "completed", "output": result.output, **spent})

    def _ended(self, decoded: Decoded) -> _Tale:
        ending = ending_of(decoded.event, decoded.failure)
        if ending is None:
            return
        yield from self._last(ending.status)
        told: dict[str, JsonValue] = {"status": ending.status, "error": {**dumped(ending.error), **unreadable(decoded)}}
        if ending.details is not None:
            told |= {"usage": dumped(TaskUsage.of(ending.details.usage)), "steps": ending.details.step}
        yield Told("task.failed", told)

    def _task_cancelled(self, _: Decoded) -> _Tale:
        yield from self._last("cancelled")
        yield Told("task.cancelled", {"status": "cancelled"})

    def _last(self, status: TaskStatus) -> _Tale:
        self._scheduled.clear()
        self._note_pending()
        if self._status != status:
            yield self._now(status)

    def _now(self, status: str) -> Told:
        self._status = status
        return Told("task.status", {"status": status})

    def _closed(self, scheduled: int) -> tuple[AskedModel | CalledTool | None, int]:
        call = self._scheduled.pop(scheduled, None)
        self._note_pending()
        return call, self._attempts.pop(scheduled, 1)

    def _note_pending(self) -> None:
        self.pending = {call.activity_id: call for call in self._scheduled.values()}


def _input(task: TaskInput) -> JsonValue:
    given = input_of(task.message)
    return given if isinstance(given, str) else [dumped(part) for part in given]


def _number(activity_id: str) -> int:
    return int(activity_id) if activity_id.isdecimal() else 0


def _moment(event: HistoryEvent) -> datetime:
    moment: datetime = event.event_time.ToDatetime(tzinfo=UTC)
    return moment


def _ended_at(about: Mapping[str, JsonValue], otherwise: datetime) -> datetime:
    """Return when a local activity ended: by the clock of the workflow, which is Temporal's."""
    match about.get("complete_time"):
        case {"seconds": int(seconds), "nanos": int(nanos)}:
            return datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=nanos // 1000)
    return otherwise
