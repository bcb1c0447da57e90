from __future__ import annotations

from collections.abc import Mapping

import pytest
from pydantic import JsonValue
from temporalio.testing import ActivityEnvironment

from activities.input_checks import InputCheckActivity
from activities.payload_types import InputCheck
from agentkit.interfaces import OutputCheck
from agentkit.schemas.output_check import InlineOutputChecker

SIZE: dict[str, JsonValue] = {"type": "object", "properties": {"size": {"enum": ["S", "M"]}}, "required": ["size"]}


class SlowChecker(InlineOutputChecker):
    """Has no result for any value."""

    async def check_value(self, value: JsonValue, schema: Mapping[str, JsonValue]) -> OutputCheck:
        return OutputCheck(failure="the check took more than 5 s")


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"size": "M"}, None),
        ({"size": "XL"}, "size: 'XL' is not one of ['S', 'M']"),
        ("M", "'M' is not of type 'object'"),
    ],
    ids=["fits", "another size", "text"],
)
async def test_the_result_is_what_does_not_fit(value: JsonValue, problem: str | None) -> None:
    activities = InputCheckActivity(InlineOutputChecker())
    check = InputCheck(value=value, schema=SIZE)
    assert await ActivityEnvironment().run(activities.check_input, check) == problem


async def test_what_can_not_be_checked_does_not_fit() -> None:
    result = await ActivityEnvironment().run(
        InputCheckActivity(SlowChecker()).check_input, InputCheck(value=1, schema=SIZE)
    )
    assert result == "it can't be checked: the check took more than 5 s"


def test_the_schema_has_its_own_name_in_history() -> None:
    check = InputCheck(value=1, schema=SIZE)
    assert check.canonical_json().startswith(b'{"value":1,"schema":{"type":"object"')
    assert InputCheck.model_validate_json(check.canonical_json()) == check
