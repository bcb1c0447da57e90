"""Decide which messages of a transcript are kept, and which a summary replaces. Pure: no model, no clock.

A transcript is divided into exchanges: a person's message, or a response with the results of its calls. An exchange is
kept or replaced as a whole, so that no result is without its call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from agentkit.interfaces import CompactionRequest
from agentkit.messages import Message, ToolResult
from agentkit.planners.plan_planner import plan_key, read_plan
from agentkit.runtime.compaction.compaction_budget import CompactionBudget
from agentkit.runtime.compaction.compaction_results import OLD_RESULT_CHARS, shorten_results
from agentkit.specs import AgentSpec
from agentkit.summarized_responses import newest_request

__all__ = ["CompactionPlan", "plan_compaction"]

_NEWEST_RESULT_CHARS = (8_192, 4_096, 2_048, 1_024, OLD_RESULT_CHARS)
"""Limits in characters for each of the newest results, tried in this order until the kept messages fit."""


@dataclass(frozen=True, slots=True)
class CompactionPlan:
    """A shorter transcript: messages before a summary, those that it replaces, and messages after it."""

    before: tuple[Message, ...]
    summarized: tuple[Message, ...]
    """With their original tool results. Empty if no summary is needed, or none would save enough."""
    after: tuple[Message, ...]
    summary_tokens: int
    """The most tokens of the summary."""

    @property
    def kept(self) -> tuple[Message, ...]:
        """The messages that are not summarized."""
        return (*self.before, *self.after)


@dataclass(frozen=True, slots=True)
class _Exchange:
    """Successive messages that are kept or summarized together."""

    start: int
    """Position of the first message in the transcript."""
    messages: tuple[Message, ...]
    original: tuple[Message, ...]
    """The messages before their results were shortened."""
    stays: bool = False

    @property
    def is_pinned(self) -> bool:
        return any(message.pinned for message in self.messages)


def plan_compaction(
    messages: Sequence[Message], request: CompactionRequest, budget: CompactionBudget
) -> CompactionPlan:
    """Return the plan: all messages with shorter tool results if that suffices, else a summary for the older ones."""
    agent = request.agent
    exchanges = _with_what_stays(_exchanges(messages), messages, agent)
    immutable = sum(budget.tokens(exchange.messages) for exchange in exchanges if _is_immutable(exchange))
    goals = budget.goals(immutable)
    tail = _tail_start(exchanges, budget, (goals.target - immutable) // 2)
    exchanges = [
        exchange if index >= tail or exchange.is_pinned else _shortened(exchange, agent, OLD_RESULT_CHARS)
        for index, exchange in enumerate(exchanges)
    ]
    if budget.tokens(_messages(exchanges)) <= goals.enough:
        return CompactionPlan(_messages(exchanges), (), (), 0)
    staying = sum(budget.tokens(exchange.messages) for exchange in exchanges if exchange.stays)
    tail = _tail_start(exchanges, budget, goals.target - staying - goals.summary)
    exchanges = [replace(exchange, stays=exchange.stays or index >= tail) for index, exchange in enumerate(exchanges)]
    exchanges = _keep_what_gains_nothing(exchanges, budget, goals.summary)
    for max_chars in _NEWEST_RESULT_CHARS:
        if budget.tokens(_messages(exchanges, staying=True)) + goals.summary <= goals.enough:
            break
        exchanges = [_shortened(exchange, agent, max_chars) if exchange.stays else exchange for exchange in exchanges]
    return _as_plan(exchanges, goals.summary)


def _exchanges(messages: Sequence[Message]) -> list[_Exchange]:
    starts = [index for index, message in enumerate(messages) if index == 0 or _starts_exchange(message)]
    ends = [*starts[1:], len(messages)]
    return [
        _Exchange(start, tuple(messages[start:end]), tuple(messages[start:end]))
        for start, end in zip(starts, ends, strict=True)
    ]


def _starts_exchange(message: Message) -> bool:
    """Return whether the message starts an exchange; results and the planner's feedback belong to the one before."""
    return message.role == "assistant" or (message.role == "user" and message.source != "planner")


def _with_what_stays(exchanges: Sequence[_Exchange], messages: Sequence[Message], agent: AgentSpec) -> list[_Exchange]:
    """Mark the exchanges that are kept whatever their position, and the newest one."""
    requests = [i for i, message in enumerate(messages) if message.role == "user" and message.source is None]
    memories = [i for i, message in enumerate(messages) if message.source == "memory"]
    kept = {*requests[:1], newest_request(messages), *memories[-1:], _newest_plan(messages, agent)}
    answered = {part.call_id for message in messages for part in message.parts if isinstance(part, ToolResult)}
    last = len(exchanges) - 1
    return [
        replace(
            exchange,
            stays=index == last
            or exchange.is_pinned
            or not kept.isdisjoint(range(exchange.start, exchange.start + len(exchange.messages)))
            or any(call.id not in answered for message in exchange.messages for call in message.tool_calls),
        )
        for index, exchange in enumerate(exchanges)
    ]


def _newest_plan(messages: Sequence[Message], agent: AgentSpec) -> int | None:
    """Return the position of the newest plan; None if there is none, or the agent's planner makes none."""
    if agent.planner != "plan":
        return None
    key = plan_key(agent)
    plans = (i for i, message in enumerate(messages) if message.role == "assistant" and read_plan(message.text, key))
    return max(plans, default=None)


def _is_immutable(exchange: _Exchange) -> bool:
    """Return whether the exchange is kept, and has no tool results that may be shortened."""
    has_results = any(message.role == "tool" for message in exchange.messages)
    return exchange.stays and (exchange.is_pinned or not has_results)


def _tail_start(exchanges: Sequence[_Exchange], budget: CompactionBudget, space: int) -> int:
    """Return the index from which on the exchanges fit ``space`` tokens; the last exchange counts as fitting."""
    start = len(exchanges) - 1
    for index in range(start, -1, -1):
        if not exchanges[index].stays:
            space -= budget.tokens(exchanges[index].messages)
        if space < 0:
            break
        start = index
    return max(0, start)


def _shortened(exchange: _Exchange, agent: AgentSpec, max_chars: int) -> _Exchange:
    return replace(exchange, messages=shorten_results(exchange.messages, agent, max_chars))


def _keep_what_gains_nothing(
    exchanges: Sequence[_Exchange], budget: CompactionBudget, summary_tokens: int
) -> list[_Exchange]:
    """Keep everything if a summary would take about as much as it replaces, or would replace only a summary."""
    removed = [exchange for exchange in exchanges if not exchange.stays]
    tokens = sum(budget.tokens(exchange.messages) for exchange in removed)
    is_summary = all(message.source == "compaction" for exchange in removed for message in exchange.messages)
    is_useless = is_summary or tokens <= 1.2 * summary_tokens
    return [replace(exchange, stays=exchange.stays or is_useless) for exchange in exchanges]


def _as_plan(exchanges: Sequence[_Exchange], summary_tokens: int) -> CompactionPlan:
    first = next((index for index, exchange in enumerate(exchanges) if not exchange.stays), len(exchanges))
    summarized = tuple(message for exchange in exchanges if not exchange.stays for message in exchange.original)
    return CompactionPlan(
        before=_messages(exchanges[:first]),
        summarized=summarized,
        after=_messages(exchanges[first:], staying=True),
        summary_tokens=summary_tokens if summarized else 0,
    )


def _messages(exchanges: Sequence[_Exchange], *, staying: bool = False) -> tuple[Message, ...]:
    return tuple(message for exchange in exchanges if exchange.stays or not staying for message in exchange.messages)
