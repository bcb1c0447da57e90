"""Obtain a person's or a model's input for a tool call that waits for it, from the workflow of its task."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from temporalio.client import Client, WorkflowQueryFailedError, WorkflowQueryRejectedError
from temporalio.service import RPCError

from activities.payload_types import ASK_CLIENT_SIGNAL, CLIENT_INPUT_QUERY, AskedInput, InputKey
from activities.temporal.workflow_queries import query_workflow
from agentkit.interfaces import ClientInput, ClientInputRequest
from agentkit.runtime.calls.client_inputs import MAX_CALL_REQUESTS, ROOTS
from agentkit.runtime.calls.elicitation import ElicitationInvalid, check_client_request

__all__ = ["WorkflowInputs"]

logger = logging.getLogger("opspawn.tools")

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 3.0
_PAUSE_FACTOR = 1.3
_QUERY_TIMEOUT = timedelta(seconds=30)


class WorkflowInputs:
    """Asks the workflow of one tool call. It sends a signal, and polls by queries.

    Not by an update that waits: Temporal takes ten of those at once, and people's answers are updates, too.
    """

    def __init__(self, client: Client, task_id: str, call_id: str) -> None:
        self._workflow = client.get_workflow_handle(task_id)
        self._call_id = call_id
        self._count = 0

    async def ask(self, request: ClientInputRequest) -> ClientInput:
        """Return the input, once there is one. It may take as long as people do: the caller limits that."""
        if request.method == "roots/list":
            return ROOTS
        self._count += 1
        if self._count > MAX_CALL_REQUESTS:
            return ClientInput(error=f"The server asked more than {MAX_CALL_REQUESTS} times in one call.")
        try:
            await asyncio.to_thread(check_client_request, request)
            await self._workflow.signal(ASK_CLIENT_SIGNAL, AskedInput(call_id=self._call_id, request=request))
        except ElicitationInvalid as error:
            return ClientInput(error=str(error))
        except RPCError as error:
            return ClientInput(error=f"The task can't be asked now: {error}")
        key, pause_s = InputKey(call_id=self._call_id, key=request.key), _FIRST_PAUSE_S
        while (found := await self._query(key)) is None:
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * _PAUSE_FACTOR, _LONGEST_PAUSE_S)
        return found

    async def _query(self, key: InputKey) -> ClientInput | None:
        try:
            # The SDK makes a record of None, too, where the type may be None.
            found: ClientInput | None = await query_workflow(
                self._workflow, CLIENT_INPUT_QUERY, ClientInput, args=[key], rpc_timeout=_QUERY_TIMEOUT
            )
        except RPCError as error:
            logger.warning("Can't ask the task for the input of call %s now: %s", self._call_id, error)
            return None
        except (WorkflowQueryFailedError, WorkflowQueryRejectedError) as error:
            return ClientInput(error=f"The task has no input: {error}")
        return found
