"""The contract of output checkers: any JSON is checked against any schema, a result is returned, and nothing raised."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from pydantic import JsonValue

from agentkit.interfaces import OutputCheck, OutputChecker
from agentkit.schemas.output_check import InlineOutputChecker
from agentkit.schemas.output_checker import OutputCheckProcesses

CITY: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "years": {"type": "array", "items": {"type": "integer"}}},
    "required": ["city"],
}


@pytest.fixture(params=["inline", "processes"])
async def checker(request: pytest.FixtureRequest) -> AsyncIterator[OutputChecker]:
    if request.param == "inline":
        yield InlineOutputChecker()
        return
    async with OutputCheckProcesses(max_processes=1) as processes:
        yield processes


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        (None, {"type": "null"}),
        (False, {"type": "boolean"}),
        (0, {"type": "integer"}),
        ("", {"type": "string"}),
        ("\ud83d", {"type": "string"}),
        ([], {"type": "array"}),
        ({"city": "Paris", "text": "a key"}, CITY),
        ({"value": 1, "arguments": 2, "schema": 3}, {"required": ["value", "arguments", "schema"]}),
    ],
    ids=repr,
)
async def test_a_value_of_any_type_that_fits_has_index_0(
    checker: OutputChecker, value: JsonValue, schema: dict[str, JsonValue]
) -> None:
    assert await checker.check_value(value, schema) == OutputCheck(index=0)


@pytest.mark.parametrize(
    ("value", "mismatch"),
    [
        ("Paris", "'Paris' is not of type 'object'"),
        ({}, "'city' is a required property"),
        ({"city": 1, "years": [1, "2", 3.5]}, None),
    ],
)
async def test_what_does_not_fit_is_said_in_one_line(
    checker: OutputChecker, value: JsonValue, mismatch: str | None
) -> None:
    check = await checker.check_value(value, CITY)
    assert check.index is None
    if mismatch is None:
        mismatch = (
            "city: 1 is not of type 'string'; years[1]: '2' is not of type 'integer'; "
            "years[2]: 3.5 is not of type 'integer'"
        )
    assert check.mismatch == mismatch


async def test_a_list_that_does_not_fit_is_named_by_positions(checker: OutputChecker) -> None:
    check = await checker.check_value([1], {"items": {"type": "string"}})
    assert check.mismatch == "[0]: 1 is not of type 'string'"


async def test_mismatches_are_bounded(checker: OutputChecker) -> None:
    value: JsonValue = ["x" * 100_000] * 1_000
    check = await checker.check_value(value, {"items": {"type": "integer"}})
    assert 0 < len(check.mismatch or "") < 5 * 800


@pytest.mark.parametrize(("depth", "fits"), [(100, True), (101, False), (100_000, False)])
async def test_a_value_may_be_nested_a_hundred_levels_deep(checker: OutputChecker, depth: int, fits: bool) -> None:
    value: JsonValue = []
    for _ in range(depth - 1):
        value = [value]
    check = await checker.check_value(value, {})
    assert check == (OutputCheck(index=0) if fits else OutputCheck(mismatch="nested too deeply: 100 levels at most"))


async def test_the_same_schema_is_checked_for_texts_arguments_and_values_alike(checker: OutputChecker) -> None:
    for value, fits in (({"city": "Paris"}, True), ({"city": 1}, False)):
        arguments: dict[str, JsonValue] = {**value}
        checks = [
            await checker.check(json.dumps(value), CITY),
            await checker.check_arguments(arguments, CITY),
            await checker.check_value(arguments, CITY),
        ]
        assert [check.index == 0 for check in checks] == [fits] * 3
        assert [check.failure for check in checks] == [None] * 3
