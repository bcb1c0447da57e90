"""Workers report what the model requests of tenants with daily limits have spent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from temporalio.client import Interceptor, OutboundInterceptor, StartWorkflowInput, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from activities.tenant_settings import TenantSettings
from activities.tenant_usage import TENANT_USAGE_TYPE, TenantTotal, tenant_usage_id
from agentkit.interfaces import ModelResponse
from agentkit.messages import Message, TextPart, Usage
from agentkit.testing import ScriptedModel
from tests.integration.api.conftest import eventually
from tests.workflows.usage_totals import reported_total

if TYPE_CHECKING:
    from tests.workflows.conftest import TaskEnvironment

LIMITED: Any = {"tenants": {"default": TenantSettings(max_tokens_a_day=1_000_000)}}
OF_ANOTHER: Any = {"tenants": {"acme": TenantSettings(max_tokens_a_day=1)}}


class LostReports(Interceptor):
    """Loses reports: before they reach Temporal, and then the response to one."""

    def __init__(self, *losses: str) -> None:
        self.losses = list(losses)

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        losses = self.losses

        class Outbound(OutboundInterceptor):
            async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:
                loss = losses.pop(0) if losses and input.workflow == TENANT_USAGE_TYPE else None
                if loss != "request":
                    handle = await super().start_workflow(input)
                if loss is not None:
                    raise RPCError("lost", RPCStatusCode.UNAVAILABLE, b"")
                return handle

        return Outbound(next)


def response(tokens: int) -> ModelResponse:
    message = Message(role="assistant", parts=(TextPart(text="Done."),), model="scripted:m")
    usage = Usage(input_tokens=tokens, output_tokens=1, cost_usd=0.25, model_calls=1)
    return ModelResponse(message=message, stop_reason="end", usage=usage)


def own_day(env: TaskEnvironment) -> WorkflowHandle[Any, Any]:
    day = datetime.now(UTC).date()
    return env.client.get_workflow_handle(tenant_usage_id(env.settings.task_queue, "default", day))


async def test_each_model_request_is_counted_once_although_reports_are_lost(env: TaskEnvironment) -> None:
    reports = LostReports("request", "response")
    async with env.with_interceptor(reports).worker(ScriptedModel([response(n) for n in (10, 20, 30)]), **LIMITED):
        for _ in range(3):
            await env.run("Hello")
        found = await eventually(lambda: reported_total(own_day(env)), lambda found: found.model_calls == 3)
    assert found == TenantTotal(tokens=63, cost_usd=0.75, model_calls=3)
    assert reports.losses == []
    await own_day(env).terminate()


async def test_what_tenants_without_daily_limits_spend_is_not_counted(env: TaskEnvironment) -> None:
    async with env.worker(ScriptedModel([response(10)]), **OF_ANOTHER):
        await env.run("Hello")
    with pytest.raises(RPCError, match="not found"):
        await own_day(env).describe()
