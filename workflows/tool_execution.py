"""Call one tool from a workflow: as an activity of its own name, within its policy."""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, TimeoutError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from pydantic import JsonValue

    from activities.payload_types import tool_activity
    from activities.retry_policies import fast_tool_policy, tool_policy
    from agentkit.interfaces import ToolContext
    from agentkit.messages import ToolCall, ToolResult
    from agentkit.runtime.tool_results import error_result, tool_result
    from agentkit.specs import ToolSpec
    from workflows.web_ui_details import call_summary

__all__ = ["execute_tool", "failure_text"]

_WORKER_SHUTDOWN = "WorkerShutdown"
"""The SDK's type of the failure of an activity that a stopping worker did not wait for."""


async def execute_tool(tool: ToolSpec, call: ToolCall, step: int) -> ToolResult:
    """Call the tool and return what the model reads of it; a failure is a result, too. Only cancellation raises."""
    task_id = workflow.info().workflow_id
    context = ToolContext(task_id=task_id, call_id=call.id, idempotency_key=f"{task_id}/{call.id}", step=step)
    try:
        value = await (_locally if tool.fast and tool.task_queue is None else _as_activity)(tool, call, context)
    except FailureError as error:
        if is_cancelled_exception(error):
            raise
        # What ends a local activity comes bare, without an ActivityError around it.
        return error_result(call, failure_text(tool, error.cause if isinstance(error, ActivityError) else error))
    return tool_result(call, value)


async def _as_activity(tool: ToolSpec, call: ToolCall, context: ToolContext) -> JsonValue:
    policy = tool_policy(tool)
    value: JsonValue = await workflow.execute_activity(
        tool_activity(tool.name),
        args=[call.arguments, context],
        task_queue=tool.task_queue,
        start_to_close_timeout=policy.start_to_close,
        schedule_to_start_timeout=policy.schedule_to_start,
        heartbeat_timeout=policy.heartbeat,
        retry_policy=policy.retry,
        summary=call_summary(call),
    )
    return value


async def _locally(tool: ToolSpec, call: ToolCall, context: ToolContext) -> JsonValue:
    policy = fast_tool_policy(tool)
    value: JsonValue = await workflow.execute_local_activity(
        tool_activity(tool.name),
        args=[call.arguments, context],
        start_to_close_timeout=policy.start_to_close,
        retry_policy=policy.retry,
        summary=call_summary(call),
    )
    return value


def failure_text(tool: ToolSpec, cause: BaseException | None) -> str:
    """Return what the model reads of a call that ended with ``cause``."""
    if isinstance(cause, ApplicationError) and cause.type != _WORKER_SHUTDOWN:
        return cause.message
    if isinstance(cause, TimeoutError) and cause.type is not None and cause.type.name == "SCHEDULE_TO_START":
        return f"{tool.name} was not called: no worker serves task queue {tool.task_queue!r}. Go on without it."
    if tool.effect == "irreversible":
        return (
            f"{tool.name} was started, and its worker was lost. Whether it took effect is UNKNOWN. "
            "Don't call it again before you have checked."
        )
    return f"{tool.name} did not answer: its worker was lost or too slow, several times. Try something smaller."
