from __future__ import annotations

import pytest

from agentkit.errors import ConfigurationInvalid
from agentkit.planners import PLANNERS, planner_named


def test_planners_are_found_by_the_name_that_agents_give() -> None:
    assert {name: type(planner_named(name)).__name__ for name in PLANNERS} == {
        "tools": "ToolsPlanner",
        "react": "ReactPlanner",
        "plan": "PlanPlanner",
        "placeholder": "PlaceholderPlanner",
    }


def test_an_unknown_planner_is_refused_with_the_names_of_those_there_are() -> None:
    with pytest.raises(
        ConfigurationInvalid, match=r"Unknown planner 'tool'\. There are: placeholder, plan, react, tools"
    ):
        planner_named("tool")
