"""Read a task's history from Temporal: its parts, their events in pages, and what is being tried right now."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryRequest
from temporalio.client import Client, WorkflowExecutionDescription
from temporalio.converter import WorkflowSerializationContext
from temporalio.service import RPCError, RPCStatusCode

from api.events.history_decoder import Decoder
from api.tasks.temporal_calls import RPC_TIMEOUT

__all__ = ["TaskHistory"]

_LONG_POLL = timedelta(seconds=60)
"""Temporal itself answers after 20 s; who hears nothing for this long has lost it."""

Page = Sequence[HistoryEvent]


class TaskHistory:
    """The history of one task. Every method raises Temporal's own errors."""

    def __init__(self, client: Client, task_id: str) -> None:
        self._client = client
        self.task_id = task_id
        context = WorkflowSerializationContext(namespace=client.namespace, workflow_id=task_id)
        self.decoder = Decoder(client.data_converter.with_context(context))

    async def parts(self, newest: WorkflowExecutionDescription, known: Sequence[str] = ()) -> list[str]:
        """Return the run ids of the task's parts, in order; ``known`` are the first ones, where they are known.

        Found backwards, so that a task that was reset has the parts that count, and not those that were abandoned.
        """
        parts = [newest.run_id]
        if newest.raw_info.first_run_id == newest.run_id:
            return parts
        while parts[0] not in known:
            before = await self._part_before(parts[0])
            if before is None:
                return parts
            parts.insert(0, before)
        return [*known[: known.index(parts[0])], *parts]

    async def pages(self, run_id: str, *, wait: bool) -> AsyncGenerator[Page, None]:
        """Yield the events of a part, page by page; with ``wait``, as they come, until the part is closed."""
        token = b""
        while True:
            page, token = await self._page(run_id, token, wait=wait)
            yield page
            if not token:
                return

    async def pending(self, run_id: str) -> Sequence[PendingActivityInfo]:
        """Return the activities that a part waits for."""
        described = await self._client.get_workflow_handle(self.task_id, run_id=run_id).describe(
            rpc_timeout=RPC_TIMEOUT
        )
        return described.raw_description.pending_activities

    async def _part_before(self, run_id: str) -> str | None:
        try:
            page, _ = await self._page(run_id, b"", size=1)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return None  # Temporal keeps ended parts for a time only
        return page[0].workflow_execution_started_event_attributes.continued_execution_run_id or None

    async def _page(self, run_id: str, token: bytes, *, wait: bool = False, size: int = 0) -> tuple[Page, bytes]:
        # Without the SDK's own attempts: with them, the long poll of a lost server comes back up to 10 s late.
        answer = await self._client.workflow_service.get_workflow_execution_history(
            GetWorkflowExecutionHistoryRequest(
                namespace=self._client.namespace,
                execution=WorkflowExecution(workflow_id=self.task_id, run_id=run_id),
                maximum_page_size=size,
                next_page_token=token,
                wait_new_event=wait,
            ),
            retry=not wait,
            timeout=_LONG_POLL if wait else RPC_TIMEOUT,
        )
        return answer.history.events, answer.next_page_token
