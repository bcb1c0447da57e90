"""Query the workflows of tasks: a worker responds, or where none can any more, a replay of the task's history."""

from __future__ import annotations

from datetime import timedelta
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from temporalio.client import Client, WorkflowExecution, WorkflowHandle, WorkflowQueryFailedError
from temporalio.service import RPCError, RPCStatusCode

from activities.settings import Settings
from activities.temporal.payload_storage import storage_failure_in
from activities.temporal.queue_workers import QueueWorkers, pinned_version, recent_workers
from activities.temporal.versions.version_problems import ended_without_workers
from activities.temporal.workflow_queries import query_workflow
from api.tasks.errors import PayloadUnavailable, WorkerUnavailable
from api.tasks.payload_decoding import payload_unavailable
from api.tasks.temporal_calls import is_unreachable
from api.tasks.workers.readiness import start_worker
from api.tasks.workers.worker_presence import version_problem
from workflows.replayed_queries import ReplayedQueries, can_only_be_replayed

__all__ = ["QUERY_CALLS_TIMEOUT_S", "WorkerQueries"]

QUERY_CALLS_TIMEOUT_S = 30.0
"""Seconds that all calls of one request with a query may take."""

_QUERY_TIMEOUT = timedelta(seconds=15)
"""A worker that doesn't have the task in its cache replays it first."""

_AWAY = (RPCStatusCode.UNAVAILABLE, RPCStatusCode.UNKNOWN)
"""Statuses of a query while Temporal is away; others, such as a timeout, are those of a query that no worker takes."""

T = TypeVar("T", bound=BaseModel)


class WorkerQueries:
    """Queries tasks, within ``calling_temporal``."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._replayed = ReplayedQueries(client)

    async def query(
        self,
        handle: WorkflowHandle[object, object],
        execution: WorkflowExecution,
        query: str,
        result_type: type[T],
        argument: BaseModel | None = None,
    ) -> T:
        """Return the result of a query to the task's workflow, which ``execution`` describes.

        One that has ended on a version without workers is read by a replay of its history, in this process.

        Raises:
            WorkerUnavailable: no worker responds.
            PayloadUnavailable: the worker can't read what is asked for, or this process can't read its response.
            RPCError: Temporal can't be reached, or has no such workflow any more.
        """
        workers = await recent_workers(self._client, execution.task_queue)
        args = [] if argument is None else [argument]
        if is_ended_alone := can_only_be_replayed(execution, workers):
            result = self._replayed.query(execution.id, execution.run_id, query, result_type, args)
        else:
            self._require_worker(execution, workers)
            result = query_workflow(handle, query, result_type, args=args, rpc_timeout=_QUERY_TIMEOUT)
        try:
            return await result
        except WorkflowQueryFailedError as error:
            if (failure := storage_failure_in(str(error))) is not None:
                raise PayloadUnavailable(failure) from error
            if is_ended_alone and (version := pinned_version(execution)) is not None:
                raise WorkerUnavailable(ended_without_workers(version, str(error))) from error
            raise self._worker_unavailable(str(error)) from error
        except ValidationError as error:
            raise payload_unavailable(error) from error
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND or (error.status in _AWAY and is_unreachable(error)):
                raise
            raise self._worker_unavailable(error.message) from error

    def _require_worker(self, execution: WorkflowExecution, workers: QueueWorkers) -> None:
        if (problem := version_problem(execution, workers)) is not None:
            raise WorkerUnavailable(f"No worker can read the task. {problem}")
        if not workers.serving(pinned_version(execution)):
            raise self._worker_unavailable("none polls")

    def _worker_unavailable(self, reason: str) -> WorkerUnavailable:
        return WorkerUnavailable(
            f"No worker on task queue {self._settings.task_queue!r} could read the task ({reason}). "
            f"Start one (`{start_worker(self._settings)}`) and ask again; the task itself is safe."
        )
