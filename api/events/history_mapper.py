"""Map a task's Temporal history to its durable events.

All data of events is in history: an activity's id identifies its call, and the journal, a memo key that the workflow
upserts, has what no event of Temporal's records. So the mapper repeats no rule of the agent loop, and the same history
always gives the same events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, JsonValue, ValidationError
from temporalio.api.common.v1 import SearchAttributes
from temporalio.api.enums.v1 import EventType as HistoryType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.converter import decode_typed_search_attributes
from temporalio.exceptions import CancelledError

from activities.failure_mapping import is_local_timeout, is_refusal
from activities.memory.memory_payloads import RECALL_MEMORIES_ACTIVITY
from activities.payload_types import (
    DESCRIBE_MCP_TOOLS_ACTIVITY,
    LIST_MCP_TOOLS_ACTIVITY,
    MODEL_ACTIVITY,
    TOOL_PREFIX,
    ModelReply,
    decode_context,
    tool_activity_id,
)
from agentkit.errors import ToolInterrupted
from agentkit.interfaces import McpDescription, McpListing, ToolOutput
from agentkit.mcp_config.mcp_names import MCP_CALL
from agentkit.messages import ToolCall, ToolResult
from agentkit.runtime.calls.tool_results import error_result, tool_result
from agentkit.specs import AgentSpec, ToolSpec
from api.events.event import Event, EventType
from api.events.event_position import Position
from api.events.history_decoder import LOCAL_ACTIVITY, DecodedEvent
from api.events.memory_events import recall_failure_data, recalled_data
from api.events.pending_calls import PendingCall, PendingModelCall, PendingToolCall, ShownModelCall, call_error
from api.tasks.task_reading import closing_failure
from api.tasks.task_snapshot import TaskUsage, input_content
from workflows.listing.journal import (
    AnswerRefusedEntry,
    CancelledEntry,
    CompactedEntry,
    InputAnsweredEntry,
    InputRequestedEntry,
    LimitsRaisedEntry,
    MessageReceivedEntry,
    ParsedCallEntry,
    PlanEntry,
    RefusedCallEntry,
    SettledCallEntry,
    read_journal,
)
from workflows.search_attributes import STATUS
from workflows.task_types import TaskInput, TaskResult, TaskStatus
from workflows.tools.tool_execution import tool_error, tool_failure_text

__all__ = ["HistoryMapper", "event_data"]

_Data = dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class _Draft:
    """An event without task and position."""

    type: EventType
    data: Mapping[str, JsonValue] = field(default_factory=dict)
    step: int | None = None
    at: datetime | None = None
    """None: the time of the history event."""


_Drafts = Iterator[_Draft]

_TOOLS_OF_RESULTS: Mapping[str, tuple[type[McpListing | McpDescription], str]] = {
    LIST_MCP_TOOLS_ACTIVITY: (McpListing, "tools"),
    DESCRIBE_MCP_TOOLS_ACTIVITY: (McpDescription, "proxied"),
}
"""The activities whose results have further tools of the agent, and the field of the agent that these belong to."""


class HistoryMapper:
    """Maps the history of one run of a task, event by event from the first; continue-as-new begins another run."""

    def __init__(self, task_id: str, run_id: str) -> None:
        self.pending: Mapping[str, PendingCall] = {}
        """Calls that are scheduled and not finished, by activity id. Replaced, never modified."""
        self._task_id = task_id
        self._run_id = run_id
        self._agent: AgentSpec | None = None
        self._tool_sources: dict[int, str] = {}
        """The types of the activities that return further tools of the agent, by the ids of their events."""
        self._recalls: set[int] = set()
        """The ids of the events that scheduled the recall of memories."""
        self._task_data: _Data = {}
        self._started = False
        self._status: str | None = None
        self._step = 0
        self._calls: Mapping[str, ToolCall] = {}
        """Tool calls of the newest response, by activity id: those of its message and of the journal."""
        self._scheduled: dict[int, PendingCall] = {}
        """Pending calls by the id of the history event that scheduled them."""
        self._attempts: dict[int, int] = {}
        self._cancelled: _Data = {}
        """Usage and steps of a task that ends because it was cancelled."""
        self._refused: set[str] = set()
        """Activity ids of calls that a worker without the tool refused: another worker is asked."""
        self._workflow_task_started_at = datetime.min.replace(tzinfo=UTC)
        self._handlers: Mapping[int, Callable[[DecodedEvent], _Drafts]] = {
            HistoryType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED: self._submitted,
            HistoryType.EVENT_TYPE_WORKFLOW_TASK_STARTED: self._workflow_task_started,
            HistoryType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES: self._search_attributes_upserted,
            HistoryType.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED: self._journal_upserted,
            HistoryType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: self._activity_scheduled,
            HistoryType.EVENT_TYPE_ACTIVITY_TASK_STARTED: self._activity_started,
            HistoryType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: self._activity_completed,
            HistoryType.EVENT_TYPE_ACTIVITY_TASK_FAILED: self._activity_failed,
            HistoryType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: self._activity_timed_out,
            HistoryType.EVENT_TYPE_ACTIVITY_TASK_CANCELED: self._activity_cancelled,
            HistoryType.EVENT_TYPE_MARKER_RECORDED: self._marker_recorded,
            HistoryType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: self._task_completed,
            HistoryType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: self._task_failed,
            HistoryType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED: self._task_failed,
            HistoryType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT: self._task_failed,
            HistoryType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: self._task_cancelled,
        }

    def needs(self, history_type: int) -> bool:
        """Return whether ``map`` needs history events of this type; the others need not be decoded."""
        return history_type in self._handlers

    def map(self, decoded: DecodedEvent) -> list[Event]:
        """Return the events of one history event; most have none."""
        handler = self._handlers.get(decoded.event.event_type)
        if handler is None:
            return []
        event_id, at = decoded.event.event_id, _time_of(decoded.event)
        return [
            Event(
                draft.type, self._task_id, draft.at or at, draft.data, draft.step, Position(self._run_id, event_id, i)
            )
            for i, draft in enumerate(handler(decoded))
        ]

    # The task begins.

    def _submitted(self, decoded: DecodedEvent) -> _Drafts:
        try:
            task = TaskInput.model_validate(decoded.values[0])
        except (ValidationError, IndexError):
            self._task_data = _unreadable(decoded)
        else:
            self._agent = task.agent
            self._task_data = {"agent": task.agent.name, "input": _input_data(task)}
        self._started = bool(decoded.event.workflow_execution_started_event_attributes.continued_execution_run_id)
        if not self._started:
            yield self._status_changed("queued")

    def _workflow_task_started(self, decoded: DecodedEvent) -> _Drafts:
        self._workflow_task_started_at = _time_of(decoded.event)
        if not self._started:
            self._started = True
            yield _Draft("task.started", self._task_data)

    def _search_attributes_upserted(self, decoded: DecodedEvent) -> _Drafts:
        upserted = decoded.event.upsert_workflow_search_attributes_event_attributes.search_attributes
        if STATUS.name not in upserted.indexed_fields:
            return
        # The SDK can't decode that a time is unset, so it is given the status alone.
        only_status = SearchAttributes(indexed_fields={STATUS.name: upserted.indexed_fields[STATUS.name]})
        status = decode_typed_search_attributes(only_status).get(STATUS)
        if status is not None and status != self._status:
            yield self._status_changed(status)

    # Steps: a model call, what the journal records of its response, and tool calls.

    def _activity_scheduled(self, decoded: DecodedEvent) -> _Drafts:
        activity_type = decoded.event.activity_task_scheduled_event_attributes.activity_type.name
        if activity_type == MODEL_ACTIVITY:
            yield from self._model_scheduled(decoded)
        elif activity_type in _TOOLS_OF_RESULTS:
            self._tool_sources[decoded.event.event_id] = activity_type
        elif activity_type == RECALL_MEMORIES_ACTIVITY:
            self._recalls.add(decoded.event.event_id)
        elif activity_type.startswith(TOOL_PREFIX):
            yield from self._tool_scheduled(decoded, activity_type.removeprefix(TOOL_PREFIX))

    def _model_scheduled(self, decoded: DecodedEvent) -> _Drafts:
        try:
            call = ShownModelCall.model_validate(decoded.values[0])
        except (ValidationError, IndexError):
            return
        self._step, self._calls = call.step, {}
        activity_id = decoded.event.activity_task_scheduled_event_attributes.activity_id
        self._add_pending(decoded.event, PendingModelCall(activity_id, call.step, call.model))
        yield _Draft("model.started", {"model": call.model}, call.step)

    def _tool_scheduled(self, decoded: DecodedEvent, name: str) -> _Drafts:
        activity_id = decoded.event.activity_task_scheduled_event_attributes.activity_id
        tool = self._tool(name)
        call, step = ToolCall(id=activity_id, name=tool.name), self._step
        try:
            context = decode_context(decoded.values[1], self._task_id, activity_id)
            step = context.step
            call_id = (context.mcp and context.mcp.resumes) or context.call_id
            call = ToolCall.model_validate({"id": call_id, "name": tool.name, "arguments": decoded.values[0]})
        except (ValidationError, IndexError):
            call = self._calls.get(activity_id, call)
        self._add_pending(decoded.event, PendingToolCall(activity_id, step, call, tool))
        if activity_id in self._refused:
            self._refused.discard(activity_id)
        elif call.id == activity_id or tool_activity_id(call.id) == activity_id:  # else it goes on
            yield _Draft("tool.started", {"call": event_data(call), **_unreadable(decoded)}, step)

    def _activity_started(self, decoded: DecodedEvent) -> _Drafts:
        started = decoded.event.activity_task_started_event_attributes
        self._attempts[started.scheduled_event_id] = started.attempt
        yield from ()

    def _activity_completed(self, decoded: DecodedEvent) -> _Drafts:
        scheduled_event_id = decoded.event.activity_task_completed_event_attributes.scheduled_event_id
        if (source := self._tool_sources.pop(scheduled_event_id, None)) is not None:
            self._add_tools(source, decoded.values[0] if decoded.values else None)
            return
        if scheduled_event_id in self._recalls:
            if (data := recalled_data(decoded.values)) is not None:
                yield _Draft("memory.recalled", {**data, **_unreadable(decoded)})
            return
        call, _ = self._finish(scheduled_event_id)
        match call:
            case PendingModelCall():
                yield self._model_completed(call, decoded)
            case PendingToolCall() if not _requires_input(decoded):
                yield _tool_completed(call, decoded, self._agent)

    def _model_completed(self, call: PendingModelCall, decoded: DecodedEvent) -> _Draft:
        try:
            reply = ModelReply.model_validate(decoded.values[0])
        except (ValidationError, IndexError):
            return _Draft("model.completed", {"model": call.model, **_unreadable(decoded)}, call.step)
        message = reply.response.message
        self._calls = {tool_activity_id(tool_call.id): tool_call for tool_call in message.tool_calls}
        data: _Data = {
            "model": call.model,
            "message": event_data(message),
            "usage": event_data(reply.response.usage),
            "stop_reason": reply.response.stop_reason,
        }
        return _Draft("model.completed", data, call.step)

    def _journal_upserted(self, decoded: DecodedEvent) -> _Drafts:
        journal, listed = (*decoded.values[:2], None, None)[:2]
        for entry in read_journal(journal):
            match entry:
                case InputRequestedEntry():
                    request = entry.requested(listed)
                    data: _Data = {} if request is None else event_data(request)
                    yield _Draft(
                        "input.requested", {"input_request": {"id": entry.input_request_id, **data}}, entry.step
                    )
                case ParsedCallEntry():
                    self._calls = {**self._calls, tool_activity_id(entry.call.id): entry.call}
                case RefusedCallEntry():
                    yield self._tool_call_refused(entry)
                case CancelledEntry():
                    self._cancelled = {"usage": event_data(TaskUsage.of(entry.usage)), "steps": entry.step}
                case _:
                    yield _journal_draft(entry)

    def _tool_call_refused(self, entry: RefusedCallEntry) -> _Draft:
        call = self._calls.get(tool_activity_id(entry.call.id), entry.call)
        if call.name == MCP_CALL != entry.call.name:  # the call of an MCP tool, for which the model's stands
            call = entry.call
        result = error_result(call, entry.message)
        error: JsonValue = {"type": "NotCalled", "message": result.content}
        decided_by: _Data = {"decided_by": entry.decided_by} if entry.decided_by else {}
        data: _Data = {"call": event_data(call), "result": event_data(result), "error": error, **decided_by}
        return _Draft("tool.failed", data, entry.step)

    def _marker_recorded(self, decoded: DecodedEvent) -> _Drafts:
        """Map a local activity. Its marker is recorded when it has ended, without its arguments."""
        marker, local = decoded.event.marker_recorded_event_attributes, decoded.local_activity
        if marker.marker_name != LOCAL_ACTIVITY or not isinstance(local, dict) or local.get("backoff"):
            return  # a backoff: it will be retried
        activity_type, activity_id = str(local.get("activity_type", "")), str(local.get("activity_id", ""))
        if not activity_type.startswith(TOOL_PREFIX):
            return
        name = activity_type.removeprefix(TOOL_PREFIX)
        call = PendingToolCall(
            activity_id, self._step, self._calls.get(activity_id, ToolCall(id=activity_id, name=name)), self._tool(name)
        )
        ended_at = _completion_time(local, _time_of(decoded.event))
        started_at = min(self._workflow_task_started_at, ended_at)
        yield _Draft("tool.started", {"call": event_data(call.call)}, call.step, started_at)
        if is_refusal(decoded.failure) or is_local_timeout(decoded.failure):  # an activity follows
            self._refused.add(activity_id)
            return
        if not marker.HasField("failure"):
            ended = _tool_completed(call, decoded, self._agent)
        else:
            attempt = local.get("attempt")
            ended = _call_failed(call, decoded, decoded.failure, attempt if isinstance(attempt, int) else 1)
        yield replace(ended, at=ended_at)

    def _activity_failed(self, decoded: DecodedEvent) -> _Drafts:
        scheduled = decoded.event.activity_task_failed_event_attributes.scheduled_event_id
        yield from self._failed(decoded, scheduled, decoded.failure)

    def _activity_timed_out(self, decoded: DecodedEvent) -> _Drafts:
        scheduled = decoded.event.activity_task_timed_out_event_attributes.scheduled_event_id
        yield from self._failed(decoded, scheduled, decoded.failure)

    def _activity_cancelled(self, decoded: DecodedEvent) -> _Drafts:
        scheduled = decoded.event.activity_task_canceled_event_attributes.scheduled_event_id
        yield from self._failed(decoded, scheduled, CancelledError("Cancelled."))

    def _failed(self, decoded: DecodedEvent, scheduled_event_id: int, failure: BaseException | None) -> _Drafts:
        if scheduled_event_id in self._recalls:
            yield _Draft("memory.recalled", recall_failure_data(failure))
            return
        call, attempts = self._finish(scheduled_event_id)
        if call is not None and is_refusal(failure):
            self._refused.add(call.activity_id)
        elif call is not None:
            yield _call_failed(call, decoded, failure, attempts)

    # The task ends.

    def _task_completed(self, decoded: DecodedEvent) -> _Drafts:
        yield from self._final_status("completed")
        try:
            result = TaskResult.model_validate(decoded.values[0])
        except (ValidationError, IndexError):
            yield _Draft("task.completed", {"status": "completed", **_unreadable(decoded)})
            return
        spent: _Data = {"usage": event_data(TaskUsage.of(result.usage)), "steps": result.steps}
        yield _Draft("task.completed", {"status": "completed", "output": result.output, **spent})

    def _task_failed(self, decoded: DecodedEvent) -> _Drafts:
        ending = closing_failure(decoded.event, decoded.failure)
        if ending is None:
            return
        yield from self._final_status(ending.status)
        data: _Data = {"status": ending.status, "error": {**event_data(ending.error), **_unreadable(decoded)}}
        if ending.details is not None:
            data |= {"usage": event_data(TaskUsage.of(ending.details.usage)), "steps": ending.details.step}
        yield _Draft("task.failed", data)

    def _task_cancelled(self, _: DecodedEvent) -> _Drafts:
        yield from self._final_status("cancelled")
        yield _Draft("task.cancelled", {"status": "cancelled", **self._cancelled})

    def _final_status(self, status: TaskStatus) -> _Drafts:
        self._scheduled.clear()
        self._update_pending()
        if self._status != status:
            yield self._status_changed(status)

    def _status_changed(self, status: str) -> _Draft:
        self._status = status
        return _Draft("task.status", {"status": status})

    # Pending calls.

    def _add_pending(self, scheduled: HistoryEvent, call: PendingCall) -> None:
        self._scheduled[scheduled.event_id] = call
        self._update_pending()

    def _finish(self, scheduled_event_id: int) -> tuple[PendingCall | None, int]:
        """Remove a call from the pending ones; return it, and its number of attempts."""
        call = self._scheduled.pop(scheduled_event_id, None)
        self._update_pending()
        return call, self._attempts.pop(scheduled_event_id, 1)

    def _update_pending(self) -> None:
        self.pending = {call.activity_id: call for call in self._scheduled.values()}

    def _add_tools(self, source: str, value: JsonValue) -> None:
        """Add the MCP tools that an activity has returned to the agent."""
        record, field_name = _TOOLS_OF_RESULTS[source]
        try:
            tools = record.model_validate(value).tools
        except ValidationError:
            return
        if self._agent is not None:
            known: tuple[ToolSpec, ...] = getattr(self._agent, field_name)
            self._agent = self._agent.model_copy(update={field_name: (*known, *tools)})

    def _tool(self, name: str) -> ToolSpec:
        """Return the tool by its name in activity types."""
        tools = (*self._agent.tools, *reversed(self._agent.proxied)) if self._agent else ()
        return next(
            (tool for tool in tools if tool.activity_name == name), ToolSpec(name=name, description="", parameters={})
        )


def event_data(record: BaseModel) -> _Data:
    """Return a record as JSON, without fields that are None."""
    data: _Data = record.model_dump(mode="json", exclude_none=True)
    return data


def _settled(entry: SettledCallEntry) -> _Draft:
    """Map the outcome of a call that was cut off; its ``tool.interrupted`` came before."""
    data: _Data = {"result": event_data(entry.result)}
    if not entry.result.is_error:
        return _Draft("tool.completed", data, entry.step)
    return _Draft("tool.failed", {**data, "error": {"type": "Settled", "message": entry.result.content}}, entry.step)


_EntryWithEvent = (
    PlanEntry
    | SettledCallEntry
    | InputAnsweredEntry
    | AnswerRefusedEntry
    | MessageReceivedEntry
    | LimitsRaisedEntry
    | CompactedEntry
)


def _journal_draft(entry: _EntryWithEvent) -> _Draft:
    """Map an entry of the journal that is an event by itself."""
    match entry:
        case PlanEntry():
            return _Draft("plan.updated", {"plan": list(entry.plan)}, entry.step)
        case SettledCallEntry():
            return _settled(entry)
        case AnswerRefusedEntry():
            return _Draft("input.rejected", _entry_data(entry))
        case CompactedEntry():
            usage = event_data(TaskUsage.of(entry.usage))
            return _Draft("context.compacted", {**_entry_data(entry), "usage": usage}, entry.step)
    types: Mapping[str, EventType] = {
        "input_answered": "input.answered",
        "message_received": "message.received",
        "limits_raised": "limits.raised",
    }
    return _Draft(types[entry.type], _entry_data(entry), entry.step)


def _entry_data(entry: BaseModel) -> _Data:
    return {key: value for key, value in event_data(entry).items() if key not in ("type", "step")}


def _requires_input(decoded: DecodedEvent) -> bool:
    """Return whether a tool call has no result yet, because its server requires input: a further call goes on."""
    value = decoded.values[0] if decoded.values else None
    return isinstance(value, ToolOutput) and value.input_required is not None


def _tool_completed(call: PendingToolCall, decoded: DecodedEvent, agent: AgentSpec | None) -> _Draft:
    if decoded.unreadable is not None:
        result = ToolResult(call_id=call.call.id, name=call.call.name, content="")
    else:
        result = tool_result(call.call, decoded.values[0] if decoded.values else None, agent).without_claims()
    return _Draft("tool.completed", {"result": event_data(result), **_unreadable(decoded)}, call.step)


def _call_failed(call: PendingCall, decoded: DecodedEvent, failure: BaseException | None, attempts: int) -> _Draft:
    error: _Data = {**call_error(call, failure), **_unreadable(decoded)}
    if isinstance(call, PendingModelCall):
        return _Draft("model.failed", {"model": call.model, "error": error, "attempts": attempts}, call.step)
    if isinstance(tool_error(call.tool, failure), ToolInterrupted):
        return _Draft("tool.interrupted", {"call": event_data(call.call), "error": error}, call.step)
    result = error_result(call.call, tool_failure_text(call.tool, failure))
    return _Draft("tool.failed", {"result": event_data(result), "error": error, "attempts": attempts}, call.step)


def _unreadable(decoded: DecodedEvent) -> _Data:
    return {} if decoded.unreadable is None else {"unreadable": decoded.unreadable}


def _input_data(task: TaskInput) -> JsonValue:
    given = input_content(task.message)
    return given if isinstance(given, str) else [event_data(part) for part in given]


def _time_of(event: HistoryEvent) -> datetime:
    time: datetime = event.event_time.ToDatetime(tzinfo=UTC)
    return time


def _completion_time(local_activity: Mapping[str, JsonValue], default: datetime) -> datetime:
    """Return when a local activity ended, by the clock of its workflow, which is Temporal's."""
    match local_activity.get("complete_time"):
        case {"seconds": int(seconds), "nanos": int(nanos)}:
            return datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=nanos // 1000)
    return default
