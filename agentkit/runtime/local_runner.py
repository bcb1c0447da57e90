"""Run an agent in this process, without Temporal: for unit tests, notebooks and evals. Nothing here is durable."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from pydantic import JsonValue

from agentkit.errors import (
    LimitExceeded,
    ModelError,
    ModelRequestRejected,
    NotDone,
    OpspawnError,
    ToolError,
    ToolInterrupted,
)
from agentkit.input_requests import DECISIONS, AnswerDecision, InputAnswer, InputRequest
from agentkit.interfaces import (
    PROBE_INTERVAL_S,
    CallSignals,
    CompactionReason,
    CompactionRequest,
    Compactor,
    Emit,
    McpCall,
    McpDescription,
    McpServers,
    McpToolCall,
    Model,
    ModelResponse,
    NoMcpServers,
    OutputChecker,
    ProbeOutcome,
    SecurityPolicy,
    ToolContext,
    Toolset,
    ToolValue,
    Unknown,
)
from agentkit.messages import Message, ToolCall, ToolResult, Usage, user_message
from agentkit.planners import get_planner
from agentkit.runtime.calls.call_effects import CheckedCall
from agentkit.runtime.calls.client_inputs import ClientInputs
from agentkit.runtime.calls.effect_ledger import EffectLedger
from agentkit.runtime.calls.sampling import SamplingRequest, to_model_request
from agentkit.runtime.calls.security_policy import RulePolicy
from agentkit.runtime.calls.tool_invocation import invoke_probe, invoke_tool, tool_context
from agentkit.runtime.compaction.model_compactor import ModelCompactor
from agentkit.runtime.limit_requests import limit_request
from agentkit.runtime.loop import AgentLoop
from agentkit.runtime.mcp_descriptions import describe_mcp_tools
from agentkit.runtime.mcp_tool_selection import list_mcp_tools, use_listing
from agentkit.runtime.model_request import request_model, with_unpriced_calls
from agentkit.runtime.step import run_step
from agentkit.schemas.output_check import InlineOutputChecker
from agentkit.specs import AgentSpec, ToolSpec
from agentkit.transcript import Transcript

__all__ = ["Ask", "LocalResult", "LocalRunner"]

Ask = Callable[[InputRequest], Awaitable[InputAnswer]]
"""Returns a person's answer to an input request."""


async def _deny(request: InputRequest) -> InputAnswer:
    decision: AnswerDecision = DECISIONS[request.kind][-1]
    return InputAnswer(input_request_id=request.id, decision=decision, comment="There is nobody here to ask.")


@dataclass(frozen=True)
class LocalResult:
    """The output of a task that was run locally, and how it was reached."""

    output: JsonValue
    transcript: tuple[Message, ...]
    """Where it was shortened, its newest version."""
    usage: Usage
    steps: int


class LocalRunner:
    """Runs tasks by the same loop and rules as the workflow.

    Models are keyed by provider, the text before the colon of ``provider:name``. A model that fails is not
    requested again: retries belong to Temporal. Without a ``checker``, output is checked in this process. ``ask``
    answers input requests; without it, no call is approved, and no unknown outcome is settled. ``mcp_servers`` serve
    the agent's MCP tools. ``compactor`` shortens transcripts; without it, the models write the summaries.
    """

    def __init__(
        self,
        models: Mapping[str, Model],
        toolset: Toolset,
        policy: SecurityPolicy | None = None,
        checker: OutputChecker | None = None,
        ask: Ask | None = None,
        mcp_servers: McpServers | None = None,
        compactor: Compactor | None = None,
    ) -> None:
        self._models = models
        self._toolset = toolset
        self._policy = policy or RulePolicy()
        self._checker = checker or InlineOutputChecker()
        self._ask = ask or _deny
        self._mcp_servers = mcp_servers or NoMcpServers()
        self._compactor = compactor or ModelCompactor(models)

    async def run(
        self, agent: AgentSpec, message: str | Message, *, task_id: str = "local", emit: Emit | None = None
    ) -> LocalResult:
        """Run one task to its end; ``emit`` receives the deltas of the model's responses.

        Raises:
            LimitExceeded: a limit of the agent is reached.
            ModelError: no model of the agent's chain gave a usable response.
        """
        first = user_message(message) if isinstance(message, str) else message
        loop = AgentLoop(
            agent, get_planner(agent.planner), self._policy, Transcript([first]), ledger=EffectLedger(task_id)
        )
        effects = _LocalEffects(
            self._models,
            self._toolset,
            self._mcp_servers,
            self._checker,
            self._compactor,
            loop,
            task_id,
            emit,
            self._ask,
        )
        deadline = asyncio.timeout(agent.limits.deadline)
        try:
            async with deadline:
                await self._list_mcp_tools(loop)
                while (finish := await run_step(loop, effects)) is None:
                    pass
        except TimeoutError as error:
            if not deadline.expired():
                raise
            raise LimitExceeded(f"deadline is {agent.limits.deadline:g} s, and the task has run for as long") from error
        return LocalResult(finish.output, tuple(loop.transcript.read()), loop.usage, loop.steps)

    async def _list_mcp_tools(self, loop: AgentLoop) -> None:
        selection = loop.agent.mcp
        if selection is not None:
            listing = await list_mcp_tools(self._mcp_servers, selection, [tool.name for tool in loop.agent.tools])
            use_listing(loop, listing, selection)


@dataclass(frozen=True)
class _LocalEffects:
    """``LoopEffects`` of one local task; it records nothing."""

    models: Mapping[str, Model]
    toolset: Toolset
    mcp_servers: McpServers
    checker: OutputChecker
    compactor: Compactor
    loop: AgentLoop
    task_id: str
    emit: Emit | None
    answer: Ask
    request_numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def ask_for_limit(self, reached: str, step: int) -> InputAnswer:
        return await self.ask(limit_request(self, reached, step))

    async def before_step(self, loop: AgentLoop) -> None:
        pass

    async def before_call(self, tool: ToolSpec) -> None:
        pass

    async def request_model(self, loop: AgentLoop) -> ModelResponse:
        provider = loop.model.partition(":")[0]
        if provider not in self.models:
            raise ModelRequestRejected(f"No model was given for provider {provider!r} of {loop.model!r}")
        model, messages = self.models[provider], loop.transcript.read()
        return await request_model(
            model, loop.agent, messages, checker=self.checker, name=loop.model, step=loop.steps, emit=self.emit
        )

    async def compact(self, loop: AgentLoop, reason: CompactionReason, attempt: int = 1) -> bool:
        messages = tuple(loop.transcript.read())
        request = CompactionRequest(
            agent=loop.agent,
            model=loop.model,
            reason=reason,
            attempt=attempt,
            context=loop.context.state.due,
            facts=loop.facts,
        )
        compacted = await self.compactor.compact(messages, request)
        if compacted.messages == messages:
            loop.add_usage(compacted.usage)
            return False
        loop.replace_transcript(Transcript(compacted.messages), compacted.usage)
        return True

    def on_compaction_failed(self, error: OpspawnError) -> None:
        pass

    async def describe_mcp_tools(self, calls: Sequence[McpToolCall], taken: Collection[str]) -> McpDescription:
        return await describe_mcp_tools(self.mcp_servers, self.checker, calls, taken)

    async def call_tool(self, tool: ToolSpec, call: ToolCall, step: int, mcp: McpCall | None = None) -> ToolValue:
        context = self._context(call, step)
        if tool.mcp is None:
            return await invoke_tool(self.toolset.get(tool.name), call.arguments, context)
        inputs = ClientInputs(self.loop, self, step)
        context = context.model_copy(update={"mcp": mcp or McpCall(effect=tool.effect)})
        context = context.with_signals(CallSignals(ask=partial(inputs.obtain, call, tool)))
        served = self.mcp_servers.tool(tool.mcp.server, tool.mcp.name, effect=tool.effect)
        return await invoke_tool(served, call.arguments, context)

    async def sample(self, request: SamplingRequest) -> ModelResponse:
        name = self.loop.model
        model = self.models[name.partition(":")[0]]
        return with_unpriced_calls(await model.respond(to_model_request(request, name, attempt=1)))

    def _context(self, call: ToolCall, step: int) -> ToolContext:
        return tool_context(self.task_id, call.id, step, agent=self.loop.agent.name)

    async def probe_tool(self, tool: ToolSpec, call: ToolCall, step: int, error: ToolInterrupted) -> ProbeOutcome:
        outcome = await self._probe(tool, call, step)
        if isinstance(outcome, NotDone):
            await asyncio.sleep(PROBE_INTERVAL_S)
            outcome = await self._probe(tool, call, step)
        return outcome

    async def _probe(self, tool: ToolSpec, call: ToolCall, step: int) -> ProbeOutcome:
        try:
            return await invoke_probe(self.toolset.get(tool.name), call.arguments, self._context(call, step))
        except ToolError as failure:
            return Unknown(str(failure))

    def next_request_id(self) -> str:
        return f"input_{next(self.request_numbers)}"

    async def ask(self, request: InputRequest) -> InputAnswer:
        return await self.answer(request)

    def on_call_edited(self, call: ToolCall, tool: ToolSpec) -> None:
        pass

    def on_call_denied(self, call: ToolCall, result: ToolResult) -> None:
        pass

    def on_outcome_settled(self, call: ToolCall, result: ToolResult) -> None:
        pass

    def on_model_failed(self, model: str, error: ModelError) -> None:
        pass

    def on_plan(self, plan: Sequence[str]) -> None:
        pass

    def on_calls_checked(self, calls: Sequence[CheckedCall]) -> None:
        pass

    def on_tool_result(self, result: ToolResult) -> None:
        pass
