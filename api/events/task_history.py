"""Read a task's history from Temporal: its runs, their history events in pages, and their pending activities."""

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

from api.events.history_decoder import HistoryDecoder
from api.tasks.temporal_calls import RPC_TIMEOUT

__all__ = ["TaskHistory"]

_LONG_POLL_TIMEOUT = timedelta(seconds=60)
"""Temporal responds after 20 s even without news; without a response for this long, the connection is lost."""

_Page = Sequence[HistoryEvent]


class TaskHistory:
    """Reads the history of one task. Every method raises Temporal's own errors."""

    def __init__(self, client: Client, task_id: str) -> None:
        self._client = client
        self.task_id = task_id
        context = WorkflowSerializationContext(namespace=client.namespace, workflow_id=task_id)
        self.decoder = HistoryDecoder(client.data_converter.with_context(context))

    async def run_ids(self, newest: WorkflowExecutionDescription, first_run_ids: Sequence[str] = ()) -> list[str]:
        """Return the ids of the task's runs, in order.

        They are found backwards from the newest, so those that a reset has abandoned are left out; so are those that
        Temporal has deleted: it keeps closed runs for its retention period only.

        Args:
            newest: the description of the newest run.
            first_run_ids: ids of the first runs, in order, as far as they were found before.
        """
        run_ids = [newest.run_id]
        if newest.raw_info.first_run_id == newest.run_id:
            return run_ids
        while run_ids[0] not in first_run_ids:
            try:
                previous = await self._previous_run_id(run_ids[0])
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND or len(run_ids) == 1:
                    raise
                return run_ids[1:]
            if previous is None:
                return run_ids
            run_ids.insert(0, previous)
        return [*first_run_ids[: first_run_ids.index(run_ids[0])], *run_ids]

    async def pages(self, run_id: str, *, wait: bool) -> AsyncGenerator[_Page, None]:
        """Yield the history events of a run in pages; with ``wait``, newer ones as they happen, until it is closed."""
        token = b""
        while True:
            page, token = await self._page(run_id, token, wait=wait)
            yield page
            if not token:
                return

    async def pending_activities(self, run_id: str) -> Sequence[PendingActivityInfo]:
        """Return the activities that a run waits for."""
        description = await self._client.get_workflow_handle(self.task_id, run_id=run_id).describe(
            rpc_timeout=RPC_TIMEOUT
        )
        return description.raw_description.pending_activities

    async def _previous_run_id(self, run_id: str) -> str | None:
        page, _ = await self._page(run_id, b"", size=1)
        return page[0].workflow_execution_started_event_attributes.continued_execution_run_id or None

    async def _page(self, run_id: str, token: bytes, *, wait: bool = False, size: int = 0) -> tuple[_Page, bytes]:
        # A long poll without the SDK's retries: with them, it comes back up to 10 s after the server does.
        response = await self._client.workflow_service.get_workflow_execution_history(
            GetWorkflowExecutionHistoryRequest(
                namespace=self._client.namespace,
                execution=WorkflowExecution(workflow_id=self.task_id, run_id=run_id),
                maximum_page_size=size,
                next_page_token=token,
                wait_new_event=wait,
            ),
            retry=not wait,
            timeout=_LONG_POLL_TIMEOUT if wait else RPC_TIMEOUT,
        )
        return response.history.events, response.next_page_token
