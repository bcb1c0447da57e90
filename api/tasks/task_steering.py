"""Steer running tasks: send them messages, pause and resume them, raise their limits."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from temporalio.client import Client

from activities.settings import Settings
from agentkit.specs import RaisedLimits
from api.current_principal import authenticated_principal
from api.tasks.errors import SteeringRefused, TaskEnded
from api.tasks.requests.steering_requests import MessageRequest
from api.tasks.task_service import TaskService
from api.tasks.task_snapshot import TaskSnapshot
from api.tasks.task_updates import TaskUpdates
from api.tasks.task_workflows import TaskWorkflows
from workflows.task_types import LimitsVerdict, MessageVerdict, SentMessage

__all__ = ["SteeredTask", "TaskSteering"]

_SEND_MESSAGE = "send_message"
_RAISE_LIMITS = "raise_limits"


@dataclass(frozen=True, slots=True)
class SteeredTask:
    """The response to new limits."""

    task: TaskSnapshot
    is_decided: bool
    """False where no worker has checked them yet: those that can't be raised will be ignored."""


class TaskSteering:
    """Steers tasks, also while no worker runs: what is sent is kept by Temporal.

    Every method may raise TaskNotFound, TaskEnded, TemporalUnreachable and TemporalNotReady.
    """

    def __init__(self, client: Client, tasks: TaskService, settings: Settings) -> None:
        self._tasks = tasks
        self._workflows = TaskWorkflows(client, settings)
        self._updates = TaskUpdates(client, settings)

    async def send_message(self, task_id: str, request: MessageRequest, *, key: str | None = None) -> TaskSnapshot:
        """Send a message to a task; those with the same idempotency key are delivered once.

        Raises:
            SteeringRefused: the task doesn't accept it, because too many wait, say, or it names another sender.
        """
        # Without a key, an id of our own: the message may be sent twice, as an update and as a signal.
        message = _from_principal(request.message(key or f"message-{secrets.token_hex(12)}"))
        update_id = f"{_SEND_MESSAGE}:{message.id}"
        try:
            execution = await self._workflows.unended(task_id)
        except TaskEnded:
            if key is None or not await self._updates.earlier_verdict(task_id, update_id, MessageVerdict):
                raise
            return await self._tasks.changed(task_id)
        verdict = await self._updates.send(execution, _SEND_MESSAGE, message, MessageVerdict, update_id=update_id)
        return await self._tasks.changed(task_id, has_verdict=verdict is not None)

    async def pause(self, task_id: str) -> TaskSnapshot:
        """Let a task finish what is in flight, and then wait; a paused one stays so."""
        return await self._signal(task_id, "pause")

    async def resume(self, task_id: str) -> TaskSnapshot:
        """Let a paused task go on; one that isn't paused goes on anyway."""
        return await self._signal(task_id, "resume")

    async def raise_limits(self, task_id: str, limits: RaisedLimits) -> SteeredTask:
        """Raise limits of a task; one that waits for that goes on.

        Raises:
            SteeringRefused: a limit would be lowered.
        """
        execution = await self._workflows.unended(task_id)
        verdict = await self._updates.send(execution, _RAISE_LIMITS, limits, LimitsVerdict)
        is_decided = verdict is not None
        return SteeredTask(await self._tasks.changed(task_id, has_verdict=is_decided), is_decided)

    async def _signal(self, task_id: str, name: str) -> TaskSnapshot:
        """Send a signal: always that, because an update that a worker takes up late would come after later signals."""
        await self._updates.signal(await self._workflows.unended(task_id), name)
        return await self._tasks.changed(task_id)


def _from_principal(message: SentMessage) -> SentMessage:
    """Return the message as one of the current principal, if it is authenticated.

    Raises:
        SteeringRefused: the message names another sender.
    """
    principal = authenticated_principal()
    if principal is None:
        return message
    if message.sent_by not in (None, principal.subject):
        raise SteeringRefused(f"The API key or token is that of {principal.subject!r}. Leave out sent_by.")
    return message.model_copy(update={"sent_by": principal.subject})
