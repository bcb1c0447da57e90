"""The agent loop: its state and its rules. They do no I/O; ``agentkit.runtime.step`` drives them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import JsonValue

from agentkit.errors import (
    AnswerMismatch,
    ContentRefused,
    LimitExceeded,
    ModelError,
    ModelOutputInvalid,
    OutputUncheckable,
)
from agentkit.interfaces import (
    ASK_PERSON,
    CallTools,
    Decision,
    Finish,
    McpDescription,
    McpToolCall,
    ModelResponse,
    OutputCheck,
    Planner,
    PolicyDecision,
    Proceed,
    Retry,
    SecurityPolicy,
)
from agentkit.json_text import MAX_JSON_DEPTH, json_values
from agentkit.mcp_config.mcp_names import MCP_CALL
from agentkit.messages import Message, TextPart, ToolCall, ToolResult, Usage
from agentkit.runtime.calls.call_effects import CheckedCall
from agentkit.runtime.calls.effect_ledger import CallState, EffectLedger
from agentkit.runtime.calls.proxied_calls import ProxiedCalls, named_as_called, newest_tools, proxy_call, stricter
from agentkit.runtime.calls.remembered_decisions import RememberedDecision, RememberedDecisions
from agentkit.runtime.calls.repeated_calls import RepeatedCalls
from agentkit.runtime.calls.tool_results import error_result
from agentkit.runtime.context_watch import ContextState, ContextWatch
from agentkit.runtime.effect_facts import MAX_EFFECT_FACTS, effect_fact
from agentkit.runtime.limit_requests import check_limit_changes, reached_limit, with_limit_changes
from agentkit.specs import AgentSpec, Limits, RaisedLimits, ToolSpec
from agentkit.transcript import Transcript

__all__ = [
    "MAX_PARALLEL_CALLS",
    "MAX_RETRIES",
    "AgentLoop",
    "interrupted_response",
]

MAX_RETRIES = 3
"""How many responses in a row may be unusable before the task fails."""

MAX_PARALLEL_CALLS = 32
"""How many tool calls of one step are made; the others are refused."""

_CUT_OFF_TEXT = (
    "Your response was cut off at your output limit, so nothing of it counts. Give a complete one, which is shorter."
)
_CUT_OFF_CALL = (
    "Not called: your response was cut off at your output limit, so none of its calls was made. "
    "Call again, with shorter arguments or in several smaller steps."
)
_MAX_QUOTED_CHARS = 500
"""The most characters of a response that an error message quotes."""


class AgentLoop:
    """One task's progress: transcript, usage, steps and plan, and the rules that change them."""

    def __init__(
        self,
        agent: AgentSpec,
        planner: Planner,
        policy: SecurityPolicy,
        transcript: Transcript,
        *,
        usage: Usage | None = None,
        steps: int = 0,
        plan: tuple[str, ...] = (),
        fallback_index: int = 0,
        retry_count: int = 0,
        repeats: Mapping[str, int] | None = None,
        ledger: EffectLedger | None = None,
        limits: Limits | None = None,
        remembered: Sequence[RememberedDecision] = (),
        step_ends: Sequence[int] | None = None,
        first_step: int = 0,
        context: ContextState | None = None,
        facts: Sequence[str] = (),
    ) -> None:
        self.agent = agent
        self.transcript = transcript
        self.limits = limits or agent.limits
        """The agent's limits, as people have raised them since."""
        self.remembered = RememberedDecisions(remembered)
        """Decisions of people that hold for later calls."""
        self.step_ends = [len(transcript)] if step_ends is None else [*step_ends]
        """The position after the last message of each finished step, of the one before the first step on."""
        self.context = ContextWatch(context)
        """Whether the transcript is to be shortened."""
        self.facts = tuple(facts)
        """What became of the newest irreversible calls, a line each: compaction keeps it in the transcript."""
        self.usage = usage or Usage()
        self.steps = steps
        """Steps started so far."""
        self.plan = plan
        """The newest plan, of planners that make one."""
        self.fallback_index = fallback_index
        """Position in ``agent.models`` of the model in use; those before it have failed for good."""
        self.retry_count = retry_count
        """How many of the newest responses, in a row, were unusable."""
        self.ledger = ledger or EffectLedger("local")
        """What became of each tool call."""
        self.first_step = first_step
        """The last step that a fork has in common with its source; 0 of others."""
        self._repeated_calls = RepeatedCalls(self.limits.max_repeats, repeats)
        self._is_cut_off = False
        """Whether the newest response was cut off at its output limit."""
        self._refused_arguments: Mapping[int, str] = {}
        """Of the newest response: see ``ModelResponse.refused_arguments``."""
        self._proxied = ProxiedCalls()
        """The calls of ``mcp_call`` in the newest response."""
        self._planner = planner
        self._policy = policy

    @property
    def model(self) -> str:
        """The model in use: ``provider:name``."""
        return self.agent.models[self.fallback_index]

    @property
    def has_fallback(self) -> bool:
        """Whether the agent's chain has a model after the one in use."""
        return self.fallback_index + 1 < len(self.agent.models)

    @property
    def last_finished_step(self) -> int:
        """The newest step that is finished; 0, or a fork's first step, before its own first one."""
        return self.first_step + len(self.step_ends) - 1

    @property
    def may_compact(self) -> bool:
        """Whether the agent lets its transcript be shortened."""
        return self.agent.compaction is None or not self.agent.compaction.off

    @property
    def repeats(self) -> Mapping[str, int]:
        """In how many steps in a row each call of the newest step was made, by a digest of call and result."""
        return self._repeated_calls.counts

    def fall_back(self, error: ModelError) -> None:
        """Use the next model of the chain for the rest of the task.

        Raises:
            ModelError: ``error`` itself, when the chain has no further model.
        """
        if not self.has_fallback:
            raise error
        self.fallback_index += 1

    def reached_limit(self) -> str | None:
        """Return which limit no further step is within, as a clause for people; None: none is reached.

        Steps that a fork has in common with its source don't count.
        """
        return reached_limit(self.limits, self.usage, self.steps - self.first_step)

    def check_limit_changes(self, changes: RaisedLimits, *, must_suffice: bool = False) -> None:
        """Check new limits; with ``must_suffice``, that another step is within them, too.

        Raises:
            SteeringInvalid: one would be lowered or added, or is still reached.
        """
        steps = self.steps - self.first_step
        check_limit_changes(self.limits, changes, self.usage, steps, must_suffice=must_suffice)

    def raise_limits(self, changes: RaisedLimits) -> None:
        """Set new limits for the rest of the task."""
        self.limits = with_limit_changes(self.limits, changes)
        self._repeated_calls.set_limit(self.limits.max_repeats)

    def append_messages(self, messages: Sequence[Message]) -> None:
        """Append messages from people to the transcript."""
        self.transcript.append(*messages)

    def add_tools(self, tools: Sequence[ToolSpec]) -> None:
        """Give further tools to the agent, for the rest of the task."""
        self.agent = self.agent.model_copy(update={"tools": (*self.agent.tools, *tools)})

    def remove_mcp_tools(self) -> None:
        """Remove the MCP tools that a task has listed or described from its agent."""
        own = tuple(tool for tool in self.agent.tools if tool.mcp is None)
        if self.agent.proxied or len(own) < len(self.agent.tools):
            self.agent = self.agent.model_copy(update={"tools": own, "proxied": ()})

    def add_usage(self, usage: Usage) -> None:
        """Count a model's response that is not part of the transcript, such as one that an MCP server asked for."""
        self.usage += usage

    def replace_transcript(self, transcript: Transcript, usage: Usage) -> None:
        """Go on with a shorter transcript; ``usage`` is that of the models that wrote its summaries."""
        self.transcript = transcript
        self.usage += usage
        self.context.compacted()

    def append_notice(self, text: str) -> None:
        """Append a message to the model that no person wrote."""
        self._append_feedback(text)

    def record_interruption(self, response: ModelResponse) -> None:
        """Append what a model had written when a person interrupted it."""
        self.usage += response.usage
        if response.message.text.strip():
            self.transcript.append(response.message)

    def end_step(self) -> None:
        """Record where the step ends in the transcript."""
        self.step_ends.append(len(self.transcript))

    def start_step(self) -> ModelResponse | None:
        """Count a step; return the planner's response where it needs no model, else None.

        Raises:
            LimitExceeded: a limit of the task is reached.
        """
        if (reached := self.reached_limit()) is not None:
            raise LimitExceeded(reached)
        self.steps += 1
        return self._planner.response_without_model(self.transcript.read())

    @property
    def composed_messages(self) -> tuple[Message, ...]:
        """The newest messages that the loop itself wrote: no activity's result holds them."""
        return tuple(message for message in self.transcript.read()[-1:] if message.source == "planner")

    def record_response(self, response: ModelResponse) -> Decision:
        """Append a model's response to the transcript and return the planner's decision, its feedback appended, too.

        Raises:
            ModelOutputInvalid: more than ``MAX_RETRIES`` responses in a row were unusable.
            OutputUncheckable: the output schema can't be evaluated.
            ContentRefused: the model or its filter refused to go on; what it had written is in the transcript.
        """
        self.usage += response.usage
        self.context.observe(response.context)
        self.transcript.append(response.message)
        if response.stop_reason == "refusal":
            raise ContentRefused(_refusal_error(response))
        self._is_cut_off = response.stop_reason == "length"
        self._refused_arguments, self._proxied = response.refused_arguments or {}, ProxiedCalls()
        decision = self._decide_cut_off(response) if self._is_cut_off else self._decide(response)
        match decision:
            case Retry(feedback):
                self._count_retry(response, feedback)
                self._append_feedback(feedback)
            case Proceed(plan, feedback):
                self.plan = plan
                self._count_retry(response, feedback)
                self._append_feedback(feedback)
            case CallTools() if self._is_cut_off:
                self._count_retry(response, _CUT_OFF_CALL)
            case _:
                self.retry_count = 0
        return decision

    def _decide_cut_off(self, response: ModelResponse) -> Decision:
        """Return the decision for a response whose end is missing; ``check_call`` refuses all of its calls.

        Its complete calls, too: how the model wanted to go on is unknown.
        """
        calls = response.message.tool_calls
        return CallTools(calls) if calls else Retry(_CUT_OFF_TEXT)

    def _decide(self, response: ModelResponse) -> Decision:
        decision = self._planner.decide(response, self.agent)
        match decision:
            case CallTools(calls):
                # Planners that parse calls out of text have no ids to give.
                with_ids = (
                    call if call.id else call.model_copy(update={"id": f"call_{self.steps}_{index}"})
                    for index, call in enumerate(calls)
                )
                return CallTools(tuple(with_ids))
            case Finish(str() as text) if self.agent.output_schema is not None:
                return _structured(text, response.output_check)
        return decision

    def _count_retry(self, response: ModelResponse, feedback: str) -> None:
        self.retry_count += 1
        if self.retry_count <= MAX_RETRIES:
            return
        model = response.message.model or "The model"
        if self._is_cut_off:
            raise ModelOutputInvalid(_cut_off_error(model, self.retry_count, self.agent, response.message.text))
        raise ModelOutputInvalid(
            f"{model} gave {self.retry_count} responses in a row without a tool call or an output. "
            f"The last feedback to it was: {feedback}"
        )

    def _append_feedback(self, feedback: str) -> None:
        self.transcript.append(Message(role="user", parts=(TextPart(text=feedback),), source="planner"))

    def undescribed_tools(self, calls: Sequence[ToolCall]) -> Mapping[int, McpToolCall]:
        """Translate a step's calls of ``mcp_call``; return, by position, those whose tools must be described first."""
        callable_tools = ((index, call, self._callable_tool(call, index)) for index, call in enumerate(calls))
        made = {
            index: call
            for index, call, tool in callable_tools
            if isinstance(tool, ToolSpec) and tool.name == MCP_CALL and self.decide(tool, call).action != "deny"
        }
        return self._proxied.translate(made, self.agent, self._refused_arguments)

    def add_descriptions(self, targets: Mapping[int, McpToolCall], description: McpDescription) -> None:
        """Add what is known now of the tools that ``undescribed_tools`` returned."""
        proxied = newest_tools(self.agent.proxied, description.tools)
        self.agent = self.agent.model_copy(update={"proxied": proxied})
        refusals = {index: description.refusals.get(number) for number, index in enumerate(targets)}
        self._proxied.describe(targets, self.agent, refusals)

    def check_call(self, call: ToolCall, index: int, at: datetime) -> CheckedCall:
        """Add the call to the ledger; return it with the tool to run, or with the error result that refuses it.

        A call of ``mcp_call`` becomes the call of the MCP tool that it stands for.

        ``index`` is the call's position among those of its step, from 0; ``at`` is the current time.
        """
        checked = self._check_call(call, index)
        self.ledger.propose(checked.call, self.agent.known_tool(checked.call.name), self.steps, at)
        decided_by = checked.decision.decided_by if checked.decision else None
        state: CallState = "refused" if isinstance(checked.outcome, ToolResult) else "proposed"
        self.ledger.record(call.id, state, at, decided_by)
        return checked

    def _check_call(self, call: ToolCall, index: int) -> CheckedCall:
        tool = self._callable_tool(call, index)
        if (proxied := self._proxied.get(index)) is not None:
            call, tool = proxied.call, proxied.outcome
        if isinstance(tool, str):
            return CheckedCall(call, error_result(call, tool))
        decision = self.decide(tool, call)
        if decision.action == "deny":
            return CheckedCall(call, error_result(call, _refusal(tool, decision)), decision)
        return CheckedCall(call, tool, decision)

    def decide(self, tool: ToolSpec, call: ToolCall) -> PolicyDecision:
        """Return the security policy's decision on a call, or that of a person who had it remembered.

        On a call by ``mcp_call`` it is the stricter of the decisions on the MCP tool and on ``mcp_call``.
        """
        decision = self._policy.decide(self.agent, tool, call)
        if (proxy := self._proxy_of(tool, call)) is not None:
            decision = stricter(decision, self._policy.decide(self.agent, proxy, proxy_call(tool, call)))
        if decision.action != "ask" or tool.name == ASK_PERSON:
            return decision
        return self.remembered.apply(tool, call, decision)

    def _proxy_of(self, tool: ToolSpec, call: ToolCall) -> ToolSpec | None:
        """Return ``mcp_call`` if the call is made by it, or the tool can be called by nothing else."""
        is_proxied = self._proxied.has(call.id) or self.agent.tool(tool.name) is None
        return self.agent.tool(MCP_CALL) if is_proxied else None

    def edited_decision(self, tool_name: str, arguments: dict[str, JsonValue]) -> PolicyDecision:
        """Return the decision on a call whose arguments a person changes.

        Raises:
            AnswerMismatch: it is denied.
        """
        tool = self.agent.known_tool(tool_name)
        if tool is None:
            raise AnswerMismatch(f"The agent has no tool {tool_name!r}.")
        decision = self.decide(tool, ToolCall(id="", name=tool_name, arguments=arguments))
        if decision.action == "deny":
            raise AnswerMismatch(f"{tool_name} is not allowed with these arguments: {decision.reason}")
        return decision

    def _callable_tool(self, call: ToolCall, index: int) -> ToolSpec | str:
        """Return the tool that is called, or why the call can't be made, whatever the policy is."""
        if self._is_cut_off:
            return _CUT_OFF_CALL
        if index >= MAX_PARALLEL_CALLS:
            return f"Not called: a step has {MAX_PARALLEL_CALLS} calls at most. Call it in the next."
        tool = self.agent.tool(call.name)
        if tool is None:
            names = ", ".join(tool.name for tool in self.agent.tools) or "none"
            hint = "" if self.agent.known_tool(call.name) is None else f" Call that one by {MCP_CALL}."
            return f"There is no tool {call.name!r}. Your tools: {names}.{hint}"
        if call.malformed is not None:
            return (
                f"Send one JSON object as arguments, nested at most {MAX_JSON_DEPTH} levels deep. "
                f"This is none: {call.malformed[:200]!r}"
            )
        return tool if tool.name == MCP_CALL else self._refused_arguments.get(index, tool)

    def record_results(self, calls: Sequence[ToolCall], results: Sequence[ToolResult]) -> None:
        """Append the results of a step's tool calls to the transcript, in the order of the calls.

        Raises:
            LoopDetected: the calls and their results were the same in too many steps in a row.
        """
        self._record_facts(calls, results)
        results = [named_as_called(result, call) for call, result in zip(calls, results, strict=True)]
        self.usage += Usage(tool_calls=len(results))
        self.transcript.append(Message(role="tool", parts=tuple(self._repeated_calls.record(calls, results))))
        self._repeated_calls.check(calls)

    def _record_facts(self, calls: Sequence[ToolCall], results: Sequence[ToolResult]) -> None:
        facts: list[str] = []
        for index, (call, result) in enumerate(zip(calls, results, strict=True)):
            made = call if (proxied := self._proxied.get(index)) is None else proxied.call
            if (fact := effect_fact(self.ledger.newest(made.id), made, result)) is not None:
                facts.append(fact)
        self.facts = (*self.facts, *facts)[-MAX_EFFECT_FACTS:]


def interrupted_response(model: str) -> ModelResponse:
    """Return the response of a model that a person interrupted before it had written anything."""
    message = Message(role="assistant", parts=(), model=model, is_interrupted=True)
    return ModelResponse(message=message, stop_reason="interrupted", usage=Usage())


def _refusal_error(response: ModelResponse) -> str:
    text = response.message.text.strip()
    quoted = f" It wrote: {text[:_MAX_QUOTED_CHARS]}" if text else ""
    return f"{response.message.model or 'The model'} refused to go on, or its filter did, so nothing was done.{quoted}"


def _cut_off_error(model: str, count: int, agent: AgentSpec, text: str) -> str:
    limit = agent.model_settings.max_output_tokens
    current = "it isn't set, so the provider's default applies" if limit is None else f"now {limit}"
    ending = f" The last one ended with: {text[-_MAX_QUOTED_CHARS:]}" if text.strip() else ""
    return (
        f"{model} was cut off at its output limit in {count} responses in a row. Raise max_output_tokens in the "
        f"agent's model_settings ({current}), or ask for less at a time.{ending}"
    )


def _structured(text: str, check: OutputCheck | None) -> Decision:
    """Return the decision for a text that was to fit the output schema.

    Without a check, as in a response that no model gave, the output is the text.
    """
    if check is None:
        return Finish(text)
    if check.failure is not None:
        raise OutputUncheckable(f"The output can't be checked against output_schema: {check.failure}.")
    if check.index is None:
        return Retry(check.mismatch or "Your response doesn't fit the requested schema.")
    return Finish(next(itertools.islice(json_values(text), check.index, None)))


def _refusal(tool: ToolSpec, decision: PolicyDecision) -> str:
    return f"Not called: {tool.name} is not allowed: {decision.reason.rstrip('.')}. Go on without it, and say so."
