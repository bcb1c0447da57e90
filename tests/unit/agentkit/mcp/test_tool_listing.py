"""Tools of servers as specs."""

from __future__ import annotations

import logging

import mcp_types as types
import pytest
from pydantic import JsonValue

from agentkit.mcp.tool_listing import tool_specs
from agentkit.mcp_config.mcp_settings import McpOptions, McpToolFilter
from agentkit.policy_rules import Effect
from agentkit.specs import McpToolName


def tool(
    name: str,
    schema: dict[str, JsonValue] | None = None,
    *,
    description: str | None = None,
    hints: types.ToolAnnotations | None = None,
) -> types.Tool:
    return types.Tool(name=name, description=description, input_schema=schema or {"type": "object"}, annotations=hints)


def nested(levels: int) -> dict[str, JsonValue]:
    schema: dict[str, JsonValue] = {"type": "object"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


READ_ONLY = types.ToolAnnotations(read_only_hint=True)
IDEMPOTENT = types.ToolAnnotations(idempotent_hint=True)
DESTRUCTIVE = types.ToolAnnotations(destructive_hint=False)


@pytest.mark.parametrize(
    ("hints", "options", "expected"),
    [
        (None, McpOptions(), "irreversible"),
        (READ_ONLY, McpOptions(), "pure"),
        (IDEMPOTENT, McpOptions(), "idempotent"),
        (DESTRUCTIVE, McpOptions(), "irreversible"),
        (READ_ONLY, McpOptions(trust_annotations=False), "irreversible"),
        (READ_ONLY, McpOptions(effects={"get_*": "idempotent", "*": "irreversible"}), "idempotent"),
        (None, McpOptions(effects={"put_*": "idempotent"}), "irreversible"),
    ],
)
def test_effects_come_from_the_settings_first_and_then_from_annotations(
    hints: types.ToolAnnotations | None, options: McpOptions, expected: Effect
) -> None:
    (spec,) = tool_specs("x", [tool("get_it", hints=hints)], options)
    assert spec.effect == expected


def test_a_spec_has_names_for_models_and_for_the_server_and_the_whole_time_of_a_call() -> None:
    options = McpOptions(connect_timeout=1, timeout=2, elicitation_wait=4)
    (spec,) = tool_specs("my files", [tool("read/it", description=" Reads. ")], options)
    assert spec.name == "my_files__read_it"
    assert spec.mcp == McpToolName(server="my files", name="read/it")
    assert (spec.description, spec.timeout) == ("Reads.", 7)


def test_only_tools_that_the_settings_allow_are_offered() -> None:
    options = McpOptions(tools=McpToolFilter(allow=("get_*",), deny=("get_secret",)))
    specs = tool_specs("x", [tool("get_a"), tool("put_a"), tool("get_secret")], options)
    assert [spec.name for spec in specs] == ["x__get_a"]


def test_a_schema_without_a_type_is_of_an_object() -> None:
    (spec,) = tool_specs("x", [tool("a", {"properties": {}})], McpOptions())
    assert spec.parameters == {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    ("hostile", "reason"),
    [
        (tool("a", {"type": "string"}), "is not of an object"),
        (tool("a", nested(60)), "nested in more than 50 levels"),
        (tool("a", {"type": "object", "description": "x" * 300_000}), "more than 200,000"),
        (tool("a", {"type": "object", "default": float("nan")}), "no valid JSON"),
        (tool("a" * 129), "at most 128 characters"),
        (tool("a\n"), "must be printable"),
        (tool("b"), "there are two of this name"),
        (
            types.Tool(name="a", input_schema={}, execution=types.ToolExecution(task_support="required")),
            "can only be called as a task",
        ),
    ],
    ids=["not an object", "deep", "large", "no JSON", "long name", "control character", "twice", "task"],
)
def test_a_tool_that_cannot_be_used_is_left_out_and_the_reason_is_logged(
    hostile: types.Tool, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        specs = tool_specs("x", [tool("b"), hostile], McpOptions())
    assert [spec.name for spec in specs] == ["x__b"]
    assert reason in caplog.text


def test_a_description_of_megabytes_is_cut_with_a_note() -> None:
    (spec,) = tool_specs("x", [tool("a", description="d" * 2_000_000)], McpOptions())
    assert len(spec.description) < 17_000
    assert spec.description.endswith("[The rest of this description, 2,000,000 characters, is left out.]")
