"""Run an agent in this process, without Temporal: for unit tests, notebooks and evals. Nothing here is durable."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from agentkit.errors import LimitExceeded, ModelError, ModelRequestRejected
from agentkit.interfaces import Emit, Model, ModelResponse, OutputChecker, SecurityPolicy, Toolset, ToolValue
from agentkit.messages import Message, ToolCall, ToolResult, Usage, user_message
from agentkit.planners import get_planner
from agentkit.runtime.loop import AgentLoop, CheckedCall, run_step
from agentkit.runtime.model_request import request_model
from agentkit.runtime.security_policy import RulePolicy
from agentkit.runtime.tool_invocation import invoke_tool, tool_context
from agentkit.schemas.output_check import InlineOutputChecker
from agentkit.specs import AgentSpec, ToolSpec
from agentkit.transcript import Transcript

__all__ = ["LocalResult", "LocalRunner"]


@dataclass(frozen=True)
class LocalResult:
    """The output of a task that was run locally, and how it was reached."""

    output: JsonValue
    transcript: tuple[Message, ...]
    usage: Usage
    steps: int


class LocalRunner:
    """Runs tasks by the same loop and rules as the workflow.

    Models are keyed by provider, the text before the colon of ``provider:name``. A model that fails is not
    requested again: retries belong to Temporal. Without a ``checker``, output is checked in this process.
    """

    def __init__(
        self,
        models: Mapping[str, Model],
        toolset: Toolset,
        policy: SecurityPolicy | None = None,
        checker: OutputChecker | None = None,
    ) -> None:
        self._models = models
        self._toolset = toolset
        self._policy = policy or RulePolicy()
        self._checker = checker or InlineOutputChecker()

    async def run(
        self, agent: AgentSpec, message: str | Message, *, task_id: str = "local", emit: Emit | None = None
    ) -> LocalResult:
        """Run one task to its end; ``emit`` receives the deltas of the model's responses.

        Raises:
            LimitExceeded: a limit of the agent is reached.
            ModelError: no model of the agent's chain gave a usable response.
        """
        first = user_message(message) if isinstance(message, str) else message
        loop = AgentLoop(agent, get_planner(agent.planner), self._policy, Transcript([first]))
        effects = _LocalEffects(self._models, self._toolset, self._checker, task_id, emit)
        deadline = asyncio.timeout(agent.limits.deadline)
        try:
            async with deadline:
                while (finish := await run_step(loop, effects)) is None:
                    pass
        except TimeoutError as error:
            if not deadline.expired():
                raise
            raise LimitExceeded(f"deadline is {agent.limits.deadline:g} s, and the task has run for as long") from error
        return LocalResult(finish.output, tuple(loop.transcript.read()), loop.usage, loop.steps)


@dataclass(frozen=True)
class _LocalEffects:
    """``LoopEffects`` of one local task; it records nothing."""

    models: Mapping[str, Model]
    toolset: Toolset
    checker: OutputChecker
    task_id: str
    emit: Emit | None

    async def request_model(self, loop: AgentLoop) -> ModelResponse:
        provider = loop.model.partition(":")[0]
        if provider not in self.models:
            raise ModelRequestRejected(f"No model was given for provider {provider!r} of {loop.model!r}")
        model, messages = self.models[provider], loop.transcript.read()
        return await request_model(
            model, loop.agent, messages, checker=self.checker, name=loop.model, step=loop.steps, emit=self.emit
        )

    async def call_tool(self, tool: ToolSpec, call: ToolCall, step: int) -> ToolValue:
        context = tool_context(self.task_id, call.id, step)
        return await invoke_tool(self.toolset.get(tool.name), call.arguments, context)

    def on_model_failed(self, model: str, error: ModelError) -> None:
        pass

    def on_plan(self, plan: Sequence[str]) -> None:
        pass

    def on_calls_checked(self, calls: Sequence[CheckedCall]) -> None:
        pass

    def on_tool_result(self, result: ToolResult) -> None:
        pass
