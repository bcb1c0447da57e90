"""Query workflows, again where a worker could not answer because of what has just happened."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TypeVar

from temporalio.client import WorkflowHandle, WorkflowQueryFailedError
from temporalio.service import RPCError, RPCStatusCode

from activities.erasure_payloads import ERASURE_TYPES

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
        RPCError: there is no such workflow, or it was erased (both ``NOT_FOUND``); no worker responds in time, or
            Temporal can't be reached.
        ValidationError: the result is of another type.
    """
    failures = 0
    while True:
        try:
            result: _T = await handle.query(name, args=args, result_type=result_type, rpc_timeout=rpc_timeout)
        except WorkflowQueryFailedError as error:
            failures += 1
            if EARLY_EVENTS not in str(error) or failures == _MAX_ATTEMPTS:
                if await _is_erased(handle, rpc_timeout):
                    raise RPCError("The workflow was erased.", RPCStatusCode.NOT_FOUND, b"") from error
                raise
        else:
            return result


async def _is_erased(handle: WorkflowHandle[object, object], rpc_timeout: timedelta) -> bool:
    """Return whether it is an erasure which has the id, and no query; False where Temporal doesn't respond."""
    try:
        return (await handle.describe(rpc_timeout=rpc_timeout)).workflow_type in ERASURE_TYPES
    except RPCError:
        return False
