"""Send messages to the workflows of tasks: as updates where a worker responds, else as signals, which are kept."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from datetime import timedelta
from typing import TypeVar

from pydantic import BaseModel
from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
    WorkflowUpdateStage,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.settings import Settings
from agentkit.errors import (
    AlreadyAnswered,
    AnswerExpired,
    AnswerInvalid,
    AnswerMismatch,
    AnswerNotAllowed,
    AnswerOutdated,
    ConversationBusy,
    ConversationEnded,
    InputRequestNotFound,
    MessageConflict,
    SteeringInvalid,
)
from api.tasks.errors import AnswerRefused, MessageRefused, ServiceError, SteeringRefused, WorkerUnavailable
from api.tasks.task_workflows import TaskHandle, TaskWorkflows
from api.tasks.temporal_calls import RPC_TIMEOUT
from api.tasks.workers.worker_presence import WorkerPresence

__all__ = ["TaskUpdates"]

_UPDATE_TIMEOUT = timedelta(seconds=12)
"""A worker that was killed holds the workflow for 10 s more; then another one responds."""
_CALLS_TIMEOUT_S = 40.0

_VERDICTS: dict[str, type[AnswerInvalid]] = {
    error.__name__: error
    for error in (
        AlreadyAnswered,
        AnswerExpired,
        AnswerInvalid,
        AnswerMismatch,
        AnswerNotAllowed,
        AnswerOutdated,
        InputRequestNotFound,
    )
}
_MESSAGE_VERDICTS: dict[str, type[SteeringInvalid]] = {
    error.__name__: error for error in (ConversationBusy, ConversationEnded, MessageConflict)
}
_CUT_OFF = "AcceptedUpdateCompletedWorkflow"
"""Temporal's type of the failure of an update whose run ended before it was decided."""
_TOO_MANY = (RPCStatusCode.RESOURCE_EXHAUSTED, RPCStatusCode.FAILED_PRECONDITION)
"""Statuses of an update where a run has as many as it may; it takes signals still."""

_T = TypeVar("_T", bound=BaseModel)


class TaskUpdates:
    """Sends updates and signals."""

    def __init__(
        self,
        client: Client,
        settings: Settings,
        *,
        workflows: TaskWorkflows | None = None,
        update_timeout: timedelta = _UPDATE_TIMEOUT,
    ) -> None:
        """``update_timeout`` is how long a worker may take before a signal is sent instead. ``workflows`` finds those
        of another type than tasks.
        """
        self._workflows = workflows or TaskWorkflows(client, settings)
        self._workers = WorkerPresence(client)
        self._update_timeout = update_timeout

    async def send(
        self,
        task: WorkflowExecutionDescription,
        name: str,
        argument: BaseModel,
        verdict_type: type[_T],
        *,
        update_id: str | None = None,
    ) -> _T | None:
        """Return the workflow's verdict; None where no worker gave one in time: the workflow gets a signal then.

        So the argument may reach the workflow twice, which must recognize it. The same ``update_id`` gives the verdict
        of the first update again.

        Raises:
            AnswerRefused, MessageRefused, SteeringRefused: the workflow doesn't accept it.
            TaskEnded: the task has ended meanwhile.
            WorkerUnavailable: the worker doesn't know this update.
        """
        handle = self._workflows.handle(task.id)
        try:
            async with self._workflows.calling(task.id, timeout_s=_CALLS_TIMEOUT_S):
                if await self._workers.polls(task):
                    verdict = await self._update(handle, name, argument, verdict_type, update_id)
                    if verdict is not None:
                        return verdict
                await handle.signal(name, argument, rpc_timeout=RPC_TIMEOUT)
        except self._workflows.not_found:  # Temporal's error, too, when the task ended after it was described
            await self._workflows.unended(task.id)
            raise
        return None

    async def may_respond(self, task: WorkflowExecutionDescription) -> bool:
        """Return whether a worker polls the task's queue, which may give a verdict."""
        async with self._workflows.calling(task.id):
            return await self._workers.polls(task)

    async def signal(self, task: WorkflowExecutionDescription, name: str) -> None:
        """Send a signal without an argument.

        Raises:
            TaskEnded: the task has ended meanwhile.
        """
        try:
            async with self._workflows.calling(task.id):
                await self._workflows.handle(task.id).signal(name, rpc_timeout=RPC_TIMEOUT)
        except self._workflows.not_found:
            await self._workflows.unended(task.id)
            raise

    async def earlier_verdict(self, task_id: str, update_id: str, verdict_type: type[_T]) -> _T | None:
        """Return the verdict of an update of the task's newest run, which may have ended; None: it has none."""
        update = self._workflows.handle(task_id).get_update_handle(_short(update_id), result_type=verdict_type)
        try:
            async with self._workflows.calling(task_id):
                verdict: _T = await update.result(rpc_timeout=RPC_TIMEOUT)
        except self._workflows.not_found:
            return None
        except WorkflowUpdateFailedError as error:
            if (refusal := _refusal(error)) is None:
                return None
            raise refusal from error
        return verdict

    async def _update(
        self, handle: TaskHandle, name: str, argument: BaseModel, verdict_type: type[_T], update_id: str | None
    ) -> _T | None:
        """Return the verdict; None where there is none in time."""
        try:
            verdict: _T = await (
                await handle.start_update(
                    name,
                    argument,
                    id=_short(update_id),
                    wait_for_stage=WorkflowUpdateStage.ACCEPTED,
                    result_type=verdict_type,
                    rpc_timeout=self._update_timeout,
                )
            ).result(rpc_timeout=self._update_timeout)
        except WorkflowUpdateRPCTimeoutOrCancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():  # the SDK raises this for a cancellation, too
                raise asyncio.CancelledError from error
            return None
        except WorkflowUpdateFailedError as error:
            if isinstance(error.cause, ApplicationError) and error.cause.type == _CUT_OFF:
                return None
            raise _refusal(error) or WorkerUnavailable(
                f"The worker that runs the task could not take this ({error.cause}). Start one of this release."
            ) from error
        except RPCError as error:
            if error.status in _TOO_MANY:
                return None
            raise
        return verdict


def _short(update_id: str | None) -> str:
    """Return the id that Temporal gets; without one, a random id.

    An update writes it into history six times, and Temporal's own have 36 characters. These have 12, or 16 where two
    ids of callers must not become the same: 96 bits of their hash.
    """
    digest = secrets.token_bytes(9) if update_id is None else hashlib.sha256(update_id.encode()).digest()[:12]
    return base64.urlsafe_b64encode(digest).decode()


def _refusal(error: WorkflowUpdateFailedError) -> ServiceError | None:
    """Return the service's error for an update that failed; None for a failure that isn't one of ours."""
    cause = error.cause
    if not isinstance(cause, ApplicationError):
        return None
    kind = cause.type or ""
    if kind == SteeringInvalid.__name__:
        return SteeringRefused(cause.message)
    if (refused := _MESSAGE_VERDICTS.get(kind)) is not None:
        return MessageRefused(cause.message, refused)
    verdict = _VERDICTS.get(kind)
    return None if verdict is None else AnswerRefused(cause.message, verdict)
