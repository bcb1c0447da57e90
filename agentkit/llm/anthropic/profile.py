"""What each Claude model takes: how it thinks, how long it answers, and whether it can be held to a schema."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydantic import JsonValue

from agentkit.interfaces import ModelRequest
from agentkit.specs import ModelSettings

__all__ = ["OLD_API_VERSION", "Rules", "Thinking", "rules_for"]

OLD_API_VERSION = "2023-06-01"
"""The newest version of the API that takes a temperature; 2026-10-21 refuses it from every model."""

_MIN_BUDGET = 1_024
_DEFAULT_OUTPUT = 32_000
_MOST_OUTPUT = 64_000
"""What all models that think by budget may write, thoughts included."""

_BUDGETED = re.compile(r"claude-(?:3|(?:opus|sonnet|haiku)-4(?:-[0-6])?(?:[-@]\d{8}|-latest|$))")
"""Claude 3 to 4.6 think by a budget and take a temperature; later ones decide by themselves how much to think."""
_SCHEMALESS = re.compile(r"claude-(?:3|(?:opus|sonnet)-4(?:-[01])?(?:[-@]\d{8}|-latest|$))")
_SHORT = ((re.compile(r"claude-3-5"), 8_192), (re.compile(r"claude-3-(?:opus|haiku|sonnet)"), 4_096))
_NOT_THINKING: tuple[tuple[re.Pattern[str], dict[str, JsonValue]], ...] = (
    (re.compile(r"claude-opus-4-[78]"), {}),  # off unless asked for
    (re.compile(r"claude-sonnet-5-5"), {"thinking": {"type": "between_tools"}}),
    (re.compile(r"claude-(?:(?:opus|sonnet)-5(?:$|[-@]\d{8})|haiku-5)"), {"thinking": {"type": "disabled"}}),
)
_LEAST_EFFORT: dict[str, JsonValue] = {"output_config": {"effort": "low"}}
"""What is left for models that can't but think."""
_EFFORTS = ((2_048, "low"), (8_192, "medium"))
"""Budgets up to so many tokens, as the effort that comes near; there is no exact counterpart."""


@dataclass(frozen=True, slots=True)
class Thinking:
    """How a request asks for thought."""

    wire: dict[str, JsonValue]
    """The fields of the request's body that say so."""
    budget: int = 0
    """The tokens of ``max_tokens`` that are set aside for it."""

    @property
    def by_budget(self) -> bool:
        """Whether it is thought of the older kind, which puts up with little beside it."""
        return self.budget > 0


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one model."""

    budgeted: bool
    """Thinks by a budget of tokens, takes a temperature (while it doesn't think), and can be made to call a tool."""
    takes_schema: bool
    """Holds its text to a JSON Schema."""
    max_tokens: int
    """What it may write where the agent says nothing."""
    unthinking: dict[str, JsonValue]
    """What turns thinking off, or as low as it goes."""

    def thinking(self, settings: ModelSettings) -> Thinking:
        """Return how to ask for as much thought as the settings want."""
        wanted = settings.thinking_budget
        if wanted is None:
            return Thinking({})
        if wanted == 0:
            return Thinking(self.unthinking)
        if not self.budgeted:
            effort = next((name for tokens, name in _EFFORTS if wanted <= tokens), "high")
            return Thinking(
                {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": effort}}
            )
        most = (settings.max_output_tokens or _MOST_OUTPUT) - 1
        budget = min(max(wanted, _MIN_BUDGET), most)
        if budget < _MIN_BUDGET:
            return Thinking({})
        return Thinking({"thinking": {"type": "enabled", "budget_tokens": budget}}, budget)

    def limit(self, settings: ModelSettings, thinking: Thinking) -> int:
        """Return the tokens that it may write, thoughts included."""
        if settings.max_output_tokens is not None:
            return settings.max_output_tokens
        return min(self.max_tokens + thinking.budget, max(self.max_tokens, _MOST_OUTPUT))


def rules_for(request: ModelRequest) -> Rules:
    """Return the rules of the model that is asked.

    What is no Claude, behind a server that only speaks the format, is taken for an old one: it knows no more.
    """
    name = request.model
    other = "claude" not in name
    budgeted = other or _BUDGETED.search(name) is not None
    unthinking = {} if budgeted else next((wire for known, wire in _NOT_THINKING if known.search(name)), _LEAST_EFFORT)
    return Rules(
        budgeted=budgeted,
        takes_schema=not other and _SCHEMALESS.search(name) is None,
        max_tokens=next((tokens for known, tokens in _SHORT if known.search(name)), _DEFAULT_OUTPUT),
        unthinking=unthinking,
    )
