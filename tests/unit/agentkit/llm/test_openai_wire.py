from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from agentkit.interfaces import ModelRequest
from agentkit.llm.openai_rules import wire_name
from agentkit.llm.openai_wire import chat_body


@pytest.mark.parametrize("name", ["clock", "a-b_C9", "x" * 64])
def test_allowed_names_stay(name: str) -> None:
    assert wire_name(name) == name


@given(st.text())
def test_every_name_becomes_an_allowed_one(name: str) -> None:
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", wire_name(name))


def test_names_that_look_alike_stay_apart() -> None:
    names = ["mcp:a/b", "mcp:a_b", "mcp_a/b", "mcp_a_b", "y" * 65, "y" * 66]
    assert len({wire_name(name) for name in names}) == len(names)


CLOSED: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"answer": {"type": "string"}},
    "required": ["answer"],
    "additionalProperties": False,
}
NESTED: dict[str, JsonValue] = {"anyOf": [CLOSED, {"type": "null"}]}


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        pytest.param(CLOSED, True, id="closed"),
        pytest.param({**CLOSED, "additionalProperties": True}, False, id="open"),
        pytest.param({**CLOSED, "required": []}, False, id="optional property"),
        pytest.param({**CLOSED, "properties": {"answer": {"type": "object"}}}, False, id="open inside"),
        pytest.param({**CLOSED, "properties": {"answer": NESTED}}, True, id="closed inside"),
    ],
)
def test_a_schema_is_enforced_where_openai_can(schema: dict[str, JsonValue], strict: bool) -> None:
    request = ModelRequest(model="openai:m", system="", messages=(), output_schema=schema)
    written = chat_body(request, "openai")
    assert written["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "output", "schema": schema, "strict": strict},
    }
