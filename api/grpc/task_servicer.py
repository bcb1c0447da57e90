"""Answer the calls of ``opspawn.v1.TaskService``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from grpc.aio import ServicerContext

from api.async_wait import first_of
from api.events.event import Event
from api.events.event_hub import Watch
from api.events.sse import PATIENCE
from api.grpc.request_messages import body_of, key_of, query_of, wait_of
from api.grpc.response_messages import event_message, list_message, task_message
from api.grpc.status_mapping import NotInThisRelease, answering
from api.proto.opspawn.v1 import tasks_pb2
from api.proto.opspawn.v1.tasks_pb2_grpc import TaskServiceServicer
from api.state import State
from api.tasks.errors import WatchInterrupted

__all__ = ["Tasks"]

_COME_BACK = "Come back, and go on after the last event."
_Watcher = ServicerContext[tasks_pb2.WatchTaskRequest, tasks_pb2.WatchTaskResponse]


class Tasks(TaskServiceServicer):
    """What REST does at ``/api/v1/tasks``, by the same rules."""

    def __init__(self, state: State, *, patience: float = PATIENCE) -> None:
        """Serve tasks of ``state``; a watcher may take ``patience`` seconds to accept an event."""
        self._state = state
        self._patience = patience

    async def CreateTask(
        self,
        request: tasks_pb2.CreateTaskRequest,
        context: ServicerContext[tasks_pb2.CreateTaskRequest, tasks_pb2.CreateTaskResponse],
    ) -> tasks_pb2.CreateTaskResponse:
        """Start a task."""
        async with answering(context):
            started = await self._state.tasks.create(body_of(request), key=key_of(request))
            return tasks_pb2.CreateTaskResponse(task=task_message(started.task), created=started.new)

    async def GetTask(
        self,
        request: tasks_pb2.GetTaskRequest,
        context: ServicerContext[tasks_pb2.GetTaskRequest, tasks_pb2.GetTaskResponse],
    ) -> tasks_pb2.GetTaskResponse:
        """Show a task, at its end if it comes in time."""
        async with answering(context):
            if (seconds := wait_of(request)) > 0:
                await first_of(self._state.tasks.wait(request.task_id, seconds), self._state.stopping.wait())
            return tasks_pb2.GetTaskResponse(task=task_message(await self._state.tasks.get(request.task_id)))

    async def ListTasks(
        self,
        request: tasks_pb2.ListTasksRequest,
        context: ServicerContext[tasks_pb2.ListTasksRequest, tasks_pb2.ListTasksResponse],
    ) -> tasks_pb2.ListTasksResponse:
        """List tasks, newest first."""
        async with answering(context):
            query = query_of(request)
            return list_message(await self._state.tasks.list(query.filter(), limit=query.limit, cursor=query.cursor))

    async def CancelTask(
        self,
        request: tasks_pb2.CancelTaskRequest,
        context: ServicerContext[tasks_pb2.CancelTaskRequest, tasks_pb2.CancelTaskResponse],
    ) -> tasks_pb2.CancelTaskResponse:
        """Ask a task to stop."""
        async with answering(context):
            return tasks_pb2.CancelTaskResponse(task=task_message(await self._state.tasks.cancel(request.task_id)))

    async def WatchTask(self, request: tasks_pb2.WatchTaskRequest, context: _Watcher) -> None:  # type: ignore[override]
        """Stream a task's events. Not a generator, which the types know alone: its end would be the collector's."""
        async with answering(context):
            watch = await self._state.hub.watch(request.task_id, request.after or None)
            unsent = await self._send(watch, context)
            if unsent is not None:
                await unsent  # gRPC takes no status before it
                raise WatchInterrupted(f"You took nothing for {self._patience:g} s. {_COME_BACK}")

    async def AnswerInput(
        self,
        request: tasks_pb2.AnswerInputRequest,
        context: ServicerContext[tasks_pb2.AnswerInputRequest, tasks_pb2.AnswerInputResponse],
    ) -> tasks_pb2.AnswerInputResponse:
        """Say that nothing can be answered yet."""
        async with answering(context):
            raise NotInThisRelease("Tasks of this release ask nobody for input, so there is nothing to answer yet.")

    async def _send(self, watch: Watch, context: _Watcher) -> asyncio.Future[None] | None:
        """Send until the last event, or give up the watch; return what the watcher didn't take in time."""
        async with aclosing(self._coming(watch)) as events:
            async for event in events:
                message = tasks_pb2.WatchTaskResponse(event=event_message(event))
                sending = asyncio.ensure_future(context.write(message))
                sending.add_done_callback(_heed)
                await asyncio.wait([sending], timeout=self._patience)
                if not sending.done():
                    return sending
                await sending
        return None

    async def _coming(self, watch: Watch) -> AsyncGenerator[Event, None]:
        """Yield events until the last one; the server's end is told between two, never while one is sent."""
        stopping = asyncio.ensure_future(self._state.stopping.wait())
        waiting: list[asyncio.Future[Any]] = [stopping]
        async with aclosing(watch.events()) as events:
            try:
                while True:
                    waiting[1:] = [upcoming := asyncio.ensure_future(anext(events, None))]
                    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                    if not upcoming.done():
                        raise WatchInterrupted(f"The server stops. {_COME_BACK}")
                    if (event := await upcoming) is None:
                        return
                    yield event
            finally:
                for one in waiting:
                    one.cancel()
                await asyncio.gather(*waiting, return_exceptions=True)


def _heed(sent: asyncio.Future[None]) -> None:
    """Take note of an error that nobody waits for any more: who went away while something was sent to them."""
    if not sent.cancelled():
        sent.exception()
