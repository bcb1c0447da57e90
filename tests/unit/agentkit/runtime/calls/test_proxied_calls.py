from __future__ import annotations

import json

import pytest
from pydantic import JsonValue

from agentkit.interfaces import McpToolCall, PolicyDecision
from agentkit.messages import ToolCall, ToolResult
from agentkit.policy_rules import Verdict
from agentkit.runtime.calls.proxied_calls import (
    ProxiedCalls,
    named_as_called,
    newest_tools,
    proxy_call,
    read_target,
    stricter,
)
from agentkit.specs import AgentSpec, McpToolName, ToolSpec

NAME = McpToolName(server="math", name="add")
ADD = ToolSpec(name="math__add", description="", parameters={}, effect="pure", mcp=NAME)


def call(**arguments: JsonValue) -> ToolCall:
    return ToolCall(id="c1", name="mcp_call", arguments=arguments)


@pytest.mark.parametrize(
    ("given", "arguments"),
    [
        ({"a": 1}, {"a": 1}),
        (None, {}),
        ("", {}),
        ('{"a": [1]}', {"a": [1]}),
        ({}, {}),
    ],
)
def test_the_arguments_of_the_tool_are_read(given: JsonValue, arguments: dict[str, JsonValue]) -> None:
    assert read_target(call(server="math", tool="add", arguments=given)) == McpToolCall(tool=NAME, arguments=arguments)


def test_arguments_may_be_left_out() -> None:
    assert read_target(call(server="math", tool="add")) == McpToolCall(tool=NAME)


@pytest.mark.parametrize(
    "given",
    [[1], 3, True, "text", "[1]", '{"a": NaN}', '{"a": "\\ud800"}', '{"a":' * 101 + "1" + "}" * 101, "[" * 100_000],
    ids=["list", "number", "boolean", "text", "list as text", "no number", "surrogate", "deep", "endless"],
)
def test_other_arguments_are_an_error_that_says_what_is_expected(given: JsonValue) -> None:
    problem = read_target(call(server="math", tool="add", arguments=given))
    assert isinstance(problem, str)
    assert "must have one JSON object" in problem
    assert json.dumps({"server": "..."})[:9] in problem


@pytest.mark.parametrize("value", [None, "", 5, ["math"], "x" * 501])
def test_names_must_be_names(value: JsonValue) -> None:
    assert "server must be the name" in str(read_target(call(server=value, tool="add")))
    assert "tool must be the name" in str(read_target(call(server="math", tool=value)))


def test_a_call_is_translated_and_back() -> None:
    agent = AgentSpec(name="a", models=("m:m",), planner="tools", proxied=(ADD,))
    calls = ProxiedCalls()
    made = call(server="math", tool="add", arguments={"a": 1})
    assert calls.translate({3: made}, agent, {}) == {}
    found = calls.get(3)
    assert found is not None
    assert found.outcome == ADD
    assert found.call == ToolCall(id="c1", name="math__add", arguments={"a": 1})
    assert proxy_call(ADD, found.call) == made
    assert calls.has("c1")
    assert not calls.has("c2")
    assert calls.get(0) is None


def test_calls_of_unknown_tools_are_described_first() -> None:
    agent = AgentSpec(name="a", models=("m:m",), planner="tools")
    calls = ProxiedCalls()
    targets = calls.translate({0: call(server="math", tool="add"), 1: call(server="")}, agent, {})
    assert list(targets) == [0]
    calls.describe(targets, agent.model_copy(update={"proxied": (ADD,)}), {0: "Wrong."})
    first, second = calls.get(0), calls.get(1)
    assert first is not None
    assert second is not None
    assert (first.call.name, first.outcome) == ("math__add", "Wrong.")
    assert second.call.name == "mcp_call"


def test_a_tool_that_was_not_found_is_refused_under_the_name_that_was_called() -> None:
    agent = AgentSpec(name="a", models=("m:m",), planner="tools")
    calls = ProxiedCalls()
    targets = calls.translate({0: call(server="math", tool="add")}, agent, {})
    calls.describe(targets, agent, {})
    found = calls.get(0)
    assert found is not None
    assert (found.call.name, found.outcome) == ("mcp_call", "Nothing was called: there is no such tool.")


@pytest.mark.parametrize(
    ("first", "second", "strictest"),
    [("allow", "ask", "ask"), ("ask", "deny", "deny"), ("deny", "allow", "deny"), ("allow", "allow", "allow")],
)
def test_the_stricter_decision_counts(first: Verdict, second: Verdict, strictest: Verdict) -> None:
    decisions = [PolicyDecision(action=action, reason="r", decided_by=action) for action in (first, second)]
    assert stricter(*decisions).action == strictest
    assert stricter(*reversed(decisions)).action == strictest


def tools(count: int, size: int = 10) -> list[ToolSpec]:
    return [ToolSpec(name=f"tool_{number}", description="x" * size, parameters={}) for number in range(count)]


def test_the_newest_hundred_tools_are_known() -> None:
    known, described = tools(130), [ADD]
    kept = newest_tools(known, described)
    assert kept == (*known[30:], ADD)


def test_large_tools_are_known_as_long_as_there_is_space_and_those_of_the_step_always() -> None:
    large = tools(9, 200_000)
    assert newest_tools(large[:5], [ADD]) == (*large[1:5], ADD)
    assert newest_tools(large[:1], large[1:]) == tuple(large[1:])
    assert newest_tools([], large) == tuple(large)


def test_results_have_the_name_that_the_model_called() -> None:
    result = ToolResult(call_id="c1", name="math__add", content="3")
    assert named_as_called(result, call()).name == "mcp_call"
