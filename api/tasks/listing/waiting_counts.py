"""How many tasks wait for people, by the age of their oldest input request: for metrics, so over all tenants."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from temporalio.client import Client
from temporalio.service import RPCError

from activities.temporal.temporal_clock import temporal_now
from workflows.search_attributes import INPUT_SINCE
from workflows.task_types import WORKFLOW_TYPE

__all__ = ["waiting_counts"]

_AGES_S = (0, 300, 3_600, 86_400)
_TIMEOUT_S = 2.0


async def waiting_counts(client: Client) -> Mapping[int, int]:
    """Return the number of waiting tasks whose oldest request is at least 0, 300, 3,600 and 86,400 seconds old.

    It is empty where Temporal doesn't respond in 2 s.
    """
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            now = await temporal_now(client)
            queries = (_query((now - timedelta(seconds=age)).isoformat() if age else None) for age in _AGES_S)
            counted = await asyncio.gather(*map(client.count_workflows, queries))
    except (RPCError, TimeoutError, RuntimeError):
        return {}
    return {age: each.count for age, each in zip(_AGES_S, counted, strict=True)}


def _query(opened_before: str | None) -> str:
    age = f"{INPUT_SINCE.name} IS NOT NULL" if opened_before is None else f"{INPUT_SINCE.name} <= '{opened_before}'"
    return f"WorkflowType = '{WORKFLOW_TYPE}' AND ExecutionStatus = 'Running' AND {age}"
