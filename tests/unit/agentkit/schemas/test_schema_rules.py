from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import JsonValue

from agentkit.errors import ConfigurationInvalid
from agentkit.schemas.schema_rules import check_schema
from tests.cpu_time import relative_cpu_s


def chain(keyword: str, length: int) -> dict[str, Any]:
    """Return a schema whose definitions each apply the next one twice."""
    twice: list[Any] = [
        {keyword: [{"$ref": f"#/$defs/d{n + 1}"}, {"$ref": f"#/$defs/d{n + 1}"}]} for n in range(length)
    ]
    return {"$ref": "#/$defs/d0", "$defs": {f"d{n}": part for n, part in enumerate([*twice, {}])}}


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        pytest.param({"type": "thing"}, r"no JSON Schema: at \$\.type", id="type"),
        pytest.param({"properties": []}, "no JSON Schema", id="properties"),
        pytest.param({"$ref": "#/$defs/nowhere"}, "nowhere', which isn't in it", id="missing"),
        pytest.param({"$ref": "http://127.0.0.1:9/schema"}, "refers to 'http://127", id="another document"),
        pytest.param({"properties": {"a": {"$ref": "file:///etc/passwd"}}}, "refers to 'file:", id="below a property"),
        pytest.param({"$ref": "#"}, "refers to itself without an end", id="itself"),
        pytest.param({"$defs": {"a": {"$ref": "#/$defs/a"}}}, "without an end", id="an unused definition"),
        pytest.param({"anyOf": [{"type": "null"}, {"$ref": "#"}]}, "without an end", id="alternatives"),
        pytest.param(
            {"properties": {"a": {"not": {"$ref": "#/properties/a"}}}}, "without an end", id="the negation of itself"
        ),
        pytest.param(chain("allOf", 40), "expand to more than 10,000", id="doubling"),
        pytest.param({"pattern": "("}, r"at \$\.pattern: .* is not a 'regex'", id="pattern"),
        pytest.param({"patternProperties": {"[": {}}}, "is not a 'regex'", id="pattern of properties"),
        pytest.param({"enum": ["x" * 140_000]}, "too large: 140,0.* bytes, and 131,072 at most", id="large"),
    ],
)
def test_an_unusable_schema_is_refused(schema: Mapping[str, JsonValue], message: str) -> None:
    def check() -> None:
        with pytest.raises(ConfigurationInvalid, match=message):
            check_schema(schema)

    assert relative_cpu_s(check) < 5


def test_a_schema_that_is_nested_too_deeply_is_refused() -> None:
    schema: dict[str, Any] = {}
    for _ in range(300):
        schema = {"items": schema}
    with pytest.raises(ConfigurationInvalid, match="nested too deeply: 64 levels at most"):
        check_schema(schema)


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param({"type": "array", "items": {"$ref": "#"}}, id="recursive items"),
        pytest.param(
            {
                "$ref": "#/$defs/node",
                "$defs": {"node": {"properties": {"next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}}}},
            },
            id="linked list",
        ),
        pytest.param({"$defs": {"a": {"$anchor": "a"}}, "items": {"$ref": "#a"}}, id="anchor"),
        pytest.param(
            {"$id": "https://a.example/s", "$defs": {"b": {}}, "items": {"$ref": "#/$defs/b"}}, id="with an id"
        ),
        pytest.param(chain("anyOf", 8), id="alternatives of alternatives"),
        pytest.param({"properties": {f"p{n}": {"type": "string"} for n in range(3_000)}}, id="many properties"),
        pytest.param({"pattern": r"^(?!x)\d"}, id="lookahead"),
    ],
)
def test_a_usable_schema_is_accepted(schema: Mapping[str, JsonValue]) -> None:
    assert relative_cpu_s(lambda: check_schema(schema)) < 10


@pytest.mark.parametrize("pattern", ["(" * 5_000, "(?!x)" + "(" * 5_000 + ")" * 5_000], ids=["unclosed", "closed"])
@pytest.mark.parametrize("keyword", ["pattern", "patternProperties"])
def test_a_regular_expression_that_is_nested_too_deeply_is_refused(keyword: str, pattern: str) -> None:
    with pytest.raises(ConfigurationInvalid, match="make its regular expressions simpler"):
        check_schema({keyword: pattern if keyword == "pattern" else {pattern: True}})
