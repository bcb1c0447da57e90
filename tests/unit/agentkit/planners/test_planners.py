from __future__ import annotations

import pytest

from agentkit.errors import ConfigurationInvalid
from agentkit.planners import PLANNERS, get_planner


def test_planners_are_found_by_the_name_that_agents_give() -> None:
    assert {name: type(get_planner(name)).__name__ for name in PLANNERS} == {
        "tools": "ToolsPlanner",
        "react": "ReactPlanner",
        "plan": "PlanPlanner",
        "placeholder": "PlaceholderPlanner",
    }


def test_an_unknown_planner_is_refused_with_the_names_of_those_there_are() -> None:
    with pytest.raises(
        ConfigurationInvalid, match=r"Unknown planner 'tool'\. There are: placeholder, plan, react, tools"
    ):
        get_planner("tool")
