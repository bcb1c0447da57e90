"""The rules of an agent's loop, free of I/O. Whoever drives it asks the model, calls the tools, and reports back."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from pydantic import JsonValue

from agentkit.errors import LimitExceeded, ModelError, ModelOutputInvalid
from agentkit.interfaces import CallTools, Decision, Finish, ModelResponse, Planner, Proceed, Retry, SecurityPolicy
from agentkit.json_text import ResponseTextInvalid
from agentkit.messages import Message, TextPart, ToolCall, ToolResult, Usage
from agentkit.runtime.structured_output import read_output
from agentkit.runtime.tool_results import error_result
from agentkit.specs import AgentSpec, Limits, ToolSpec
from agentkit.transcript import Transcript

__all__ = ["MAX_PARALLEL_CALLS", "MAX_RETRIES", "Loop", "with_unique_call_ids"]

MAX_RETRIES = 3
"""How many answers in a row may lead to nothing but a word from the planner, before the task fails."""

MAX_PARALLEL_CALLS = 32
"""How many tool calls of one step are made; the model is told of the rest."""


class Loop:
    """One task's progress: transcript, usage and steps, and what the rules make of each answer."""

    def __init__(
        self,
        agent: AgentSpec,
        planner: Planner,
        policy: SecurityPolicy,
        messages: Sequence[Message],
        *,
        usage: Usage | None = None,
        steps: int = 0,
        plan: tuple[str, ...] = (),
        fallen: int = 0,
    ) -> None:
        self.agent = agent
        self.transcript = Transcript(messages)
        self.usage = usage or Usage()
        self.steps = steps
        self._planner = planner
        self._policy = policy
        self.plan = plan
        """The newest plan, of planners that make one."""
        self.fallen = fallen
        """How many models of the agent's chain have failed for good."""
        self._told = 0

    @property
    def model(self) -> str:
        """The model to ask: ``provider:name``."""
        return self.agent.models[self.fallen]

    @property
    def has_fallback(self) -> bool:
        """Whether another model of the chain is left to ask."""
        return self.fallen + 1 < len(self.agent.models)

    def fall_back(self, error: ModelError) -> None:
        """Go on with the next model of the chain, for the rest of the task.

        Raises:
            ModelError: ``error`` itself, when none is left.
        """
        if not self.has_fallback:
            raise error
        self.fallen += 1

    def begin_step(self) -> ModelResponse | None:
        """Count a step, if limits allow it; return an answer that needs no model, or None: ask one.

        Raises:
            LimitExceeded: a limit is spent.
        """
        _check(self.agent.limits, self.usage, self.steps)
        self.steps += 1
        return self._planner.response_without_model(self.transcript.read())

    @property
    def delta(self) -> tuple[Message, ...]:
        """The newest messages, as far as the planner wrote them: they stand nowhere else."""
        last = self.transcript.read()[-1]
        return (last,) if last.source == "planner" else ()

    def take(self, response: ModelResponse) -> Decision:
        """Enter an answer into the transcript, and return what follows; a retry's feedback is entered, too.

        Raises:
            ModelOutputInvalid: the model has given too many unusable answers in a row.
        """
        self.usage += response.usage
        self.transcript.append(response.message)
        decision = self._decide(response)
        match decision:
            case Retry(feedback):
                self._tell(response, feedback)
            case Proceed(plan, feedback):
                self.plan = plan
                self._tell(response, feedback)
            case _:
                self._told = 0
        return decision

    def _decide(self, response: ModelResponse) -> Decision:
        decision = self._planner.decide(response)
        match decision:
            case CallTools(calls):
                # Planners that read calls out of text have no ids to give.
                named = (
                    call if call.id else call.model_copy(update={"id": f"call_{self.steps}_{place}"})
                    for place, call in enumerate(calls)
                )
                return CallTools(tuple(named))
            case Finish(str() as text) if self.agent.output_schema is not None:
                return _structured(text, self.agent.output_schema)
        return decision

    def _tell(self, response: ModelResponse, feedback: str) -> None:
        """Enter what the model is told, unless it has been told often enough."""
        self._told += 1
        if self._told > MAX_RETRIES:
            raise ModelOutputInvalid(
                f"{response.message.model or 'The model'} gave {self._told} answers in a row that led nowhere. "
                f"The last time it was told: {feedback}"
            )
        self.transcript.append(Message(role="user", parts=(TextPart(text=feedback),), source="planner"))

    def admit(self, call: ToolCall, index: int) -> ToolSpec | ToolResult:
        """Return the tool to call, or the result that tells the model why it can't be called.

        ``index`` is the call's place among those of its step, from 0.
        """
        if index >= MAX_PARALLEL_CALLS:
            return error_result(
                call, f"Not called: a step has {MAX_PARALLEL_CALLS} calls at most. Call it in the next."
            )
        tool = self.agent.tool(call.name)
        if tool is None:
            names = ", ".join(tool.name for tool in self.agent.tools) or "none"
            return error_result(call, f"There is no tool {call.name!r}. Your tools: {names}.")
        if call.malformed is not None:
            return error_result(call, f"Send one JSON object as arguments. This is none: {call.malformed[:200]!r}")
        verdict = self._policy.decide(self.agent, tool, call)
        if verdict.action == "allow":
            return tool
        return error_result(call, _refusal(tool, verdict.action, verdict.reason))

    def record(self, results: Sequence[ToolResult]) -> None:
        """Enter a step's tool results, in the order of the calls."""
        self.usage += Usage(tool_calls=len(results))
        self.transcript.append(Message(role="tool", parts=tuple(results)))


def _structured(text: str, schema: Mapping[str, JsonValue]) -> Decision:
    try:
        return Finish(read_output(text, schema))
    except ResponseTextInvalid as error:
        return Retry(str(error))


def _refusal(tool: ToolSpec, action: str, reason: str | None) -> str:
    because = f" ({reason})" if reason else ""
    if action == "ask":
        return (
            f"Not called: {tool.name} needs a person's approval{because}, which this release can't ask for yet. "
            "Go on without it, and say so. Whoever runs this agent can allow it in its YAML: "
            f"approvals: [{{tool: {tool.name}, when: never}}]."
        )
    return f"Not called: {tool.name} is not allowed{because}. Go on without it, and say so."


def _check(limits: Limits, usage: Usage, steps: int) -> None:
    if steps >= limits.max_steps:
        raise LimitExceeded(f"max_steps is {limits.max_steps}, and the task has used {steps} steps")
    if limits.max_tokens is not None and usage.tokens >= limits.max_tokens:
        raise LimitExceeded(f"max_tokens is {limits.max_tokens}, and the task has used {usage.tokens} tokens")
    if limits.max_cost_usd is not None and usage.cost_usd is not None and usage.cost_usd >= limits.max_cost_usd:
        raise LimitExceeded(f"max_cost_usd is {limits.max_cost_usd}, and the task has cost {usage.cost_usd} USD")


def with_unique_call_ids(message: Message, transcript: Sequence[Message], step: int) -> Message:
    """Return the message with ids for its tool calls that no earlier call of the task has.

    Some servers give no ids, or count from 0 in every answer; idempotency keys need unique ones.
    """
    if not message.tool_calls:
        return message
    taken = {call.id for earlier in transcript for call in earlier.tool_calls}
    parts = []
    for place, part in enumerate(message.parts):
        if isinstance(part, ToolCall):
            part = part.model_copy(update={"id": _unique(part.id, taken, f"{step}_{place}")})
            taken.add(part.id)
        parts.append(part)
    return message.model_copy(update={"parts": tuple(parts)})


def _unique(call_id: str, taken: Collection[str], suffix: str) -> str:
    unique = call_id or f"call_{suffix}"
    while unique in taken:
        unique = f"{unique}_{suffix}"
    return unique
