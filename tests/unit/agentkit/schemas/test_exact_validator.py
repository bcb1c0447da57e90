from __future__ import annotations

import re
from typing import Any

import pytest

from agentkit.schemas.exact_validator import NO_DOCUMENTS, ExactValidator, compiled_pattern


def is_valid(schema: dict[str, Any], value: object) -> bool:
    return bool(ExactValidator(schema, registry=NO_DOCUMENTS).is_valid(value))


@pytest.mark.parametrize(
    ("schema", "fitting", "others"),
    [
        ({"multipleOf": 0.1}, [0.3, 1, 10**400], [0.35]),
        ({"multipleOf": 0.5}, [10**400, -1.5], [0.4]),
        ({"uniqueItems": True}, [[1, True, "1", [1]], [{"a": 1}, {"a": 2}], "aa"], [[1, 1.0], [{"a": 1}, {"a": 1.0}]]),
        ({"pattern": "^a+$"}, ["aa", 5], ["ab"]),
        ({"pattern": r"^(.)\1$"}, ["aa"], ["ab"]),
        ({"patternProperties": {"^n": {"type": "number"}}}, [{"n": 1, "a": ""}, []], [{"n": ""}]),
        ({"properties": {"a": {}}, "additionalProperties": False}, [{"a": 1}, 5], [{"b": 1}]),
        (
            {"patternProperties": {"^x": {}}, "additionalProperties": {"type": "null"}},
            [{"x": 1, "b": None}],
            [{"b": 1}],
        ),
    ],
    ids=["tenths", "halves", "unique", "pattern", "backreference", "pattern properties", "closed", "additional"],
)
def test_keywords_mean_what_json_schema_says(schema: dict[str, Any], fitting: list[Any], others: list[Any]) -> None:
    assert [is_valid(schema, value) for value in fitting] == [True] * len(fitting)
    assert [is_valid(schema, value) for value in others] == [False] * len(others)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"pattern": "^(a+)+$"}, "a" * 5_000 + "!"),
        ({"uniqueItems": True}, [{"number": number} for number in range(20_000)]),
        ({"additionalProperties": False, "patternProperties": {"^(x+)+$": {}}}, {"x" * 5_000 + "!": 1}),
    ],
    ids=["pattern", "unique", "pattern properties"],
)
@pytest.mark.timeout(30)
def test_what_takes_other_validators_minutes_takes_a_moment(schema: dict[str, Any], value: object) -> None:
    assert is_valid(schema, value) == isinstance(value, list)


def test_the_message_about_unknown_keys_names_them() -> None:
    validator = ExactValidator({"additionalProperties": False})
    (error,) = validator.iter_errors({"b": 1, "a": 2})
    assert error.message == "Additional properties are not allowed ('a', 'b' were unexpected)"


@pytest.mark.parametrize("pattern", ["(", "a{2,1}", "(?P<a>"])
def test_what_is_no_regular_expression_is_an_error(pattern: str) -> None:
    with pytest.raises(re.error):
        compiled_pattern(pattern)
