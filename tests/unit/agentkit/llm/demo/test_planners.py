"""The demo model works with every planner: a person sees each of them at work without a key."""

from __future__ import annotations

import pytest

from agentkit.llm.demo.model import DemoModel
from agentkit.runtime.local_runner import LocalRunner
from agentkit.specs import AgentSpec
from agentkit.tools import ToolRegistry, builtin_tools

TOOLSET = ToolRegistry(builtin_tools())
SUM = 'call calculator {"expression": "6*7"}\ncall calculator {"expression": "1+1"}\nsay It is 42.'


def agent(planner: str, **fields: object) -> AgentSpec:
    return AgentSpec.model_validate(
        {"name": "a", "models": ["demo:demo"], "planner": planner, "tools": TOOLSET.specs(), **fields}
    )


@pytest.mark.parametrize(("planner", "steps"), [("tools", 3), ("react", 3), ("plan", 4)])
async def test_calls_are_made_and_a_text_ends_the_task(planner: str, steps: int) -> None:
    result = await LocalRunner({"demo": DemoModel()}, TOOLSET).run(agent(planner), SUM)
    assert (result.output, result.steps, result.usage.tool_calls) == ("It is 42.", steps, 2)


@pytest.mark.parametrize("planner", ["tools", "react", "plan"])
async def test_other_text_is_repeated(planner: str) -> None:
    result = await LocalRunner({"demo": DemoModel()}, TOOLSET).run(agent(planner), "Hello there")
    assert result.output == "Hello there"


@pytest.mark.parametrize("planner", ["tools", "react", "plan"])
async def test_results_are_repeated_when_the_lines_run_out(planner: str) -> None:
    result = await LocalRunner({"demo": DemoModel()}, TOOLSET).run(
        agent(planner), 'call calculator {"expression": "6*7"}'
    )
    assert "42" in str(result.output)


@pytest.mark.parametrize("planner", ["tools", "react", "plan"])
async def test_output_may_have_a_schema(planner: str) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    result = await LocalRunner({"demo": DemoModel()}, TOOLSET).run(
        agent(planner, output_schema=schema), 'call calculator {"expression": "6*7"}\nsay {"n": 42}'
    )
    assert result.output == {"n": 42}


async def test_a_plan_lists_the_lines() -> None:
    result = await LocalRunner({"demo": DemoModel()}, TOOLSET).run(agent("plan"), "think 10\nsay one\nsay two")
    assert result.transcript[1].text == '{"plan": ["say one", "say two"]}'
    assert result.output == "one"
