"""One agent task as a durable workflow: ask the model, decide, act, until done."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import NoReturn

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from pydantic import JsonValue

    from activities.failure_mapping import model_error_from
    from activities.payload_types import MODEL_ACTIVITY, ModelCall, ModelReply, TranscriptPage, TranscriptRange
    from activities.retry_policies import Policy, model_policy
    from agentkit.errors import ModelError, OpspawnError
    from agentkit.interfaces import CallTools, Finish, ModelResponse, Proceed
    from agentkit.messages import Message, ToolCall, ToolResult, Usage
    from agentkit.planners import get_planner
    from agentkit.runtime.approval_policy import ApprovalPolicy
    from agentkit.runtime.loop import Loop
    from agentkit.specs import AgentSpec
    from workflows.search_attributes import COST_USD, MEMO_USAGE, STATUS, STEPS, TOKENS
    from workflows.task_types import (
        WORKFLOW_TYPE,
        CarriedState,
        TaskFailure,
        TaskInput,
        TaskResult,
        TaskStatus,
        TaskView,
    )
    from workflows.tool_execution import run_tool
    from workflows.transcript_sharing import REMEMBER
    from workflows.web_ui_details import Story

__all__ = ["AgentTask"]

_TRANSCRIPT_VERSION = 1


@workflow.defn(name=WORKFLOW_TYPE)
class AgentTask:
    """Owns a task's transcript; its activities get references to it."""

    @workflow.init
    def __init__(self, task: TaskInput) -> None:
        carried = task.carried
        self._loop = Loop(
            task.agent,
            get_planner(task.agent.planner),
            ApprovalPolicy(),
            carried.messages if carried else [task.message],
            usage=carried.usage if carried else None,
            steps=carried.steps if carried else 0,
            plan=carried.plan if carried else (),
            fallen=carried.fallen if carried else 0,
        )
        self._task = task
        self._started_at = carried.started_at if carried else workflow.now()
        self._status: TaskStatus = "running"
        self._error: str | None = None
        self._story = Story()

    @workflow.run
    async def run(self, task: TaskInput) -> TaskResult:
        """Go on until the task is done, a limit is spent, or it is cancelled."""
        if not task.carried:
            workflow.upsert_search_attributes([STATUS.value_set("running")])
        deadline = asyncio.timeout(self._remaining())
        try:
            async with deadline:
                output = await self._until_done()
        except TimeoutError:
            self._fail_late()
        except OpspawnError as error:
            self._fail(type(error).__name__, str(error))
        except FailureError as error:
            if deadline.expired():
                self._fail_late()
            if is_cancelled_exception(error):
                self._end("cancelled")
                raise
            self._fail(type(error).__name__, error.message)
        except asyncio.CancelledError:
            self._end("cancelled")
            raise
        self._end("completed")
        return TaskResult(output=output, usage=self._loop.usage, steps=self._loop.steps)

    async def _until_done(self) -> JsonValue:
        while True:
            self._continue_as_new_when_suggested()
            response = self._loop.begin_step() or await self._ask()
            match self._loop.take(response):
                case CallTools(calls):
                    self._loop.record(await asyncio.gather(*map(self._call, calls, range(len(calls)))))
                case Finish(output):
                    return output
                case Proceed(plan):
                    self._story.plans(plan)

    async def _ask(self) -> ModelResponse:
        """Ask the agent's model; where that fails for good, the next of its chain, which then stays."""
        loop = self._loop
        if remember := workflow.extern_functions().get(REMEMBER):
            remember(workflow.info().workflow_id, _TRANSCRIPT_VERSION, loop.transcript, loop.agent)
        while True:
            try:
                return await self._ask_one(loop.model, model_policy(fallback=loop.has_fallback))
            except ModelError as error:
                self._story.fails(loop.model, error)
                loop.fall_back(error)

    async def _ask_one(self, model: str, policy: Policy) -> ModelResponse:
        loop, delta = self._loop, self._loop.delta
        task_id, known = workflow.info().workflow_id, len(loop.transcript) - len(delta)
        self._story.asks(loop.steps, model)
        call = ModelCall(
            task_id=task_id,
            step=loop.steps,
            agent=loop.agent.hash,
            model=model,
            segments=(loop.transcript.segment(task_id, known, _TRANSCRIPT_VERSION),),
            delta=delta,
        )
        try:
            reply: ModelReply = await workflow.execute_activity(
                MODEL_ACTIVITY,
                call,
                result_type=ModelReply,
                start_to_close_timeout=policy.start_to_close,
                heartbeat_timeout=policy.heartbeat,
                retry_policy=policy.retry,
                summary=f"Step {loop.steps}: ask {model}",
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            raise model_error_from(error) from error
        self._story.answered(reply.response)
        return reply.response

    async def _call(self, call: ToolCall, index: int) -> ToolResult:
        admitted = self._loop.admit(call, index)
        if isinstance(admitted, ToolResult):
            result = admitted
        else:
            result = await run_tool(admitted, call, self._loop.steps)
        self._story.acted(call, result)
        return result

    def _remaining(self) -> float | None:
        deadline = self._loop.agent.limits.deadline
        if deadline is None:
            return None
        return (self._started_at + timedelta(seconds=deadline) - workflow.now()).total_seconds()

    def _continue_as_new_when_suggested(self) -> None:
        if not workflow.info().is_continue_as_new_suggested():
            return
        carried = CarriedState(
            messages=tuple(self._loop.transcript.read()),
            usage=self._loop.usage,
            steps=self._loop.steps,
            started_at=self._started_at,
            plan=self._loop.plan,
            fallen=self._loop.fallen,
        )
        workflow.continue_as_new(self._task.model_copy(update={"carried": carried}))

    def _end(self, status: TaskStatus) -> None:
        self._status = status
        usage = self._loop.usage
        workflow.upsert_search_attributes(
            [
                STATUS.value_set(status),
                STEPS.value_set(self._loop.steps),
                TOKENS.value_set(usage.tokens),
                *([] if usage.cost_usd is None else [COST_USD.value_set(usage.cost_usd)]),
            ]
        )
        workflow.upsert_memo({MEMO_USAGE: usage})
        workflow.set_current_details(self._story.told(status, usage, self._error))

    def _fail(self, kind: str, message: str, status: TaskStatus = "failed") -> NoReturn:
        self._error = message
        self._end(status)
        failure = TaskFailure(message=message, step=self._loop.steps, usage=self._loop.usage)
        raise ApplicationError(message, failure, type=kind, non_retryable=True) from None

    def _fail_late(self) -> NoReturn:
        ran = self._loop.agent.limits.deadline
        self._fail("DeadlineExceeded", f"deadline is {ran:g} s, and the task has run for as long", "timed_out")

    @workflow.query
    def status(self) -> TaskView:
        """Return the status, steps and usage, and what the task is doing."""
        return TaskView(
            status=self._status,
            steps=self._loop.steps,
            usage=self._loop.usage,
            doing=self._story.doing,
            plan=self._loop.plan,
            error=self._error,
        )

    @workflow.query
    def usage(self) -> Usage:
        """Return what was spent so far."""
        return self._loop.usage

    @workflow.query
    def transcript(self, wanted: TranscriptRange | None = None) -> TranscriptPage:
        """Return the messages wanted, as far as they fit a page; all of them without an argument."""
        wanted = wanted or TranscriptRange()
        messages: list[Message] = []
        size = 0
        for message in self._loop.transcript.read(wanted.start, wanted.end):
            size += len(message.canonical_json())
            if messages and size > wanted.max_bytes:
                break
            messages.append(message)
        return TranscriptPage(start=wanted.start, messages=tuple(messages), total=len(self._loop.transcript))

    @workflow.query
    def agent_spec(self) -> AgentSpec:
        """Return the agent, for a worker that has only its hash."""
        return self._loop.agent
