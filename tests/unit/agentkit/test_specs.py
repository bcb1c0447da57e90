from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from agentkit.specs import AgentDefinition, AgentSpec, Limits, PolicyRule, ToolSpec

TOOL = ToolSpec(name="look", description="Look.", parameters={"type": "object"})
SPEC = AgentSpec(name="a", models=("demo:demo",), planner="tools", tools=(TOOL,))


def test_a_tool_is_irreversible_and_not_fast_by_default() -> None:
    assert (TOOL.effect, TOOL.approval, TOOL.fast) == ("irreversible", None, False)


@pytest.mark.parametrize("limits", [{"max_steps": True}, {"max_tokens": "5"}, {"max_cost_usd": "1"}])
def test_text_and_truth_values_are_no_numbers(limits: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="expected a number, not t"):
        Limits.model_validate(limits)


def test_the_hash_is_the_same_in_every_process_and_release() -> None:
    spec = AgentSpec(name="a", models=("demo:demo",), planner="tools")
    assert spec.hash == "e7524a28703cff46979f3c0b867f8a29"


@pytest.mark.parametrize(
    "change",
    [
        {"instructions": "x"},
        {"tools": ()},
        {"models": ("demo:demo", "demo:b")},
        {"planner": "x"},
        {"policy": (PolicyRule(tool="look", then="deny"),)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_any_change_changes_the_hash(change: dict[str, Any]) -> None:
    changed = AgentSpec.model_validate({**SPEC.model_dump(), **change})
    assert changed.hash != SPEC.hash
    assert SPEC.model_copy(update=change).hash == changed.hash


def test_a_spec_finds_its_tools_by_name() -> None:
    assert SPEC.tool("look") == TOOL
    assert SPEC.tool("search") is None


def test_a_spec_without_models_is_refused() -> None:
    with pytest.raises(ValidationError, match="at least one model"):
        AgentSpec(name="a", models=(), planner="tools")


def test_unknown_fields_are_ignored_in_specs_and_refused_in_definitions() -> None:
    assert AgentSpec.model_validate({**SPEC.model_dump(), "new": 1}) == SPEC
    with pytest.raises(ValidationError, match="Extra inputs"):
        AgentDefinition.model_validate({"name": "a", "new": 1})


@pytest.mark.parametrize("name", ["", "1a", "a b", "a.b", "a\n", "ä", "a" * 65])
def test_invalid_names_are_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="name"):
        AgentDefinition(name=name)


@pytest.mark.parametrize(
    "limits",
    [
        {"max_steps": 0},
        {"max_steps": 10_001},
        {"max_repeats": 1},
        {"max_repeats": -1},
        {"max_tokens": 0},
        {"max_cost_usd": 0},
        {"deadline": "0s"},
        {"on_exhausted": "x"},
    ],
)
def test_limits_out_of_range_are_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Limits.model_validate(limits)
