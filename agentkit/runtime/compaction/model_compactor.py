"""Shorten transcripts: first their tool results, then by a summary that a model writes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from agentkit.config.model_windows import model_window
from agentkit.errors import (
    ContentRefused,
    ContextTooLong,
    MessageTooLong,
    ModelError,
    ModelNotAuthorized,
    ModelOutputInvalid,
    ModelUnavailable,
)
from agentkit.interfaces import CompactedMessages, CompactionRequest, Model, ModelRequest, ModelResponse
from agentkit.messages import Message, Usage
from agentkit.observed_calls import observed_response
from agentkit.runtime.compaction.compaction_budget import CompactionBudget
from agentkit.runtime.compaction.compaction_plan import CompactionPlan, plan_compaction
from agentkit.runtime.compaction.compaction_summary import (
    former_summary,
    record_parts,
    removed_facts,
    summary_message,
    summary_request,
    summary_system,
)
from agentkit.runtime.compaction_facts import bounded_facts
from agentkit.runtime.context_share import compaction_settings
from agentkit.runtime.model_request import with_unpriced_calls
from agentkit.specs import AgentSpec, ModelSettings
from agentkit.token_estimates import BYTES_PER_TOKEN

__all__ = ["ModelCompactor"]

logger = logging.getLogger("opspawn.models")

_RECORD_SHARE = 0.7
"""The share of the summarizing model's context window that one part of the record may take."""
_UNKNOWN_WINDOW = 32_000
"""Assumed for a model whose context window is unknown; parts that it refuses as too long are made shorter."""
_MIN_RECORD_TOKENS = 500


class ModelCompactor:
    """A ``Compactor`` with summaries by a model: that of the agent's ``compaction.model``, or the agent's own.

    Models are keyed by provider, the text before the colon of ``provider:name``.
    """

    def __init__(self, models: Mapping[str, Model]) -> None:
        self._models = models

    async def compact(self, messages: Sequence[Message], request: CompactionRequest) -> CompactedMessages:
        """Return a shorter transcript: with shorter tool results if that suffices, else with a summary as well.

        Raises:
            MessageTooLong: a request was refused as too long, and the transcript can't be shortened enough.
            ModelError: no model wrote a summary.
        """
        budget, plan = await asyncio.to_thread(_plan, messages, request)
        _check_size(plan, messages, request, budget)
        usage, shorter = Usage(), plan.kept
        if plan.summarized:
            summary, usage = await self._summary(plan, messages, request, budget)
            shorter = (*plan.before, summary, *plan.after)
        after = budget.fixed + budget.tokens(shorter)
        if after >= budget.before:
            shorter, after = tuple(messages), budget.before
        return CompactedMessages(messages=shorter, tokens_before=budget.before, tokens_after=after, usage=usage)

    async def _summary(
        self, plan: CompactionPlan, messages: Sequence[Message], request: CompactionRequest, budget: CompactionBudget
    ) -> tuple[Message, Usage]:
        """Return the message with the summary, and the usage of writing it."""
        text, usage = await self._summary_text(plan, request, budget)
        facts = removed_facts(plan.summarized, request.agent, request.facts)
        max_tokens = max(plan.summary_tokens, (budget.threshold - budget.fixed) // 8)
        facts = bounded_facts(facts, request.facts, round(max_tokens / budget.scale))
        return summary_message(text, plan.summarized, messages, facts), usage

    async def _summary_text(
        self, plan: CompactionPlan, request: CompactionRequest, budget: CompactionBudget
    ) -> tuple[str, Usage]:
        """Ask the model of the settings; if it can't write a summary for good, ask the agent's own."""
        settings = compaction_settings(request.agent)
        *others, own = dict.fromkeys((settings.model or request.model, request.model))
        for model in others:
            try:
                return await self._summary_by(model, plan, request, budget)
            except ModelUnavailable:
                raise
            except ModelError as error:
                logger.warning("%s can't write a summary, so %s is asked: %s", model, own, error)
        return await self._summary_by(own, plan, request, budget)

    async def _summary_by(
        self, model: str, plan: CompactionPlan, request: CompactionRequest, budget: CompactionBudget
    ) -> tuple[str, Usage]:
        max_tokens = _record_tokens(model, request, budget)
        while True:
            try:
                return await self._write(model, plan, request.agent, max_tokens, budget.scale)
            except ContextTooLong:
                if max_tokens <= _MIN_RECORD_TOKENS:
                    raise
                max_tokens = max(_MIN_RECORD_TOKENS, max_tokens // 2)

    async def _write(
        self, model: str, plan: CompactionPlan, agent: AgentSpec, max_tokens: int, scale: float
    ) -> tuple[str, Usage]:
        """Summarize the record in parts of at most ``max_tokens``; each request has the summary so far."""
        text, usage = former_summary(plan.summarized), Usage()
        for record in record_parts(plan.summarized, max_tokens):
            response = await self._respond(
                ModelRequest(
                    model=model,
                    system=summary_system(round(plan.summary_tokens / scale)),
                    messages=(summary_request(record, text),),
                    settings=_settings(agent, model),
                )
            )
            usage += response.usage
            text = _checked_text(response, model)
        return _cut(text, plan.summary_tokens, scale), usage

    async def _respond(self, request: ModelRequest) -> ModelResponse:
        provider = request.model.partition(":")[0]
        if provider not in self._models:
            raise ModelNotAuthorized(f"This worker has no {provider} model for {request.model!r}, to write a summary.")
        return with_unpriced_calls(await observed_response(self._models[provider], request))


def _plan(messages: Sequence[Message], request: CompactionRequest) -> tuple[CompactionBudget, CompactionPlan]:
    """Return budget and plan. Runs in a thread: 1,000 messages take 0.2 s, which would block other activities."""
    budget = CompactionBudget.of(messages, request)
    return budget, plan_compaction(messages, request, budget)


def _check_size(
    plan: CompactionPlan, messages: Sequence[Message], request: CompactionRequest, budget: CompactionBudget
) -> None:
    """Check that the plan shortens a request that was refused as too long.

    Raises:
        MessageTooLong: it doesn't, or, after the first attempt, the request would still exceed the limit.
    """
    if request.reason != "too_long":
        return
    after = budget.fixed + budget.tokens(plan.kept) + plan.summary_tokens
    is_same = not plan.summarized and plan.kept == tuple(messages)
    if is_same or after >= budget.before or (request.attempt > 1 and after >= budget.limit):
        raise MessageTooLong(_too_long(plan, request, budget))


def _too_long(plan: CompactionPlan, request: CompactionRequest, budget: CompactionBudget) -> str:
    sizes = [budget.tokens([message]) for message in plan.kept]
    longest = max(range(len(sizes)), key=sizes.__getitem__)
    total = budget.fixed + sum(sizes)
    window = f", {budget.limit:,} tokens" if budget.is_window_known else ""
    return (
        f"What must stay of the transcript doesn't fit the context window of {request.model}{window}. Estimated, it "
        f"takes {total:,} tokens: instructions and tools {budget.fixed:,}, {len(sizes)} messages {sum(sizes):,}, the "
        f"longest of them ({_description(plan.kept[longest])}) {sizes[longest]:,}. Use a model with a larger window, "
        "or send less at a time."
    )


def _description(message: Message) -> str:
    match message.role, message.source:
        case "user", None:
            return "a person's message"
        case "tool", _:
            return "tool results"
        case "assistant", _:
            return "a response"
        case _:
            return f"a message of {message.source}"


def _record_tokens(model: str, request: CompactionRequest, budget: CompactionBudget) -> int:
    """Return the most estimated tokens of a part of the record."""
    # ``compaction.window`` of the agent is the window of its own models, not of ``compaction.model``.
    window = budget.limit if model == request.model else model_window(model) or _UNKNOWN_WINDOW
    return max(_MIN_RECORD_TOKENS, round(window * _RECORD_SHARE / budget.scale))


def _settings(agent: AgentSpec, model: str) -> ModelSettings:
    """Return the agent's extra headers and omitted fields if the model is of one of its providers, else defaults."""
    is_own = model.partition(":")[0] in {own.partition(":")[0] for own in agent.models}
    own_settings = agent.model_settings
    return (
        ModelSettings(extra_headers=own_settings.extra_headers, omit=own_settings.omit) if is_own else ModelSettings()
    )


def _checked_text(response: ModelResponse, model: str) -> str:
    if response.stop_reason == "refusal":
        raise ContentRefused(f"{model} refused to write a summary of the transcript, or its filter did.")
    if not (text := response.message.text.strip()):
        raise ModelOutputInvalid(f"{model} wrote no summary of the transcript.")
    return text


def _cut(text: str, max_tokens: int, scale: float) -> str:
    """Return the summary, cut at twice the length that was asked for."""
    max_chars = round(2 * max_tokens / scale) * BYTES_PER_TOKEN
    return text if len(text) <= max_chars else f"{text[:max_chars]}…"
