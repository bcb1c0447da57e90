"""Query workflows, again where a worker could not answer because of what has just happened."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TypeVar

from temporalio.client import WorkflowHandle, WorkflowQueryFailedError

__all__ = ["EARLY_EVENTS", "query_workflow"]

EARLY_EVENTS = "The workflow has events that it has not read yet. Ask again."
"""The failure of a query that ``workflows.early_events`` refuses."""

_MAX_ATTEMPTS = 5
_T = TypeVar("_T")


async def query_workflow(
    handle: WorkflowHandle[object, object],
    name: str,
    result_type: type[_T],
    *,
    args: Sequence[object] = (),
    rpc_timeout: timedelta,
) -> _T:
    """Return the result of a query. ``rpc_timeout`` is that of each attempt.

    Raises:
        WorkflowQueryFailedError: the workflow has no such query, or answers with an error.
        RPCError: there is no such workflow, no worker responds in time, or Temporal can't be reached.
        ValidationError: the result is of another type.
    """
    failures = 0
    while True:
        try:
            result: _T = await handle.query(name, args=args, result_type=result_type, rpc_timeout=rpc_timeout)
        except WorkflowQueryFailedError as error:
            failures += 1
            if EARLY_EVENTS not in str(error) or failures == _MAX_ATTEMPTS:
                raise
        else:
            return result
