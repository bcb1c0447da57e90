"""Query workflows that have ended, without a worker of their version: by a replay of their history in this process.

Temporal gives a query of a workflow that is pinned to a version to workers of that version only, also after the
workflow has ended. Then it can't be moved any more, so its history is read with the code that there is: workflow code
of a release replays the histories of those before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, TypeVar

from temporalio.bridge.proto.workflow_activation import QueryWorkflow, WorkflowActivation, WorkflowActivationJob
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.client import (
    Client,
    Interceptor,
    OutboundInterceptor,
    QueryWorkflowInput,
    WorkflowExecution,
    WorkflowExecutionStatus,
    WorkflowHistory,
    WorkflowQueryFailedError,
)
from temporalio.converter import WorkflowSerializationContext
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, WorkflowInstance, WorkflowInstanceDetails

from activities.temporal.queue_workers import QueueWorkers, pinned_version, recent_workers
from workflows.worker_workflows import WORKFLOWS

__all__ = ["ReplayedQueries", "can_only_be_replayed", "reading_ended_workflows"]

_MAX_REPLAYS = 2
"""How many run at once: each takes the CPU of this process, and holds a whole history."""
_QUERY_PATIENCE_S = 1.0
"""How long a query waits for a worker before it is looked whether there can be one."""
_RPC_TIMEOUT = timedelta(seconds=10)
_T = TypeVar("_T")


def can_only_be_replayed(execution: WorkflowExecution, workers: QueueWorkers) -> bool:
    """Return whether a workflow has ended on a version of which no worker polls, so that no worker can be queried."""
    if execution.status is WorkflowExecutionStatus.RUNNING:
        return False
    version = pinned_version(execution)
    return version is not None and not workers.serving(version)


class ReplayedQueries:
    """Queries workflows that have ended."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._slots = asyncio.Semaphore(_MAX_REPLAYS)
        self._threads = ThreadPoolExecutor(_MAX_REPLAYS, thread_name_prefix="replay_")

    async def query(
        self, workflow_id: str, run_id: str | None, name: str, result_type: type[_T] | None, args: Sequence[object] = ()
    ) -> _T:
        """Return the result of a query to a workflow's run; None: to its newest.

        Raises:
            WorkflowQueryFailedError: the workflow has no such query, answers with an error, or can't be replayed.
            RPCError: there is no such workflow, or Temporal can't be reached.
        """
        context = WorkflowSerializationContext(namespace=self._client.namespace, workflow_id=workflow_id)
        converter = self._client.data_converter.with_context(context).payload_converter
        asked = QueryWorkflow(query_id="query", query_type=name, arguments=converter.to_payloads(args))
        async with self._slots:
            handle = self._client.get_workflow_handle(workflow_id, run_id=run_id)
            history = await handle.fetch_history(rpc_timeout=_RPC_TIMEOUT)
            completion = await self._replay(history, asked)
        result = next((each for each in completion.successful.commands if each.HasField("respond_to_query")), None)
        if result is None:
            raise WorkflowQueryFailedError(completion.failed.failure.message)
        if result.respond_to_query.HasField("failed"):
            raise WorkflowQueryFailedError(result.respond_to_query.failed.message)
        response = result.respond_to_query.succeeded.response
        value: _T = converter.from_payloads([response], None if result_type is None else [result_type])[0]
        return value

    async def _replay(self, history: WorkflowHistory, asked: QueryWorkflow) -> WorkflowActivationCompletion:
        """Return the workflow's response to a query at the end of its history."""
        runner = _QueryingRunner(asked)
        replayer = Replayer(
            workflows=WORKFLOWS,
            workflow_task_executor=self._threads,
            workflow_runner=runner,
            namespace=self._client.namespace,
            data_converter=self._client.data_converter,
            build_id="replay",  # without one, the SDK hashes every loaded module
        )
        result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
        if result.replay_failure is not None or runner.completion is None:
            reason = result.replay_failure or "it has no events"
            raise WorkflowQueryFailedError(f"The history can't be replayed: {reason}")
        return runner.completion


class _QueryingRunner(UnsandboxedWorkflowRunner):
    """Runs one workflow and queries it at the end: before it is removed from the cache."""

    def __init__(self, asked: QueryWorkflow) -> None:
        super().__init__()
        self.completion: WorkflowActivationCompletion | None = None
        """The response, when the replay has ended."""
        self._asked = asked

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """Create a workflow instance; its ``activate`` queries it before the end."""
        instance = super().create_instance(det)
        activate, newest = instance.activate, WorkflowActivation()

        def activate_and_query(act: WorkflowActivation) -> WorkflowActivationCompletion:
            nonlocal newest
            if any(job.HasField("remove_from_cache") for job in act.jobs):
                query = WorkflowActivation()
                query.CopyFrom(newest)
                query.ClearField("jobs")
                query.jobs.append(WorkflowActivationJob(query_workflow=self._asked))
                self.completion = activate(query)
            else:
                newest = act
            return activate(act)

        instance.activate = activate_and_query  # type: ignore[method-assign]
        return instance


def reading_ended_workflows(client: Client) -> Client:
    """Return the client with queries that are answered by a replay where no worker can answer: for workers."""
    config = client.config()
    config["interceptors"] = [*config["interceptors"], _EndedWorkflows(client)]
    return Client(**config)


class _EndedWorkflows(Interceptor):
    def __init__(self, client: Client) -> None:
        self._client = client
        self._replayed = ReplayedQueries(client)

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return _EndedWorkflowQueries(next, self._client, self._replayed)


class _EndedWorkflowQueries(OutboundInterceptor):
    def __init__(self, next: OutboundInterceptor, client: Client, replayed: ReplayedQueries) -> None:
        super().__init__(next)
        self._client = client
        self._replayed = replayed

    async def query_workflow(self, input: QueryWorkflowInput) -> Any:
        querying = asyncio.ensure_future(self.next.query_workflow(input))
        try:
            await asyncio.wait({querying}, timeout=_QUERY_PATIENCE_S)
            if querying.done() or not await self._can_only_be_replayed(input):
                return await querying
        finally:
            querying.cancel()
        return await self._replayed.query(input.id, input.run_id, input.query, input.ret_type, input.args)

    async def _can_only_be_replayed(self, input: QueryWorkflowInput) -> bool:
        execution = await self._client.get_workflow_handle(input.id, run_id=input.run_id).describe(
            rpc_timeout=input.rpc_timeout
        )
        return can_only_be_replayed(execution, await recent_workers(self._client, execution.task_queue))
