from __future__ import annotations

import pytest

from agentkit.errors import ConfigurationInvalid
from agentkit.planners import PLANNERS, get_planner


def test_get_planner_returns_the_planner_with_that_name() -> None:
    assert {name: type(get_planner(name)).__name__ for name in PLANNERS} == {
        "tools": "ToolsPlanner",
        "react": "ReactPlanner",
        "plan": "PlanPlanner",
        "placeholder": "PlaceholderPlanner",
    }


def test_an_unknown_planner_is_refused_with_all_names() -> None:
    with pytest.raises(
        ConfigurationInvalid, match=r"Unknown planner 'tool'\. There are: placeholder, plan, react, tools"
    ):
        get_planner("tool")
