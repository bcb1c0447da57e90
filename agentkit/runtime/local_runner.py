"""Drive an agent in this process, without Temporal: for unit tests, notebooks and evals. Nothing here is durable."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pydantic import JsonValue

from agentkit.errors import LimitExceeded, ModelError, ModelRequestRejected, ToolError
from agentkit.interfaces import CallTools, Emit, Finish, Model, ModelResponse, SecurityPolicy, ToolContext, Toolset
from agentkit.messages import Message, ToolCall, ToolResult, Usage, user_message
from agentkit.planners import get_planner
from agentkit.runtime.approval_policy import ApprovalPolicy
from agentkit.runtime.loop import Loop, with_unique_call_ids
from agentkit.runtime.tool_results import error_result, tool_result
from agentkit.specs import AgentSpec, ToolSpec

__all__ = ["LocalRunner", "Outcome"]


@dataclass(frozen=True)
class Outcome:
    """What a task came to."""

    output: JsonValue
    transcript: tuple[Message, ...]
    usage: Usage
    steps: int


class LocalRunner:
    """Runs tasks with the same planners and rules as the workflow.

    Models are keyed by provider, the text before the colon of ``provider:name``. Failures of models aren't
    retried here: that is Temporal's work.
    """

    def __init__(self, models: Mapping[str, Model], toolset: Toolset, policy: SecurityPolicy | None = None) -> None:
        self._models = models
        self._toolset = toolset
        self._policy = policy or ApprovalPolicy()

    async def run(
        self, agent: AgentSpec, message: str | Message, *, task_id: str = "local", emit: Emit | None = None
    ) -> Outcome:
        """Run one task to its end.

        Raises:
            LimitExceeded: a limit of the agent is spent.
            ModelError: the model failed.
        """
        first = user_message(message) if isinstance(message, str) else message
        planner = get_planner(agent.planner)
        loop = Loop(agent, planner, self._policy, [first])
        deadline = asyncio.timeout(agent.limits.deadline)
        try:
            async with deadline:
                output = await self._until_done(loop, task_id, emit)
        except TimeoutError as error:
            if not deadline.expired():
                raise
            raise LimitExceeded(f"deadline is {agent.limits.deadline:g} s, and the task has run for as long") from error
        return Outcome(output, tuple(loop.transcript.read()), loop.usage, loop.steps)

    async def _until_done(self, loop: Loop, task_id: str, emit: Emit | None) -> JsonValue:
        while True:
            response = loop.begin_step() or await self._ask_chain(loop, emit)
            match loop.take(response):
                case CallTools(calls):
                    acting = (self._call(loop, call, index, task_id) for index, call in enumerate(calls))
                    loop.record(await asyncio.gather(*acting))
                case Finish(output):
                    return output

    async def _ask_chain(self, loop: Loop, emit: Emit | None) -> ModelResponse:
        while True:
            try:
                return await self._ask(loop, emit)
            except ModelError as error:
                loop.fall_back(error)

    async def _ask(self, loop: Loop, emit: Emit | None) -> ModelResponse:
        agent, transcript = loop.agent, loop.transcript.read()
        request = get_planner(agent.planner).render(agent, transcript, agent.tools)
        provider = loop.model.partition(":")[0]
        if provider not in self._models:
            raise ModelRequestRejected(f"No model was given for provider {provider!r} of {loop.model!r}")
        asked = replace(request, model=loop.model, messages=tuple(request.messages))
        response = await self._models[provider].respond(asked, emit)
        return response.model_copy(update={"message": with_unique_call_ids(response.message, transcript, loop.steps)})

    async def _call(self, loop: Loop, call: ToolCall, index: int, task_id: str) -> ToolResult:
        admitted = loop.admit(call, index)
        if isinstance(admitted, ToolResult):
            return admitted
        context = ToolContext(task_id=task_id, call_id=call.id, idempotency_key=f"{task_id}/{call.id}", step=loop.steps)
        try:
            return await self._act(admitted, call, context)
        except ToolError as error:
            return error_result(call, str(error))

    async def _act(self, tool: ToolSpec, call: ToolCall, context: ToolContext) -> ToolResult:
        try:
            async with asyncio.timeout(tool.timeout):
                return tool_result(call, await self._toolset.get(call.name).call(call.arguments, context))
        except TimeoutError:
            return error_result(call, f"{call.name} timed out after {tool.timeout:g} s. Try something smaller.")
