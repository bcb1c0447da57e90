"""One step of the agent loop: a request to the model, and the tool calls that it asks for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from agentkit.errors import ContextTooLong, MessageTooLong, ModelError, NotDone, OpspawnError
from agentkit.input_requests import InputAnswer
from agentkit.interfaces import (
    CallTools,
    CompactionReason,
    Finish,
    McpDescription,
    McpToolCall,
    ModelResponse,
    Proceed,
)
from agentkit.messages import ToolCall
from agentkit.runtime.call_execution import CallExecution
from agentkit.runtime.calls.call_effects import CallEffects, CheckedCall
from agentkit.runtime.concurrency import gather_or_cancel
from agentkit.runtime.limit_requests import stopped_by_person
from agentkit.runtime.loop import AgentLoop

__all__ = ["MAX_COMPACTIONS", "LoopEffects", "run_step"]

MAX_COMPACTIONS = 3
"""How often the transcript is shortened for one request that a model refuses as too long."""


class LoopEffects(CallEffects, Protocol):
    """The side effects of a step: requests to models, those of its tool calls, and records of what happened."""

    async def ask_for_limit(self, reached: str, step: int) -> InputAnswer:
        """Ask a person to raise a limit that is reached between two steps; return the answer."""
        ...

    async def before_step(self, loop: AgentLoop) -> None:
        """Return when the next step may start: the task isn't paused, and messages from people are appended."""
        ...

    async def request_model(self, loop: AgentLoop) -> ModelResponse:
        """Send the transcript to ``loop.model`` and return its response, with call ids that are unique in the task.

        Its stop reason is ``interrupted`` where a person interrupted the model: it has what was written until then.

        Raises:
            ModelError: the model gave no response; the next model of the agent's chain is requested.
        """
        ...

    async def describe_mcp_tools(self, calls: Sequence[McpToolCall], taken: Collection[str]) -> McpDescription:
        """Return the tools of the calls, under names other than those taken, and which of the calls to refuse.

        Raises:
            NotDone: a person interrupted the step, so nothing is known.
        """
        ...

    async def compact(self, loop: AgentLoop, reason: CompactionReason, attempt: int = 1) -> bool:
        """Make a shorter transcript and give it to ``loop.replace_transcript``; return False if nothing is left out.

        ``attempt`` is greater than 1 where the model has refused a shorter one, too.

        Raises:
            MessageTooLong: what must stay is too long.
            OpspawnError: it can't be made shorter now.
        """
        ...

    def on_compaction_failed(self, error: OpspawnError) -> None:
        """Called where the transcript could not be shortened."""
        ...

    def on_model_failed(self, model: str, error: ModelError) -> None:
        """Called when a model gave no response."""
        ...

    def on_plan(self, plan: Sequence[str]) -> None:
        """Called with each new plan."""
        ...

    def on_calls_checked(self, calls: Sequence[CheckedCall]) -> None:
        """Called with a step's tool calls, before any of them is made."""
        ...


async def run_step(loop: AgentLoop, effects: LoopEffects) -> Finish | None:
    """Run one step: request the model, then make the tool calls it asks for, in parallel.

    Returns:
        The decision that ends the task; None when another step follows.

    Raises:
        LimitExceeded: a limit of the task is reached, and nobody raised it.
        ModelError: no model of the agent's chain gave a usable response.
    """
    await _until_step_may_start(loop, effects)
    if loop.context.is_due and loop.reached_limit() is None:
        await _compact_at_share(loop, effects)
        await _until_step_may_start(loop, effects)  # the summary has its usage, too
    response = loop.start_step() or await _request_chain(loop, effects)
    finish = await _act(loop, effects, response)
    loop.end_step()
    return finish


async def _until_step_may_start(loop: AgentLoop, effects: LoopEffects) -> None:
    await effects.before_step(loop)
    while await _raise_reached_limit(loop, effects):
        await effects.before_step(loop)  # people may have paused the task meanwhile, or written to it


async def _act(loop: AgentLoop, effects: LoopEffects, response: ModelResponse) -> Finish | None:
    """Do what the response asks for; return the decision that ends the task, if it is one."""
    if response.stop_reason == "interrupted":
        loop.record_interruption(response)
        return None
    decision = loop.record_response(response)
    match decision:
        case Finish():
            return decision
        case Proceed(plan):
            effects.on_plan(plan)
        case CallTools(calls):
            await _describe_proxied_tools(loop, effects, calls)
            now = effects.now()
            checked = [loop.check_call(call, index, now) for index, call in enumerate(calls)]
            effects.on_calls_checked(checked)
            execution = CallExecution(loop.agent, loop, effects, loop.steps, response.message.text)
            loop.record_results(calls, await gather_or_cancel(map(execution.execute, checked)))
    return None


async def _describe_proxied_tools(loop: AgentLoop, effects: LoopEffects, calls: Sequence[ToolCall]) -> None:
    """Describe the MCP tools of a step's calls of ``mcp_call`` that the task doesn't know yet."""
    targets = loop.undescribed_tools(calls)
    if not targets:
        return
    taken = [tool.name for tool in (*loop.agent.tools, *loop.agent.proxied)]
    try:
        description = await effects.describe_mcp_tools(list(targets.values()), taken)
    except NotDone as error:
        description = McpDescription(refusals=dict.fromkeys(range(len(targets)), str(error)))
    loop.add_descriptions(targets, description)


async def _raise_reached_limit(loop: AgentLoop, effects: LoopEffects) -> bool:
    """Ask a person to raise a limit that is reached, if the agent is to ask; return whether one was raised.

    Raises:
        LimitExceeded: a person stopped the task.
    """
    reached = loop.reached_limit()
    if loop.limits.on_exhausted != "ask" or reached is None:
        return False
    answer = await effects.ask_for_limit(reached, loop.steps)
    if answer.decision != "raise":
        raise stopped_by_person(reached, answer.answered_by)
    if answer.limits is not None:
        loop.raise_limits(answer.limits)
    return True


async def _request_chain(loop: AgentLoop, effects: LoopEffects) -> ModelResponse:
    compactions = 0
    while True:
        try:
            return await effects.request_model(loop)
        except ModelError as error:
            effects.on_model_failed(loop.model, error)
            compactions += 1
            if not await _compact_too_long(loop, effects, error, compactions):
                loop.fall_back(error)
                compactions = 0


async def _compact_at_share(loop: AgentLoop, effects: LoopEffects) -> None:
    """Shorten the transcript before it is too long for the model; where that fails, the task goes on as it is."""
    try:
        if not await effects.compact(loop, "share"):
            loop.context.failed()
    except OpspawnError as error:
        loop.context.failed()
        effects.on_compaction_failed(error)


async def _compact_too_long(loop: AgentLoop, effects: LoopEffects, error: ModelError, attempt: int) -> bool:
    """Shorten the transcript that a model has refused as too long; return whether it is to be requested again.

    Raises:
        MessageTooLong: what must stay is too long for the last model of the chain.
    """
    if not isinstance(error, ContextTooLong) or attempt > MAX_COMPACTIONS or not loop.may_compact:
        return False
    try:
        return await effects.compact(loop, "too_long", attempt)
    except OpspawnError as failure:
        effects.on_compaction_failed(failure)
        if isinstance(failure, MessageTooLong) and not loop.has_fallback:
            raise
        return False
