"""When a transcript takes so much of a model's context window that it is to be shortened."""

from __future__ import annotations

from agentkit.config.model_windows import model_window
from agentkit.interfaces import ContextUse
from agentkit.messages import Usage
from agentkit.specs import AgentSpec, CompactionSettings

__all__ = ["compaction_settings", "context_window", "reached_share"]

_DEFAULTS = CompactionSettings()


def compaction_settings(agent: AgentSpec) -> CompactionSettings:
    """Return the agent's settings of compaction, or the defaults."""
    return agent.compaction or _DEFAULTS


def context_window(agent: AgentSpec, model: str) -> int | None:
    """Return the context window of ``provider:name`` in tokens, as the agent or a list names it; None: unknown."""
    return compaction_settings(agent).window or model_window(model)


def reached_share(agent: AgentSpec, model: str, usage: Usage) -> ContextUse | None:
    """Return how much of the window a response took, if that is the share at which transcripts are shortened."""
    settings = compaction_settings(agent)
    window = None if settings.off else context_window(agent, model)
    if window is None or usage.tokens < settings.at * window:
        return None
    return ContextUse(tokens=usage.tokens, window=window)
