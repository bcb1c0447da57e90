"""Start tasks, watch them and wait for their output, over Opspawn's REST API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from types import TracebackType
from typing import Self
from urllib.parse import quote

from pydantic import JsonValue

from agentkit.client.api_connection import ApiConnection
from agentkit.client.conversation_calls import ConversationCalls
from agentkit.client.errors import ApiUnreachable
from agentkit.client.memory_calls import MemoryCalls
from agentkit.client.reconnect_deadline import RECONNECT_TIMEOUT_S, ReconnectDeadline
from agentkit.client.resources import (
    AgentList,
    DeletedTask,
    InputRequestList,
    JsonObject,
    McpPrompts,
    McpResources,
    McpServerList,
    McpTools,
    MessageList,
    SystemInfo,
    Task,
    TaskInputRequests,
    TaskList,
    TenantUsage,
    ToolList,
)
from agentkit.client.sent_bodies import (
    MCP_TIMEOUT_S,
    TaskInputContent,
    answer_body,
    fork_body,
    has_references,
    message_body,
    task_body,
)
from agentkit.client.submission import submit
from agentkit.client.task_events import TaskEvent
from agentkit.client.watch import TaskUpdate, watch
from agentkit.client.worker_calls import WorkerCalls
from agentkit.input_requests import AnswerDecision, InputRequestKind, Remember

__all__ = ["OpspawnClient"]

_LONG_POLL_S = 30.0
_MIN_POLL_INTERVAL_S = 0.1
"""Pause between polls, should the API respond at once instead of waiting for a task's end."""


class OpspawnClient:
    """A client of one API; safe for concurrent use within one event loop. Every call may raise ``ClientError``."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        api_key: str | None = None,
        reconnect_timeout: float = RECONNECT_TIMEOUT_S,
    ) -> None:
        """Prepare a client; nothing is sent yet.

        Args:
            url: the API's base URL.
            api_key: an API key, or a token of an identity provider; None for an API that needs none.
            reconnect_timeout: seconds without a response after which ``wait``, ``events`` and ``watch`` give up.

        Raises:
            ConfigurationInvalid: ``url`` is not an HTTP URL, or the key can't be sent in a header.
        """
        self._connection = ApiConnection(url, api_key)
        self._reconnect_timeout_s = reconnect_timeout
        self.conversations = ConversationCalls(self._connection)
        self.memories = MemoryCalls(self._connection)
        self.workers = WorkerCalls(self._connection)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._connection.aclose()

    async def create(
        self,
        agent: str | None = None,
        input: TaskInputContent = "",  # the API's name for it
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

        When the connection breaks before the response, the request is repeated with the same key: it starts one task.

        Args:
            agent: the agent's name; None when ``agent_spec`` is given.
            input: text, content parts and resources of MCP servers, or a prompt of one.
            agent_spec: an agent's definition, with the keys of ``agents/*.yaml``.
            model: ``provider:name``, instead of the agent's own.
            output_schema: JSON Schema that the output must fit.
            limits: ceilings such as ``{"max_steps": 5, "deadline": "1h"}``.
            tags: labels to find the task by.
            metadata: stored with the task.
            user: the person whose task this is.
            start_at: the earliest time to start it.
            idempotency_key: a repeated request with the same key and body returns the first task.
        """
        body = task_body(
            agent=agent,
            task_input=input,
            agent_spec=agent_spec,
            model=model,
            output_schema=output_schema,
            limits=limits,
            tags=tags,
            metadata=metadata,
            user=user,
            start_at=start_at,
        )
        return await self._submit("/tasks", body, idempotency_key, wait=MCP_TIMEOUT_S if has_references(input) else 0)

    async def get(self, task_id: str, *, wait: float = 0) -> Task:
        """Return a task; with ``wait`` (seconds, up to 60) when it ends, at the latest after that time."""
        params = {"wait": f"{wait:g}"} if wait else None
        return await self._connection.get(Task, _path(task_id), params=params, wait=wait)

    async def wait(self, task_id: str) -> Task:
        """Wait until a task has ended, reconnecting whenever the connection is lost, and return it."""
        deadline = ReconnectDeadline(self._reconnect_timeout_s)
        while True:
            try:
                task = await self.get(task_id, wait=_LONG_POLL_S)
            except ApiUnreachable as error:
                await deadline.wait_before_retry(error)
                continue
            if task.ended:
                return task
            deadline.reset()
            await asyncio.sleep(_MIN_POLL_INTERVAL_S)

    async def events(self, task_id: str, *, after: str | None = None) -> AsyncGenerator[TaskEvent, None]:
        """Yield a task's events until its last one, reconnecting whenever the connection is lost.

        Each durable event comes once and in order; live ones come when they happen. ``after`` is the position of the
        last event received; None starts with the first.
        """
        async with aclosing(self.watch(task_id, after=after)) as updates:
            async for update in updates:
                if isinstance(update, TaskEvent):
                    yield update

    def watch(self, task_id: str, *, after: str | None = None) -> AsyncGenerator[TaskUpdate, None]:
        """Yield what ``events`` yields, and ``ConnectionLost`` and ``ConnectionRestored`` between."""
        return watch(self._connection, f"{_path(task_id)}/events", after, ReconnectDeadline(self._reconnect_timeout_s))

    async def tasks(
        self,
        *,
        status: Sequence[str] = (),
        agent: str | None = None,
        conversation_id: str | None = None,
        tag: str | None = None,
        tenant: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> TaskList:
        """Return a page of the tasks that fit, newest first; with ``conversation_id`` its turns.

        ``tenant`` is for administrators: others see their own tenant's tasks only.
        """
        params: dict[str, str | list[str]] = {"limit": str(limit)}
        if status:
            params["status"] = [*status]
        given = {"agent": agent, "conversation_id": conversation_id, "tag": tag, "tenant": tenant, "cursor": cursor}
        params |= {name: value for name, value in given.items() if value is not None}
        return await self._connection.get(TaskList, "/tasks", params=params)

    async def transcript(self, task_id: str, *, start: int = 0, version: int | None = None) -> MessageList:
        """Return a page of a task's messages, from position ``start`` on; of the newest version without another."""
        params = {"start": str(start)} if version is None else {"start": str(start), "version": str(version)}
        return await self._connection.get(MessageList, f"{_path(task_id)}/transcript", params=params)

    @asynccontextmanager
    async def result(
        self, task_id: str, call_id: str, *, start: int = 0, end: int | None = None, file: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open the result of a tool call, and yield its bytes from ``start`` up to ``end`` in blocks.

        ``file`` is the number of a file that the tool returned, from 1.
        """
        given = {"start": start or None, "end": end, "file": file}
        params = {key: str(value) for key, value in given.items() if value is not None}
        path = f"{_path(task_id)}/tool-calls/{quote(call_id, safe='')}/result"
        async with self._connection.stream_bytes(path, params) as blocks:
            yield blocks

    async def cancel(self, task_id: str) -> Task:
        """Request that a task be cancelled; it ends soon afterwards."""
        return await self._connection.post(Task, f"{_path(task_id)}/cancel")

    async def delete(self, task_id: str, *, memories: bool = False) -> DeletedTask:
        """Erase a task that has ended; a repeated call says how far that is.

        With ``memories``, what it has written to long-term memory is erased as well.

        Raises:
            RequestRefused: its ``kind`` is ``task-running``, or ``erasure-refused`` for a turn of a conversation.
        """
        params = {"memories": "true"} if memories else None
        return DeletedTask.from_json(await self._connection.delete(_path(task_id), params=params))

    async def terminate(self, task_id: str) -> Task:
        """End a task at once: nothing that it does now is stopped first."""
        return await self._connection.post(Task, f"{_path(task_id)}/terminate")

    async def pause(self, task_id: str) -> Task:
        """Pause a task: what it does now is finished, then it waits."""
        return await self._connection.post(Task, f"{_path(task_id)}/pause")

    async def resume(self, task_id: str) -> Task:
        """Let a paused task go on."""
        return await self._connection.post(Task, f"{_path(task_id)}/resume")

    async def send(
        self,
        task_id: str,
        text: str,
        *,
        interrupt: bool = False,
        pinned: bool = False,
        sent_by: str | None = None,
        idempotency_key: str | None = None,
    ) -> Task:
        """Send a message to a running task; it is delivered once, before the next model request.

        With ``interrupt``, the model request and the calls that run now are stopped first, but no irreversible call.
        A ``pinned`` message stays in the transcript, word for word, when that is shortened.
        """
        body = message_body(text, interrupt=interrupt, pinned=pinned, sent_by=sent_by)
        return await self._submit(f"{_path(task_id)}/messages", body, idempotency_key)

    async def raise_limits(self, task_id: str, limits: Mapping[str, JsonValue]) -> Task:
        """Raise limits of a running task, such as ``{"max_steps": 60}``; a task that waits for them goes on."""
        return await self._connection.patch(Task, f"{_path(task_id)}/limits", dict(limits))

    async def fork(
        self,
        task_id: str,
        from_step: int,
        *,
        input: TaskInputContent | None = None,  # the API's name for it
        agent: str | None = None,
        model: str | None = None,
        limits: Mapping[str, JsonValue] | None = None,
        idempotency_key: str | None = None,
    ) -> Task:
        """Start a new task that goes on after step ``from_step`` of this one; 0: from its beginning.

        Args:
            task_id: the source, running or ended.
            from_step: the last step that both have in common.
            input: what the new task should do; None: go on.
            agent: another agent; None: the source's own.
            model: ``provider:name``, instead of the agent's own.
            limits: as for ``create``.
            idempotency_key: as for ``create``.
        """
        body = fork_body(from_step=from_step, task_input=input, agent=agent, model=model, limits=limits)
        return await self._submit(
            f"{_path(task_id)}/fork", body, idempotency_key, wait=MCP_TIMEOUT_S if has_references(input) else 0
        )

    async def input_requests(
        self,
        *,
        kind: Sequence[InputRequestKind] = (),
        agent: str | None = None,
        approver: str | None = None,
        older_than: str | float | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> InputRequestList:
        """Return a page of what tasks ask people: the pending input requests, of the newest tasks first.

        Args:
            kind: only these kinds, such as ``approval``.
            agent: only those of this agent's tasks.
            approver: only those that this person or group may answer.
            older_than: only those that wait for longer: seconds, or text such as ``"1h"``.
            limit: of tasks, 1 to 200.
            cursor: the ``next_cursor`` of the page before.
        """
        given = {"agent": agent, "approver": approver, "older_than": older_than, "cursor": cursor}
        params: dict[str, str | list[str]] = {key: str(value) for key, value in given.items() if value is not None}
        params |= {"limit": str(limit), **({"kind": [*kind]} if kind else {})}
        return await self._connection.get(InputRequestList, "/input-requests", params=params)

    async def task_input_requests(self, task_id: str) -> TaskInputRequests:
        """Return the pending input requests of one task, with all arguments, however long; a worker must run."""
        return await self._connection.get(TaskInputRequests, f"{_path(task_id)}/input-requests")

    async def answer(
        self,
        task_id: str,
        request_id: str,
        decision: AnswerDecision,
        *,
        arguments: Mapping[str, JsonValue] | None = None,
        answer: JsonValue = None,
        result: JsonValue = None,
        limits: Mapping[str, JsonValue] | None = None,
        comment: str | None = None,
        remember: Remember | None = None,
        answered_by: str | None = None,
        groups: Sequence[str] = (),
        sha256: str | None = None,
        idempotency_key: str | None = None,
    ) -> Task:
        """Answer an input request. Without a worker, the answer is stored, and judged as soon as one runs.

        Args:
            task_id: the task that asks.
            request_id: such as ``input_1``.
            decision: one that ``DECISIONS`` has for the request's kind.
            arguments: with ``approve``: other arguments for the call.
            answer: with ``answer``: text, one of the choices, or what fits the request's schema.
            result: with ``happened``: what the model reads as the call's result.
            limits: with ``raise``: the new ones, such as ``{"max_steps": 60}``.
            comment: for the model, and for the record.
            remember: whether an approval or denial holds for later calls of the task, too.
            answered_by: who answers.
            groups: the groups that this person is in.
            sha256: that of the request: the answer then counts for this call and these arguments only.
            idempotency_key: a repeated request with the same key gets the same verdict.

        Raises:
            RequestRefused: its ``kind`` is the verdict: ``already-answered``, ``answer-expired``, ``answer-mismatch``,
                ``answer-not-allowed``, ``answer-outdated``, ``input-request-not-found`` or ``task-ended``.
        """
        body = answer_body(
            decision=decision,
            arguments=arguments,
            answer=answer,
            result=result,
            limits=limits,
            comment=comment,
            remember=remember,
            answered_by=answered_by,
            groups=groups,
            sha256=sha256,
        )
        path = f"{_path(task_id)}/input-requests/{quote(request_id, safe='')}"
        return await self._submit(path, body, idempotency_key)

    async def agents(self) -> AgentList:
        """Return all agents, also those that can't be given tasks."""
        return await self._connection.get(AgentList, "/agents")

    async def tools(self) -> ToolList:
        """Return all tools that agents may name."""
        return await self._connection.get(ToolList, "/tools")

    async def tenant_usage(self, tenant: str) -> TenantUsage:
        """Return what a tenant has spent today: your own or, for administrators, any."""
        return await self._connection.get(TenantUsage, f"/tenants/{quote(tenant, safe='')}/usage")

    async def mcp_servers(self) -> McpServerList:
        """Return the MCP servers, and which can be used now; a worker must run."""
        return await self._connection.get(McpServerList, "/mcp/servers", wait=MCP_TIMEOUT_S)

    async def mcp_tools(self, server: str) -> McpTools:
        """Return the tools of an MCP server; a worker must run, as for its resources and prompts."""
        return await self._connection.get(McpTools, f"{_server_path(server)}/tools", wait=MCP_TIMEOUT_S)

    async def mcp_resources(self, server: str) -> McpResources:
        """Return the resources of an MCP server, and its templates of resources."""
        return await self._connection.get(McpResources, f"{_server_path(server)}/resources", wait=MCP_TIMEOUT_S)

    async def mcp_prompts(self, server: str) -> McpPrompts:
        """Return the prompts of an MCP server."""
        return await self._connection.get(McpPrompts, f"{_server_path(server)}/prompts", wait=MCP_TIMEOUT_S)

    async def system(self) -> SystemInfo:
        """Return what the API serves: its app directory, default model, task queue and Temporal."""
        return await self._connection.get(SystemInfo, "/system")

    async def _submit(self, path: str, body: JsonObject, idempotency_key: str | None, *, wait: float = 0) -> Task:
        return await submit(self._connection, Task, path, body, idempotency_key, wait=wait)


def _path(task_id: str) -> str:
    # quoted, so that ``a/b`` or ``?`` can't address something else
    return f"/tasks/{quote(task_id, safe='')}"


def _server_path(server: str) -> str:
    return f"/mcp/servers/{quote(server, safe='')}"
