from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from agentkit.specs import AgentDefinition, AgentSpec, Limits, ToolSpec

TOOL = ToolSpec(name="look", description="Look.", parameters={"type": "object"})
SPEC = AgentSpec(name="a", models=("demo:demo",), planner="tools", tools=(TOOL,))


def test_a_tool_is_careful_by_default() -> None:
    assert (TOOL.effect, TOOL.approval, TOOL.fast) == ("irreversible", None, False)


def test_the_hash_names_the_content_and_nothing_else() -> None:
    assert SPEC.hash == AgentSpec.model_validate_json(SPEC.canonical_json()).hash
    assert len(SPEC.hash) == 32


@pytest.mark.parametrize(
    "change", [{"instructions": "x"}, {"tools": ()}, {"models": ("demo:demo", "demo:b")}, {"planner": "x"}]
)
def test_any_change_changes_the_hash(change: dict[str, Any]) -> None:
    changed = AgentSpec.model_validate({**SPEC.model_dump(), **change})
    assert changed.hash != SPEC.hash
    assert SPEC.model_copy(update=change).hash == changed.hash


def test_a_spec_finds_its_tools_by_name() -> None:
    assert SPEC.tool("look") == TOOL
    assert SPEC.tool("listen") is None


def test_a_spec_without_models_is_refused() -> None:
    with pytest.raises(ValidationError, match="at least one model"):
        AgentSpec(name="a", models=(), planner="tools")


def test_a_spec_ignores_fields_of_a_newer_release_and_a_definition_doesnt() -> None:
    assert AgentSpec.model_validate({**SPEC.model_dump(), "new": 1}) == SPEC
    with pytest.raises(ValidationError, match="Extra inputs"):
        AgentDefinition.model_validate({"name": "a", "new": 1})


@pytest.mark.parametrize("name", ["", "1a", "a b", "a.b", "a\n", "ä", "a" * 65])
def test_odd_names_are_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="name"):
        AgentDefinition(name=name)


@pytest.mark.parametrize(
    "limits",
    [
        {"max_steps": 0},
        {"max_steps": 10_001},
        {"max_tokens": 0},
        {"max_cost_usd": 0},
        {"deadline": "0s"},
        {"on_exhausted": "x"},
    ],
)
def test_limits_out_of_range_are_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Limits.model_validate(limits)
