"""Checks in processes: whatever a schema or a text does, the worker goes on."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Mapping

import pytest
from pydantic import JsonValue

from agentkit.schemas.output_checker import OutputCheckProcesses
from tests.process_states import children_of

ENDLESS: dict[str, JsonValue] = {"pattern": r"^(?=x)(x+x+)+y$"}
"""A lookahead needs Python's engine, which takes exponential time."""


@pytest.fixture
async def checker() -> AsyncIterator[OutputCheckProcesses]:
    async with OutputCheckProcesses(timeout_s=1, max_processes=1) as checker:
        yield checker
    assert check_processes() == []


def check_processes() -> list[int]:
    return [pid for pid, command in children_of(os.getpid()).items() if "check_process" in command]


async def test_checks_share_a_process(checker: OutputCheckProcesses) -> None:
    schema: dict[str, JsonValue] = {"type": "integer"}
    checks = await asyncio.gather(*(checker.check(text, schema) for text in ("1", '"a"', "It is 2.", "no [3]")))
    assert [check.index for check in checks] == [0, None, None, None]
    assert "is not of type 'integer'" in (checks[1].mismatch or "")
    assert len(check_processes()) == 1


async def test_a_check_that_takes_too_long_is_ended_and_the_next_one_is_made(checker: OutputCheckProcesses) -> None:
    check = await checker.check(json.dumps("x" * 40), ENDLESS)
    assert (check.failure or "").startswith("the check took more than 1 s. Simplify the schema")
    assert (await checker.check("1", {})).index == 0
    assert len(check_processes()) == 1


async def test_checks_that_take_long_do_not_hold_up_others() -> None:
    async with OutputCheckProcesses(timeout_s=90, quick_timeout_s=0.2, max_processes=1) as checker:
        async with asyncio.timeout(60):
            endless = [asyncio.create_task(checker.check(json.dumps("x" * 40), ENDLESS)) for _ in range(5)]
            await asyncio.sleep(0)
            assert (await checker.check("1", {})).index == 0
        assert not any(check.done() for check in endless)
        for check in endless:
            check.cancel()
        await asyncio.gather(*endless, return_exceptions=True)
    assert check_processes() == []


async def test_a_process_that_was_killed_is_replaced(checker: OutputCheckProcesses) -> None:
    assert (await checker.check("1", {})).index == 0
    (pid,) = check_processes()
    os.kill(pid, signal.SIGKILL)
    first, second = await checker.check("1", {}), await checker.check("1", {})
    assert first.index == 0 or "ended" in (first.failure or "")
    assert second.index == 0


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        pytest.param({"$ref": "#"}, "1", id="without an end"),
        pytest.param({"type": 5}, "1", id="no schema"),
        pytest.param({"$ref": "#/nowhere"}, "1", id="unresolvable"),
    ],
)
async def test_a_schema_that_can_not_be_evaluated_is_a_failure(
    checker: OutputCheckProcesses, schema: Mapping[str, JsonValue], text: str
) -> None:
    assert (await checker.check(text, schema)).failure
    assert (await checker.check("1", {})).index == 0


async def test_recursive_schemas_reach_the_limit_of_depth(checker: OutputCheckProcesses) -> None:
    schema: dict[str, JsonValue] = {"type": "array", "items": {"$ref": "#"}}
    assert (await checker.check("[" * 100 + "]" * 100, schema)).index == 0
    assert "nested too deeply" in ((await checker.check("[" * 300 + "]" * 300, schema)).mismatch or "")


async def test_a_cancelled_check_ends_its_process(checker: OutputCheckProcesses) -> None:
    assert (await checker.check("1", {})).index == 0
    running = asyncio.create_task(checker.check(json.dumps("x" * 40), ENDLESS))
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert check_processes() == []


async def test_arguments_are_checked_in_the_same_processes_and_within_the_same_time(
    checker: OutputCheckProcesses,
) -> None:
    schema: dict[str, JsonValue] = {"properties": {"to": {"type": "string"}}, "required": ["to"]}
    fits = await checker.check_arguments({"to": "ada"}, schema)
    wrong = await checker.check_arguments({"to": 1}, schema)
    endless = await checker.check_arguments({"to": "x" * 60}, {"properties": {"to": ENDLESS}})
    assert (fits.index, fits.mismatch) == (0, None)
    assert wrong.mismatch == "- to: 1 is not of type 'string'"
    assert "took more than 1 s" in (endless.failure or "")


async def test_values_are_checked_within_the_same_time_and_a_schema_of_none_is_a_failure(
    checker: OutputCheckProcesses,
) -> None:
    assert "took more than 1 s" in ((await checker.check_value("x" * 40, ENDLESS)).failure or "")
    assert (await checker.check_value(1, {"$ref": "#"})).failure
    assert (await checker.check_value(1, {"type": "integer"})).index == 0
