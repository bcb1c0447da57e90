"""Run one tool call from a workflow: as an activity, or a local activity, of the tool's own type."""

from __future__ import annotations

from collections.abc import Sequence

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    FailureError,
    TimeoutError,
    TimeoutType,
    is_cancelled_exception,
)

with workflow.unsafe.imports_passed_through():
    from activities.failure_mapping import is_local_timeout, is_not_served, is_refusal
    from activities.payload_types import (
        decode_output,
        encode_context,
        probe_activity,
        probe_activity_id,
        tool_activity,
        tool_activity_id,
    )
    from activities.retry_policies import ActivityPolicy, fast_tool_policy, probe_policy, tool_policy
    from agentkit.errors import (
        LocalAttemptLost,
        NotDone,
        RequestStateLost,
        ResultUnreadable,
        SecretMissing,
        ToolArgumentsInvalid,
        ToolError,
        ToolInterrupted,
        ToolNotFound,
        ToolNotServed,
        ToolNotStarted,
        ToolUnavailable,
    )
    from agentkit.interfaces import ProbeOutcome, ToolContext, ToolValue, Unknown
    from agentkit.interfaces.probe import read_probe_record
    from agentkit.json_text import MAX_JSON_DEPTH, is_deeper_than
    from agentkit.messages import ToolCall
    from agentkit.specs import ToolSpec
    from workflows.listing.progress_details import call_summary
    from workflows.tools.plain_json import PlainArguments, read_plain_json

__all__ = ["is_local", "run_probe", "run_tool", "tool_error", "tool_failure_text"]

_REFUSAL_PAUSES_S = (1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0)
"""Between the attempts to find a worker that has the tool: about a minute, so that one may be restarted meanwhile."""

_MAX_REFUSALS = 3
"""The most refusals that an error shows, each of another worker."""

_Arguments = Sequence[object]
"""Of the activity: those of the model, and the ``ToolContext``."""

_RESULT_TOO_LARGE = "PayloadsTooLarge"
"""The SDK's type of the failure of an activity whose result Temporal doesn't take."""

_WORKER_SHUTDOWN = "WorkerShutdown"
"""The SDK's type of the failure of an activity that a stopping worker did not wait for."""

_CUT_OFF = frozenset({ToolInterrupted.__name__, ToolUnavailable.__name__, _WORKER_SHUTDOWN})
"""Types of the failures of an irreversible call that may have had its effect."""

_UNREADABLE = frozenset({ResultUnreadable.__name__, _RESULT_TOO_LARGE})
"""Types of the failures of a call that took effect."""

_REPORTED = frozenset({ToolError.__name__, ToolNotFound.__name__})
"""Types of the failures that a tool itself reports. Any other is an error of its worker, and the call may have had its
effect: a result that can't be encoded, say. A worker of another program names its tools' failures as it likes.
"""

_NOT_DONE = frozenset(
    kind.__name__ for kind in (NotDone, RequestStateLost, SecretMissing, ToolArgumentsInvalid, ToolNotStarted)
)
"""Types of the failures of a call that had no effect."""

_MAX_PROBE_ERROR_CHARS = 500


def is_local(tool: ToolSpec) -> bool:
    """Return whether calls of the tool run as local activities."""
    return tool.fast and tool.task_queue is None


async def run_tool(tool: ToolSpec, call: ToolCall, context: ToolContext, plain_arguments: PlainArguments) -> ToolValue:
    """Run the call and return the tool's value.

    A fast tool's call is a local activity first. If that takes long, or may have ended a worker, it is an activity,
    whose attempts Temporal counts. A worker that lacks the tool, or is busy, refuses it; then another one is asked.

    Raises:
        NotDone: the call had no effect.
        ToolInterrupted: the call was cut off, and whether it took effect is not known.
        ToolError: the call failed for good; the message is written for the model, as all of these.
        ToolNotServed: all workers that were asked lack the tool; the call has not started.
        FailureError: the task was cancelled.
    """
    may_end_workers = False
    if is_local(tool):
        try:
            return await _run_locally(tool, call, context)
        except FailureError as error:
            cause = _cause(error)
            if not is_refusal(cause) and not is_local_timeout(cause):
                raise tool_error(tool, cause) from error
            may_end_workers = is_refusal(cause) and cause.type == LocalAttemptLost.__name__
    arguments: _Arguments = [call.arguments, context]
    if tool.task_queue is not None:
        arguments = await plain_arguments.encode(tool, call, context)
    elif not tool.external:
        arguments = [call.arguments, encode_context(context, tool_activity_id(call.id))]
    return await _run_as_activities(tool, call, arguments, tool_policy(tool, may_end_workers=may_end_workers))


async def _run_as_activities(
    tool: ToolSpec, call: ToolCall, arguments: _Arguments, policy: ActivityPolicy
) -> ToolValue:
    """Run the call as an activity, and again until a worker starts it."""
    refusals: list[ApplicationError] = []
    for pause_s in (*_REFUSAL_PAUSES_S, None):
        try:
            return await _run_as_activity(tool, call, arguments, policy)
        except FailureError as error:
            cause = _cause(error)
            if not is_refusal(cause):
                raise tool_error(tool, cause) from error
            refusals.append(cause)
        if pause_s is not None:
            await workflow.sleep(pause_s, summary=f"{tool.name}: ask another worker")
    if all(map(is_not_served, refusals)):
        raise ToolNotServed(_not_served_text(tool, refusals))
    raise NotDone(f"{tool.name} was not called: all workers that have it were busy. Go on without it, or try later.")


def _cause(error: FailureError) -> BaseException | None:
    """Return why an activity failed; raise the error itself if the task was cancelled."""
    if is_cancelled_exception(error):
        raise error
    # A local activity's failure comes without an ActivityError around it.
    return error.cause if isinstance(error, ActivityError) else error


def _not_served_text(tool: ToolSpec, refusals: Sequence[ApplicationError]) -> str:
    asked = " ".join(list(dict.fromkeys(refusal.message for refusal in refusals))[:_MAX_REFUSALS])
    task_queue = tool.task_queue or workflow.info().task_queue
    cure = (
        f"Register the activity type {tool_activity(tool.activity_name)!r} in them."
        if tool.external
        else "Start one there with the app directory that has the tool: opspawn worker --app-dir DIR."
    )
    return (
        f"No worker that was asked has the tool {tool.name!r}: those of task queue {task_queue!r} were asked "
        f"{len(refusals)} times in {sum(_REFUSAL_PAUSES_S):g} s. {cure} Who was asked, and what they have: {asked}"
    )


async def _run_as_activity(tool: ToolSpec, call: ToolCall, arguments: _Arguments, policy: ActivityPolicy) -> ToolValue:
    result: RawValue = await workflow.execute_activity(
        tool_activity(tool.activity_name),
        args=arguments,
        result_type=RawValue,
        activity_id=tool_activity_id(call.id),
        task_queue=tool.task_queue,
        start_to_close_timeout=policy.start_to_close,
        schedule_to_start_timeout=policy.schedule_to_start,
        heartbeat_timeout=policy.heartbeat,
        retry_policy=policy.retry,
        summary=call_summary(call),
    )
    return _decoded(tool, result)


async def _run_locally(tool: ToolSpec, call: ToolCall, context: ToolContext) -> ToolValue:
    policy = fast_tool_policy(tool)
    result: RawValue = await workflow.execute_local_activity(
        tool_activity(tool.activity_name),
        args=[call.arguments, context],
        result_type=RawValue,
        activity_id=tool_activity_id(call.id),
        schedule_to_close_timeout=policy.start_to_close,
        retry_policy=policy.retry,
        summary=call_summary(call),
    )
    return _decoded(tool, result)


def _decoded(tool: ToolSpec, result: RawValue) -> ToolValue:
    """Return an activity's value. The worker that sent it may be anyone's, so it is decoded here, where it may fail.

    Raises:
        ToolError: it is no JSON, or nested too deeply.
    """
    try:
        value = read_plain_json(result.payload, workflow.payload_converter())
        if is_deeper_than(value, MAX_JSON_DEPTH):
            raise ValueError(f"it is nested more than {MAX_JSON_DEPTH} levels deep")
    except ValueError as error:
        text = f"{tool.name} did its work, but its result can't be read: {str(error)[:200]}. Don't call it again."
        raise ResultUnreadable(text) from error
    try:
        return decode_output(value, result.payload.metadata)
    except ValueError:  # of a later release: what the model reads is in the value
        return value


async def run_probe(tool: ToolSpec, call: ToolCall, context: ToolContext) -> ProbeOutcome:
    """Run the tool's probe as an activity, and return whether the call took effect; ``Unknown`` where it fails.

    Raises:
        FailureError: the task was cancelled.
    """
    cause: BaseException | None = None
    for pause_s in (None, *_REFUSAL_PAUSES_S):
        if pause_s is not None:
            await workflow.sleep(pause_s, summary=f"{tool.name}: ask another worker")
        try:
            return read_probe_record(await _run_probe_activity(tool, call, context))
        except FailureError as error:
            cause = _cause(error)
            if not is_refusal(cause):
                break
    text = cause.message if isinstance(cause, FailureError) else str(cause)
    return Unknown(text[:_MAX_PROBE_ERROR_CHARS])


async def _run_probe_activity(tool: ToolSpec, call: ToolCall, context: ToolContext) -> object:
    policy = probe_policy(tool)
    return await workflow.execute_activity(
        probe_activity(tool.activity_name),
        args=[call.arguments, context],
        result_type=object,
        activity_id=probe_activity_id(call.id),
        task_queue=tool.task_queue,
        start_to_close_timeout=policy.start_to_close,
        schedule_to_start_timeout=policy.schedule_to_start,
        heartbeat_timeout=policy.heartbeat,
        retry_policy=policy.retry,
        summary=f"Find out whether {tool.name} took effect",
    )


def tool_error(tool: ToolSpec, cause: BaseException | None) -> ToolError:
    """Return the error of a failed call, by what is known of its effect."""
    text = tool_failure_text(tool, cause)
    if isinstance(cause, ApplicationError) and cause.type in _NOT_DONE:
        return RequestStateLost(text) if cause.type == RequestStateLost.__name__ else NotDone(text)
    if isinstance(cause, ApplicationError) and cause.type in _UNREADABLE:
        return ResultUnreadable(text)
    if isinstance(cause, TimeoutError) and cause.type is TimeoutType.SCHEDULE_TO_START:
        return NotDone(text)
    if tool.effect != "irreversible":
        return ToolError(text)
    if not isinstance(cause, ApplicationError):
        return ToolInterrupted(text, may_still_run=True)
    is_of_other_program = bool(tool.external or tool.task_queue) and cause.type not in _CUT_OFF
    is_reported = cause.type in _REPORTED or is_of_other_program
    return ToolError(text) if is_reported else ToolInterrupted(text)


def tool_failure_text(tool: ToolSpec, cause: BaseException | None) -> str:
    """Return what the model reads of a call that ended with the failure ``cause``."""
    if isinstance(cause, ApplicationError) and cause.type == _RESULT_TOO_LARGE:
        text = "its result can't be read: it is larger than Temporal takes, which is 2 MiB"
        return f"{tool.name} did its work, but {text}. Don't call it again for the same."
    if isinstance(cause, ApplicationError) and cause.type != _WORKER_SHUTDOWN:
        return cause.message
    if isinstance(cause, TimeoutError) and cause.type is not None and cause.type.name == "SCHEDULE_TO_START":
        return f"{tool.name} was not called: no worker serves task queue {tool.task_queue!r}. Go on without it."
    if tool.effect == "irreversible":
        is_late = tool.external and isinstance(cause, TimeoutError) and cause.type is TimeoutType.START_TO_CLOSE
        reason = f"gave no result within {tool.timeout:g} s" if is_late else "its worker was lost"
        return f"{tool.name} was started, and {reason}."
    return f"{tool.name} gave no result: its worker was lost or too slow, several times. Try something smaller."
