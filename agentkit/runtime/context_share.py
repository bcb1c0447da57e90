"""Compare the tokens of a response with the agent's share of the model's context window (``compaction.at``)."""

from __future__ import annotations

from agentkit.config.model_windows import model_window
from agentkit.interfaces import ContextUse
from agentkit.messages import Usage
from agentkit.specs import AgentSpec, CompactionSettings

__all__ = ["compaction_settings", "context_window", "reached_share"]

_DEFAULTS = CompactionSettings()


def compaction_settings(agent: AgentSpec) -> CompactionSettings:
    """Return the agent's compaction settings, or the defaults."""
    return agent.compaction or _DEFAULTS


def context_window(agent: AgentSpec, model: str) -> int | None:
    """Return a model's context window in tokens, from the agent's settings or a list of models; None: unknown."""
    return compaction_settings(agent).window or model_window(model)


def reached_share(agent: AgentSpec, model: str, usage: Usage) -> ContextUse | None:
    """Return the tokens of a response and the window, if they reach the share at which a transcript is shortened."""
    settings = compaction_settings(agent)
    window = None if settings.off else context_window(agent, model)
    if window is None or usage.tokens < settings.at * window:
        return None
    return ContextUse(tokens=usage.tokens, window=window)
