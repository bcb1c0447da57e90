"""A client for tests that sends queries again that a worker refuses, as ``query_workflow`` does."""

from __future__ import annotations

from typing import Any

from temporalio.client import Interceptor, OutboundInterceptor, QueryWorkflowInput, WorkflowQueryFailedError

from activities.temporal.workflow_queries import EARLY_EVENTS

_MAX_ATTEMPTS = 5


class RepeatedQueries(Interceptor):
    """Repeats queries for which a workflow has events that it has not read."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return _Repeating(super().intercept_client(next))


class _Repeating(OutboundInterceptor):
    async def query_workflow(self, input: QueryWorkflowInput) -> Any:
        for _ in range(_MAX_ATTEMPTS - 1):
            try:
                return await super().query_workflow(input)
            except WorkflowQueryFailedError as error:
                if EARLY_EVENTS not in str(error):
                    raise
        return await super().query_workflow(input)
