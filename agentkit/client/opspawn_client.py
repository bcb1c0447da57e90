"""The client: start tasks, watch them, wait for their output."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from types import TracebackType
from typing import Self
from urllib.parse import quote

from pydantic import JsonValue

from agentkit.client.api_connection import Exchange
from agentkit.client.errors import ApiUnreachable
from agentkit.client.reconnect_deadline import PATIENCE, Patience
from agentkit.client.resources import AgentList, Document, Task, TaskList, TranscriptPage
from agentkit.client.task_events import TaskEvent
from agentkit.client.watch import Update, watch
from agentkit.messages import InputPart

__all__ = ["OpspawnClient"]

_SUBMIT_PATIENCE = 12.0
_LONG_POLL = 30.0
_BREATH = 0.1
"""Seconds between questions, should the API answer at once instead of waiting for a task's end."""


class OpspawnClient:
    """Talks to Opspawn's API; safe for concurrent use within one event loop. Every call may raise ``ClientError``."""

    def __init__(self, url: str = "http://127.0.0.1:8000", *, patience: float = PATIENCE) -> None:
        """Take the API's base URL.

        Args:
            url: where the API is.
            patience: seconds that ``wait``, ``events`` and ``watch`` bear without an answer.

        Raises:
            ConfigurationInvalid: this isn't a URL.
        """
        self._exchange = Exchange(url)
        self._patience = patience

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._exchange.aclose()

    async def create(
        self,
        agent: str | None = None,
        input: str | Sequence[InputPart] = "",  # as the API calls it
        *,
        agent_spec: Mapping[str, JsonValue] | None = None,
        model: str | None = None,
        output_schema: Mapping[str, JsonValue] | None = None,
        limits: Mapping[str, JsonValue] | None = None,
        tags: Sequence[str] = (),
        metadata: Mapping[str, str] | None = None,
        user: str | None = None,
        start_at: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> Task:
        """Start a task: one input for one agent.

        When the connection breaks before the answer, it is asked again with the same key, so no second task starts.

        Args:
            agent: the agent's name; or give ``agent_spec``.
            input: text, or content parts.
            agent_spec: a whole definition, with the keys of ``agents/*.yaml``.
            model: ``provider:name``, instead of the agent's own.
            output_schema: JSON Schema that the output must fit.
            limits: ceilings such as ``{"max_steps": 5, "deadline": "1h"}``.
            tags: to find the task by.
            metadata: kept with the task.
            user: whose task this is.
            start_at: not before this time.
            idempotency_key: the same key and task again give the first one.
        """
        body: Document = {
            "agent": agent,
            "input": input if isinstance(input, str) else [_dumped(part) for part in input],
            "agent_spec": None if agent_spec is None else dict(agent_spec),
            "model": model,
            "output_schema": None if output_schema is None else dict(output_schema),
            "limits": dict(limits) if limits else None,
            "tags": [*tags] or None,
            "metadata": dict(metadata) if metadata else None,
            "user": user,
            "start_at": None if start_at is None else start_at.isoformat(),
        }
        given: Document = {key: value for key, value in body.items() if value is not None}
        return await self._submit(given, idempotency_key or str(uuid.uuid4()))

    async def get(self, task_id: str, *, wait: float = 0) -> Task:
        """Return a task, at the latest after ``wait`` seconds (up to 60); sooner when it ends."""
        params = {"wait": f"{wait:g}"} if wait else None
        return await self._exchange.ask(Task, _path(task_id), params=params, wait=wait)

    async def wait(self, task_id: str) -> Task:
        """Return a task when it has ended, however often the connection is lost meanwhile."""
        patience = Patience(self._patience)
        while True:
            try:
                task = await self.get(task_id, wait=_LONG_POLL)
            except ApiUnreachable as error:
                await patience.pause(error)
                continue
            if task.ended:
                return task
            patience.restore()
            await asyncio.sleep(_BREATH)

    async def events(self, task_id: str, *, after: str | None = None) -> AsyncGenerator[TaskEvent, None]:
        """Yield a task's events until its last one, whatever happens to the connection.

        Each durable event comes once and in order; live ones come when they happen. ``after`` is the position of the
        last event seen; None begins with the first.
        """
        async with aclosing(self.watch(task_id, after=after)) as updates:
            async for update in updates:
                if isinstance(update, TaskEvent):
                    yield update

    def watch(self, task_id: str, *, after: str | None = None) -> AsyncGenerator[Update, None]:
        """Yield the same as ``events``, and when the connection is lost and regained."""
        return watch(self._exchange, f"{_path(task_id)}/events", after, Patience(self._patience))

    async def tasks(
        self,
        *,
        status: Sequence[str] = (),
        agent: str | None = None,
        tag: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> TaskList:
        """Return the newest tasks that fit, a page at most."""
        params: dict[str, str | list[str]] = {"limit": str(limit)}
        if status:
            params["status"] = [*status]
        if agent is not None:
            params["agent"] = agent
        if tag is not None:
            params["tag"] = tag
        if cursor is not None:
            params["cursor"] = cursor
        return await self._exchange.ask(TaskList, "/tasks", params=params)

    async def transcript(self, task_id: str, *, start: int = 0) -> TranscriptPage:
        """Return a task's messages from position ``start`` on, a page at most."""
        return await self._exchange.ask(TranscriptPage, f"{_path(task_id)}/transcript", params={"start": str(start)})

    async def cancel(self, task_id: str) -> Task:
        """Ask for a task to be cancelled; it ends soon afterwards."""
        return await self._exchange.tell(Task, f"{_path(task_id)}/cancel")

    async def agents(self) -> AgentList:
        """Return the agents, also those that can't be given tasks."""
        return await self._exchange.ask(AgentList, "/agents")

    async def _submit(self, body: Document, key: str) -> Task:
        patience = Patience(_SUBMIT_PATIENCE)
        while True:
            try:
                return await self._exchange.tell(Task, "/tasks", body, headers={"Idempotency-Key": key})
            except ApiUnreachable as error:
                if not error.may_have_arrived:
                    raise
                await patience.pause(error)


def _path(task_id: str) -> str:
    # quoted, so that ``a/b`` or ``?`` can't address something else
    return f"/tasks/{quote(task_id, safe='')}"


def _dumped(part: InputPart) -> JsonValue:
    dumped: JsonValue = part.model_dump(mode="json", exclude_none=True)
    return dumped
