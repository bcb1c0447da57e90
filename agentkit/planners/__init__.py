"""Planners: pure functions from a transcript to a model request, and from a response to a decision."""

from __future__ import annotations

from collections.abc import Mapping

from agentkit.errors import ConfigurationInvalid
from agentkit.interfaces import Planner
from agentkit.planners.placeholder_planner import PlaceholderPlanner
from agentkit.planners.plan_planner import PlanPlanner
from agentkit.planners.react_planner import ReactPlanner
from agentkit.planners.tools_planner import ToolsPlanner

__all__ = ["PLANNERS", "PlaceholderPlanner", "PlanPlanner", "ReactPlanner", "ToolsPlanner", "get_planner"]

PLANNERS: Mapping[str, Planner] = {
    "tools": ToolsPlanner(),
    "react": ReactPlanner(),
    "plan": PlanPlanner(),
    "placeholder": PlaceholderPlanner(),
}
"""Every planner by the name in agent definitions."""


def get_planner(name: str) -> Planner:
    """Return the planner with that name.

    Raises:
        ConfigurationInvalid: there is none; the message lists the names.
    """
    if name not in PLANNERS:
        raise ConfigurationInvalid(f"Unknown planner {name!r}. There are: {', '.join(sorted(PLANNERS))}")
    return PLANNERS[name]
