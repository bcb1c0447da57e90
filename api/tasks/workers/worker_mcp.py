"""What MCP servers offer: only workers talk to them, so one of them is asked, by standalone activities."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from temporalio.client import ActivityFailureError, Client
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, TimeoutError, TimeoutType
from temporalio.service import RPCError, RPCStatusCode

from activities.mcp.mcp_queries import (
    MCP_CONTENT_ACTIVITY,
    MCP_PROMPTS_ACTIVITY,
    MCP_RESOURCES_ACTIVITY,
    MCP_SERVERS_ACTIVITY,
    MCP_TOOLS_ACTIVITY,
    McpContent,
    McpContentRefusal,
    McpContentRequest,
    McpPromptList,
    McpResourceList,
    McpServerQuery,
    McpServerStates,
    McpToolList,
)
from activities.settings import Settings
from activities.temporal.client import temporal_address
from activities.temporal.encryption.encrypted_payloads import id_suffix
from activities.temporal.payload_storage import storage_failure_in
from activities.temporal.queue_workers import recent_workers
from activities.temporal.versions.version_problems import unserved_queue
from agentkit.errors import McpServerUnavailable
from api.tasks.errors import (
    McpContentRefused,
    McpServerFailed,
    McpServerNotFound,
    McpServerTimedOut,
    PayloadUnavailable,
    TemporalNotReady,
    WorkerUnavailable,
)
from api.tasks.payload_decoding import payload_unavailable
from api.tasks.temporal_calls import CALLS_TIMEOUT_S, calling_temporal
from api.tasks.visibility.tenant_access import own_tenant
from api.tasks.workers.readiness import start_worker

__all__ = ["MCP_TIMEOUT_S", "WorkerMcpServers"]

MCP_TIMEOUT_S = 120.0
"""Seconds that a worker may take for one request to MCP servers, with their start."""

_START_TIMEOUT = timedelta(seconds=10)
"""How long a worker may take to accept the request."""
_HEARTBEAT_TIMEOUT = timedelta(seconds=5)

T = TypeVar("T", bound=BaseModel)


class WorkerMcpServers:
    """The MCP servers, as a worker of the task queue reaches them.

    Every method may raise WorkerUnavailable, TemporalUnreachable, TemporalNotReady and PayloadUnavailable; all but
    ``states`` raise McpServerNotFound, McpServerFailed and McpServerTimedOut.
    """

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._address = temporal_address(settings)

    async def states(self) -> McpServerStates:
        """Return all servers, and which can be used now."""
        return await self._ask(MCP_SERVERS_ACTIVITY, McpServerStates)

    async def tools(self, server: str) -> McpToolList:
        """Return a server's tools."""
        return await self._ask(MCP_TOOLS_ACTIVITY, McpToolList, McpServerQuery(server=server))

    async def resources(self, server: str) -> McpResourceList:
        """Return a server's resources."""
        return await self._ask(MCP_RESOURCES_ACTIVITY, McpResourceList, McpServerQuery(server=server))

    async def prompts(self, server: str) -> McpPromptList:
        """Return a server's prompts."""
        return await self._ask(MCP_PROMPTS_ACTIVITY, McpPromptList, McpServerQuery(server=server))

    async def content(self, request: McpContentRequest) -> McpContent:
        """Return the contents of prompts and resources.

        Raises:
            McpContentRefused: there is no such server, prompt or resource, or the contents are too large.
        """
        return await self._ask(MCP_CONTENT_ACTIVITY, McpContent, request)

    async def _ask(self, activity: str, result_type: type[T], argument: BaseModel | None = None) -> T:
        async with calling_temporal(self._address, timeout_s=MCP_TIMEOUT_S + CALLS_TIMEOUT_S):
            workers = await recent_workers(self._client, self._settings.task_queue)
            if (problem := unserved_queue(workers, self._settings.task_queue)) is not None:
                raise WorkerUnavailable(f"No worker could ask MCP servers. {problem}")
            if not workers.pollers:
                raise self._worker_unavailable("none polls it")
            suffix = await id_suffix(self._client, own_tenant())
            try:
                result: T = await self._client.execute_activity(
                    activity,
                    args=[] if argument is None else [argument],
                    id=f"opspawn-mcp-{uuid.uuid4().hex}{suffix}",
                    task_queue=self._settings.task_queue,
                    result_type=result_type,
                    schedule_to_start_timeout=_START_TIMEOUT,
                    start_to_close_timeout=timedelta(seconds=MCP_TIMEOUT_S),
                    heartbeat_timeout=_HEARTBEAT_TIMEOUT,
                    retry_policy=RetryPolicy(maximum_attempts=1),
                )
            except ActivityFailureError as error:
                self._raise(error.cause)
            except ValidationError as error:
                raise payload_unavailable(error) from error
            except RPCError as error:
                if error.status is not RPCStatusCode.UNIMPLEMENTED:
                    raise
                text = f"Temporal at {self._address} is too old to ask a worker about MCP servers."
                raise TemporalNotReady(text) from error
        return result

    def _raise(self, cause: BaseException) -> NoReturn:
        """Raise the error that a failed activity stands for."""
        if isinstance(cause, TimeoutError):
            if cause.type is TimeoutType.START_TO_CLOSE:
                raise McpServerTimedOut(f"The worker got no response of MCP servers within {MCP_TIMEOUT_S:g} s.")
            lost = cause.type is TimeoutType.HEARTBEAT
            raise self._worker_unavailable("it was lost in mid-request" if lost else "none accepted the request")
        if not isinstance(cause, ApplicationError):
            raise self._worker_unavailable(str(cause) or type(cause).__name__)
        if cause.type == McpContentRefusal.__name__:
            refusal = McpContentRefusal.model_validate(cause.details[0])
            raise McpContentRefused(refusal.message, item=refusal.item, path=refusal.path)
        if cause.type == McpServerUnavailable.__name__:
            kind = cause.details[0]["kind"]
            if kind == "unknown":
                raise McpServerNotFound(cause.message)
            raise (McpServerTimedOut if kind == "timed_out" else McpServerFailed)(cause.message)
        if cause.type == "ToolError":
            raise McpServerFailed(cause.message)
        if (failure := storage_failure_in(cause.message)) is not None:
            raise PayloadUnavailable(failure)
        raise self._worker_unavailable(f"it failed: {cause.message}")

    def _worker_unavailable(self, reason: str) -> WorkerUnavailable:
        return WorkerUnavailable(
            f"No worker on task queue {self._settings.task_queue!r} could ask MCP servers ({reason}). "
            f"Start one (`{start_worker(self._settings)}`) and try again."
        )
