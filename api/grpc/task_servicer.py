"""Serve the calls of ``opspawn.v1.TaskService``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

import anyio
from grpc.aio import ServicerContext

from api.async_wait import wait_unless
from api.events.event import Event
from api.events.sse import SLOW_WATCHER_TIMEOUT_S
from api.grpc.message_fields import idempotency_key
from api.grpc.request_messages import answer_request, new_task, task_list_request, wait_seconds
from api.grpc.response_messages import event_message, task_list_message, task_message
from api.grpc.status_mapping import errors_as_status
from api.proto.opspawn.v1 import tasks_pb2
from api.proto.opspawn.v1.tasks_pb2_grpc import TaskServiceServicer
from api.services import ApiServices
from api.tasks.errors import WatchInterrupted

__all__ = ["TaskServicer"]

_RESUME_HINT = "Watch again after the last event."
_WatchContext = ServicerContext[tasks_pb2.WatchTaskRequest, tasks_pb2.WatchTaskResponse]


class TaskServicer(TaskServiceServicer):
    """The calls of REST's ``/api/v1/tasks``, by the same rules."""

    def __init__(self, services: ApiServices, *, slow_watcher_timeout_s: float = SLOW_WATCHER_TIMEOUT_S) -> None:
        """Serve tasks; a watcher that accepts no event for this time is disconnected."""
        self._services = services
        self._tasks = services.tasks
        self._slow_watcher_timeout_s = slow_watcher_timeout_s

    async def CreateTask(
        self,
        request: tasks_pb2.CreateTaskRequest,
        context: ServicerContext[tasks_pb2.CreateTaskRequest, tasks_pb2.CreateTaskResponse],
    ) -> tasks_pb2.CreateTaskResponse:
        """Start a task."""
        async with errors_as_status(context, request):
            created = await self._tasks.create(new_task(request), key=idempotency_key(request))
            return tasks_pb2.CreateTaskResponse(task=task_message(created.task), created=created.is_new)

    async def GetTask(
        self,
        request: tasks_pb2.GetTaskRequest,
        context: ServicerContext[tasks_pb2.GetTaskRequest, tasks_pb2.GetTaskResponse],
    ) -> tasks_pb2.GetTaskResponse:
        """Show a task, ended if it ends within the request's wait."""
        async with errors_as_status(context, request):
            if (seconds := wait_seconds(request)) > 0:
                await wait_unless(self._tasks.wait(request.task_id, seconds), self._services.stopping.wait())
            return tasks_pb2.GetTaskResponse(task=task_message(await self._tasks.get(request.task_id)))

    async def ListTasks(
        self,
        request: tasks_pb2.ListTasksRequest,
        context: ServicerContext[tasks_pb2.ListTasksRequest, tasks_pb2.ListTasksResponse],
    ) -> tasks_pb2.ListTasksResponse:
        """List tasks, newest first."""
        async with errors_as_status(context, request):
            return task_list_message(await self._tasks.list(task_list_request(request)))

    async def CancelTask(
        self,
        request: tasks_pb2.CancelTaskRequest,
        context: ServicerContext[tasks_pb2.CancelTaskRequest, tasks_pb2.CancelTaskResponse],
    ) -> tasks_pb2.CancelTaskResponse:
        """Ask a task to stop."""
        async with errors_as_status(context, request):
            return tasks_pb2.CancelTaskResponse(task=task_message(await self._tasks.cancel(request.task_id)))

    async def DeleteTask(
        self,
        request: tasks_pb2.DeleteTaskRequest,
        context: ServicerContext[tasks_pb2.DeleteTaskRequest, tasks_pb2.DeleteTaskResponse],
    ) -> tasks_pb2.DeleteTaskResponse:
        """Erase a task that has ended."""
        async with errors_as_status(context):
            erased = await self._services.erasures.erase(request.task_id, memories=request.memories)
            return tasks_pb2.DeleteTaskResponse(
                task_id=erased.id,
                erased=erased.status == "erased",
                memories=erased.memories,
                waiting_for_worker=erased.waiting_for_worker,
                problem=erased.problem or "",
            )

    async def WatchTask(self, request: tasks_pb2.WatchTaskRequest, context: _WatchContext) -> None:  # type: ignore[override]
        """Stream a task's events. A coroutine, unlike the stub's type: gRPC doesn't close generators."""
        async with errors_as_status(context, request):
            watch = await self._services.hub.watch(request.task_id, request.after or None)
            await self._send(watch.events(), context)

    async def AnswerInput(
        self,
        request: tasks_pb2.AnswerInputRequest,
        context: ServicerContext[tasks_pb2.AnswerInputRequest, tasks_pb2.AnswerInputResponse],
    ) -> tasks_pb2.AnswerInputResponse:
        """Answer what a task asks a person."""
        async with errors_as_status(context, request):
            answered = await self._services.input_requests.answer(
                request.task_id, request.input_request_id, answer_request(request), key=idempotency_key(request)
            )
            return tasks_pb2.AnswerInputResponse(task=task_message(answered.task), decided=answered.is_decided)

    async def _send(self, events: AsyncGenerator[Event, None], context: _WatchContext) -> None:
        """Send events until the last one, and close them.

        Raises:
            WatchInterrupted: the client is too slow, or the server stops; that interrupts between two, never a write.
        """
        # One task for each watcher: a task or a time-out for each event would cost more than to send it.
        async with aclosing(events):
            with anyio.CancelScope() as reading:
                call = _WatchCall(events, reading)
                interrupting = asyncio.create_task(self._interrupt(call))
                try:
                    async for event in events:
                        if not call.interruption:
                            await call.write(tasks_pb2.WatchTaskResponse(event=event_message(event)), context)
                        if call.interruption:  # gRPC accepts no status before a write ends
                            break
                finally:
                    interrupting.cancel()
        if call.interruption:
            raise WatchInterrupted(f"{call.interruption} {_RESUME_HINT}")

    async def _interrupt(self, call: _WatchCall) -> None:
        """Interrupt the call when the server stops, or when its client doesn't accept an event in time."""
        now, stopping = asyncio.get_running_loop().time, self._services.stopping
        while not stopping.is_set():
            remaining = self._slow_watcher_timeout_s
            if call.writing_since is not None:
                remaining += call.writing_since - now()
            if remaining <= 0:
                await call.interrupt(f"You took nothing for {self._slow_watcher_timeout_s:g} s.")
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(remaining):
                    await stopping.wait()
        await call.interrupt("The server stops.")


class _WatchCall:
    """One watcher's call, which waits either for an event or for its client."""

    def __init__(self, events: AsyncGenerator[Event, None], reading: anyio.CancelScope) -> None:
        self._events = events
        self._reading = reading
        self.writing_since: float | None = None
        """Since when the client has been accepting an event, by the loop's clock; None: the call waits for events."""
        self.interruption = ""
        """Why no further events are sent."""

    async def write(self, message: tasks_pb2.WatchTaskResponse, context: _WatchContext) -> None:
        """Send an event; return when the client accepts more."""
        self.writing_since = asyncio.get_running_loop().time()
        await context.write(message)
        self.writing_since = None

    async def interrupt(self, reason: str) -> None:
        """Follow the task no longer, and let a write end."""
        self.interruption = reason
        if self.writing_since is None:
            self._reading.cancel()
        else:
            await self._events.aclose()
