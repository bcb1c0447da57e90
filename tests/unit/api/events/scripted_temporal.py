"""A Temporal service in memory, behind the SDK's own client: one task, whose history a test extends, and outages."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import uuid4

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType, WorkflowExecutionStatus
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflow.v1 import PendingActivityInfo, WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    DescribeWorkflowExecutionResponse,
    GetWorkflowExecutionHistoryRequest,
    GetWorkflowExecutionHistoryResponse,
    ListWorkflowExecutionsRequest,
    ListWorkflowExecutionsResponse,
)
from temporalio.client import Client
from temporalio.service import ConnectConfig, RPCError, RPCStatusCode, ServiceClient

from activities.payload_types import MODEL_ACTIVITY, ModelCall
from workflows.listing.journal import JOURNAL_KEY, PlanEntry

Response = TypeVar("Response", bound=Message)

TASK_ID = "task-1"
TIMEOUT_S = 10.0


def payload(value: Any) -> Payload:
    """Return a value as the JSON payload that a worker writes."""
    return Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(value).encode())


class ScriptedTemporal(ServiceClient):
    """Serves the task ``TASK_ID``, whose first run has started."""

    def __init__(self, *, page_size: int = 3) -> None:
        super().__init__(ConnectConfig(target_host="scripted.test:7233"))
        self.runs: dict[str, list[HistoryEvent]] = {}
        """History events by run id."""
        self.first_run_id = ""
        self.pending: list[PendingActivityInfo] = []
        self.executions: list[WorkflowExecutionInfo] = []
        """What visibility lists, whatever the query."""
        self.error: RPCError | None = None
        """Raised by each call while it is set, and by long polls in progress."""
        self.calls: Counter[str] = Counter()
        self.long_polls = 0
        """In progress."""
        self._page_size = page_size
        self._changed = asyncio.Event()
        self._called = asyncio.Event()
        self.start_run()

    def client(self) -> Client:
        """Return a client of this service."""
        return Client(self)

    @property
    def run_id(self) -> str:
        """The newest run's id."""
        return list(self.runs)[-1]

    def start_run(self) -> None:
        """Begin the first run, or continue the task as new."""
        previous, run_id = (self.run_id if self.runs else ""), str(uuid4())
        if previous:
            event = self._append(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW)
            event.workflow_execution_continued_as_new_event_attributes.new_execution_run_id = run_id
        else:
            self.first_run_id = run_id
        self.runs[run_id] = []
        event = self._append(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED)
        event.workflow_execution_started_event_attributes.continued_execution_run_id = previous
        self._notify()

    def plan(self, *items: str) -> None:
        """Record a plan: one history event, and one event of the task."""
        event = self._append(EventType.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED)
        entry = PlanEntry(step=1, plan=items).model_dump(mode="json")
        memo = event.workflow_properties_modified_event_attributes.upserted_memo
        memo.fields[JOURNAL_KEY].CopyFrom(payload([entry]))
        self._notify()

    def schedule_model(self, model: str = "demo:demo") -> str:
        """Schedule a model call; return its activity id."""
        event = self._append(EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
        scheduled = event.activity_task_scheduled_event_attributes
        scheduled.activity_id = f"model-{event.event_id}-0"
        scheduled.activity_type.name = MODEL_ACTIVITY
        call = ModelCall(step=1, agent_hash="", model=model, end=1, digest="")
        scheduled.input.payloads.append(payload(call.model_dump(mode="json")))
        self._notify()
        return str(scheduled.activity_id)

    def complete_model(self) -> None:
        """Complete the model call that was scheduled by the newest event."""
        scheduled = self.runs[self.run_id][-1].event_id
        event = self._append(EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED)
        event.activity_task_completed_event_attributes.scheduled_event_id = scheduled
        self._notify()

    def cancel_task(self) -> None:
        """End the task."""
        self._append(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED)
        self._notify()

    def erase(self) -> None:
        """Forget the task; later calls fail with NOT_FOUND."""
        self.fail(RPCStatusCode.NOT_FOUND, "workflow not found")

    def fail(self, status: RPCStatusCode = RPCStatusCode.UNAVAILABLE, message: str = "tcp connect error") -> None:
        """Fail all calls, long polls in progress included, until ``recover``."""
        self.error = RPCError(message, status, b"")
        self._notify()

    def recover(self) -> None:
        """Serve calls again."""
        self.error = None

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds, which is checked when a call or a long poll begins or ends."""
        async with asyncio.timeout(TIMEOUT_S):
            while not condition():
                await self._called.wait()

    def _append(self, event_type: EventType.ValueType) -> HistoryEvent:
        events = self.runs[self.run_id]
        event = HistoryEvent(event_id=len(events) + 1, event_type=event_type)
        event.event_time.FromDatetime(datetime(2026, 11, 21, 20, 0, tzinfo=UTC))
        events.append(event)
        return event

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _note_call(self) -> None:
        self._called.set()
        self._called = asyncio.Event()

    def _is_closed(self, run_id: str) -> bool:
        closing = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED
        return run_id != self.run_id or self.runs[run_id][-1].event_type == closing

    async def get_workflow_execution_history(
        self, request: GetWorkflowExecutionHistoryRequest
    ) -> GetWorkflowExecutionHistoryResponse:
        run_id = request.execution.run_id
        if run_id not in self.runs:
            raise RPCError("workflow not found", RPCStatusCode.NOT_FOUND, b"")
        events = self.runs[run_id]
        start = int(request.next_page_token or 0)
        self.long_polls += request.wait_new_event
        self._note_call()
        try:
            while request.wait_new_event and start >= len(events) and not self._is_closed(run_id):
                await self._changed.wait()
                if self.error is not None:
                    raise self.error
        finally:
            self.long_polls -= request.wait_new_event
            self._note_call()
        response = GetWorkflowExecutionHistoryResponse()
        end = min(start + (request.maximum_page_size or self._page_size), len(events))
        response.history.events.extend(events[start:end])
        if end < len(events) or (request.wait_new_event and not self._is_closed(run_id)):
            response.next_page_token = str(end).encode()
        return response

    async def describe_workflow_execution(
        self, request: DescribeWorkflowExecutionRequest
    ) -> DescribeWorkflowExecutionResponse:
        run_id = request.execution.run_id or self.run_id
        response = DescribeWorkflowExecutionResponse(pending_activities=self.pending)
        info = response.workflow_execution_info
        info.execution.workflow_id, info.execution.run_id = TASK_ID, run_id
        info.type.name = "AgentTask"
        info.first_run_id = self.first_run_id
        info.history_length = len(self.runs[run_id])
        info.status = (
            WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CANCELED
            if self._is_closed(run_id)
            else WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING
        )
        return response

    async def list_workflow_executions(self, request: ListWorkflowExecutionsRequest) -> ListWorkflowExecutionsResponse:
        return ListWorkflowExecutionsResponse(executions=self.executions)

    @property
    def worker_service_client(self) -> Any:
        raise NotImplementedError("there are no workers here")

    def update_rpc_metadata(self, metadata: Mapping[str, str | bytes]) -> None:
        """Do nothing: there is no connection."""

    def update_api_key(self, api_key: str | None) -> None:
        """Do nothing: there is no connection."""

    async def _rpc_call(
        self,
        rpc: str,
        req: Message,
        resp_type: type[Response],
        *,
        service: str,
        retry: bool,
        metadata: Mapping[str, str | bytes],
        timeout: timedelta | None,  # noqa: ASYNC109  # the SDK's own signature
    ) -> Response:
        self.calls[rpc] += 1
        self._note_call()
        if self.error is not None:
            raise self.error
        response: Response = await getattr(self, rpc)(req)
        return response
