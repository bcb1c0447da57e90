from __future__ import annotations

import pytest
from pydantic import JsonValue

from agentkit.llm.shared.schema_references import cyclic_references, inner_schemas, resolve_reference

NODE: dict[str, JsonValue] = {"type": "object", "properties": {"kids": {"items": {"$ref": "#/$defs/Node"}}}}
ROOT: dict[str, JsonValue] = {"$defs": {"Node": NODE, "a/b": {"type": "null"}}, "properties": {"x": {"type": "string"}}}


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("#", ROOT),
        ("#/$defs/Node", NODE),
        ("#/$defs/a~1b", {"type": "null"}),
        ("#/properties/x", {"type": "string"}),
        ("#/$defs/Missing", None),
        ("#/properties/x/type", None),
        ("https://example.org/schema", None),
    ],
)
def test_a_reference_is_resolved_inside_its_document(reference: str, expected: JsonValue) -> None:
    assert resolve_reference(reference, ROOT) == expected


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        pytest.param({"$ref": "#/$defs/Node", "$defs": {"Node": NODE}}, {"#/$defs/Node"}, id="a definition"),
        pytest.param({"$defs": {"Node": NODE}}, {"#/$defs/Node"}, id="a definition that is not used"),
        pytest.param({"properties": {"a": {"$ref": "#"}}}, {"#"}, id="the root"),
        pytest.param(
            {"$defs": {"A": {"anyOf": [{"$ref": "#/$defs/B"}]}, "B": {"additionalProperties": {"$ref": "#/$defs/A"}}}},
            {"#/$defs/A", "#/$defs/B"},
            id="two definitions",
        ),
        pytest.param(
            {"items": {"$ref": "#/$defs/A"}, "$defs": {"A": {"items": {"$ref": "#/$defs/B"}}, "B": {}}},
            set(),
            id="one after the other",
        ),
        pytest.param({"$ref": "#/$defs/Missing"}, set(), id="no definition"),
        pytest.param({"type": "object"}, set(), id="no reference"),
    ],
)
def test_references_that_lead_back_to_themselves_are_found(schema: dict[str, JsonValue], expected: set[str]) -> None:
    assert cyclic_references(schema) == expected


def test_only_the_schemas_that_are_asked_for_are_followed() -> None:
    assert cyclic_references({"$defs": {"Node": NODE}}, lambda schema: ()) == frozenset()


def test_the_schemas_inside_a_schema_are_those_of_all_its_keywords() -> None:
    schema: dict[str, JsonValue] = {
        "properties": {"a": {"const": 1}},
        "items": {"const": 2},
        "anyOf": [{"const": 3}],
        "$defs": {"x": {"const": 4}},
        "additionalProperties": False,
    }
    assert [inner["const"] for inner in inner_schemas(schema)] == [2, 1, 3]
