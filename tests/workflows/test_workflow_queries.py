"""A query that a worker refuses because of events that it has not read is sent again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from temporalio.client import (
    Client,
    Interceptor,
    OutboundInterceptor,
    QueryWorkflowInput,
    WorkflowQueryFailedError,
)

from activities.temporal.workflow_queries import EARLY_EVENTS, query_workflow

if TYPE_CHECKING:
    from tests.workflows.conftest import TaskEnvironment


class Failing(Interceptor):
    """Fails the first queries."""

    def __init__(self, message: str, failures: int) -> None:
        self.message = message
        self.failures = failures
        self.queries = 0

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return FailingOutbound(next, self)


class FailingOutbound(OutboundInterceptor):
    def __init__(self, next: OutboundInterceptor, failing: Failing) -> None:
        super().__init__(next)
        self._failing = failing

    async def query_workflow(self, input: QueryWorkflowInput) -> Any:
        self._failing.queries += 1
        if self._failing.queries <= self._failing.failures:
            raise WorkflowQueryFailedError(self._failing.message)
        return True


async def query(client: Client, failing: Failing) -> bool:
    failing_client = Client(client.service_client, interceptors=[failing])
    handle = failing_client.get_workflow_handle("some-workflow")
    return await query_workflow(handle, "passed", bool, rpc_timeout=timedelta(seconds=10))


async def test_a_refused_query_is_sent_again(env: TaskEnvironment) -> None:
    failing = Failing(f"Failed: {EARLY_EVENTS}", failures=4)
    assert await query(env.client, failing) is True
    assert failing.queries == 5


async def test_the_fifth_refusal_is_raised(env: TaskEnvironment) -> None:
    failing = Failing(EARLY_EVENTS, failures=5)
    with pytest.raises(WorkflowQueryFailedError, match="has not read yet"):
        await query(env.client, failing)
    assert failing.queries == 5


async def test_another_failure_is_raised_at_once(env: TaskEnvironment) -> None:
    failing = Failing("unknown query", failures=1)
    with pytest.raises(WorkflowQueryFailedError, match="unknown query"):
        await query(env.client, failing)
    assert failing.queries == 1
