"""The profile of each Claude model: how it thinks, how long its responses may be, and whether it accepts a schema."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydantic import JsonValue

from agentkit.interfaces import ModelRequest
from agentkit.specs import ModelSettings

__all__ = ["TEMPERATURE_API_VERSION", "ClaudeProfile", "ThinkingConfig", "claude_profile"]

TEMPERATURE_API_VERSION = "2023-06-01"
"""The newest version of the API that accepts a temperature; 2026-10-21 rejects it for every model."""

_MIN_BUDGET = 1_024
_DEFAULT_MAX_TOKENS = 32_000
_HIGHEST_MAX_TOKENS = 64_000
"""The limit of all models with a thinking budget, thinking included."""

_WITH_BUDGET = re.compile(r"claude-(?:3|(?:opus|sonnet|haiku)-4(?:-[0-6])?(?:[-@]\d{8}|-latest|$))")
"""Claude 3 to 4.6 have a thinking budget and accept a temperature; later ones decide how much to think."""
_WITHOUT_SCHEMA = re.compile(r"claude-(?:3|(?:opus|sonnet)-4(?:-[01])?(?:[-@]\d{8}|-latest|$))")
_LOWER_MAX_TOKENS = ((re.compile(r"claude-3-5"), 8_192), (re.compile(r"claude-3-(?:opus|haiku|sonnet)"), 4_096))
_THINKING_OFF: tuple[tuple[re.Pattern[str], dict[str, JsonValue]], ...] = (
    (re.compile(r"claude-opus-4-[78]"), {}),  # off by default
    (re.compile(r"claude-sonnet-5-5"), {"thinking": {"type": "between_tools"}}),
    (re.compile(r"claude-(?:(?:opus|sonnet)-5(?:$|[-@]\d{8})|haiku-5)"), {"thinking": {"type": "disabled"}}),
)
_LOWEST_EFFORT: dict[str, JsonValue] = {"output_config": {"effort": "low"}}
"""The request fields for models whose thinking can't be turned off."""
_EFFORTS = ((2_048, "low"), (8_192, "medium"))
"""The nearest effort to a budget of up to so many tokens; there is no exact equivalent."""


@dataclass(frozen=True, slots=True)
class ThinkingConfig:
    """How much a request lets the model think."""

    body: dict[str, JsonValue]
    """The fields of the request body."""
    budget: int = 0
    """Tokens of ``max_tokens`` reserved for thinking."""

    @property
    def has_budget(self) -> bool:
        """Whether thinking has a budget, which excludes a temperature and a forced tool call."""
        return self.budget > 0


@dataclass(frozen=True, slots=True)
class ClaudeProfile:
    """The request fields and limits that one model accepts."""

    accepts_budget: bool
    """Accepts a thinking budget and, if it is not used, a temperature and a forced tool call."""
    accepts_schema: bool
    """Constrains its text to a JSON Schema."""
    max_tokens: int
    """Limit of a response if the agent sets none, without thinking."""
    thinking_off: dict[str, JsonValue]
    """The request fields that turn thinking off or, where that is impossible, reduce it as far as possible."""

    def thinking(self, settings: ModelSettings) -> ThinkingConfig:
        """Return the configuration that comes nearest to the thinking budget in the settings."""
        budget = settings.thinking_budget
        if budget is None:
            return ThinkingConfig({})
        if budget == 0:
            return ThinkingConfig(self.thinking_off)
        if not self.accepts_budget:
            effort = next((name for tokens, name in _EFFORTS if budget <= tokens), "high")
            return ThinkingConfig(
                {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": effort}}
            )
        highest = (settings.max_output_tokens or _HIGHEST_MAX_TOKENS) - 1
        budget = min(max(budget, _MIN_BUDGET), highest)
        if budget < _MIN_BUDGET:
            return ThinkingConfig({})
        return ThinkingConfig({"thinking": {"type": "enabled", "budget_tokens": budget}}, budget)

    def response_max_tokens(self, settings: ModelSettings, thinking: ThinkingConfig) -> int:
        """Return the limit of a response in tokens, thinking included."""
        if settings.max_output_tokens is not None:
            return settings.max_output_tokens
        return min(self.max_tokens + thinking.budget, max(self.max_tokens, _HIGHEST_MAX_TOKENS))


def claude_profile(request: ModelRequest) -> ClaudeProfile:
    """Return the profile of the request's model.

    A model of another maker, behind a server with Anthropic's API, gets the profile of an old Claude.
    """
    name = request.model
    is_claude = "claude" in name
    accepts_budget = not is_claude or _WITH_BUDGET.search(name) is not None
    thinking_off: dict[str, JsonValue] = {}
    if not accepts_budget:
        thinking_off = next((fields for pattern, fields in _THINKING_OFF if pattern.search(name)), _LOWEST_EFFORT)
    return ClaudeProfile(
        accepts_budget=accepts_budget,
        accepts_schema=is_claude and _WITHOUT_SCHEMA.search(name) is None,
        max_tokens=next((tokens for pattern, tokens in _LOWER_MAX_TOKENS if pattern.search(name)), _DEFAULT_MAX_TOKENS),
        thinking_off=thinking_off,
    )
