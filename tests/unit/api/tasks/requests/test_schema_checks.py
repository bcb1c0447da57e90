from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agentkit.errors import ConfigurationInvalid
from agentkit.schemas.schema_rules import check_schema
from api.tasks.requests.schema_checks import SchemaChecks
from api.tasks.requests.task_requests import NewTask
from tests.cpu_time import relative_cpu_s


async def test_the_loop_goes_on_while_a_large_schema_is_checked_and_the_next_check_is_fast() -> None:
    schema: dict[str, Any] = {"properties": {f"p{n}": {"type": "string", "minLength": n} for n in range(2_500)}}
    new_task = NewTask.model_validate({"agent": "a", "input": "x", "output_schema": schema})
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count_turns())
    await SchemaChecks().check(new_task)
    counting.cancel()
    assert turns > 10
    assert relative_cpu_s(lambda: check_schema(schema)) < 1


async def test_what_is_wrong_with_a_schema_is_left_to_the_catalog() -> None:
    body = {"agent_spec": {"name": "a", "output_schema": {"type": "x"}}, "input": "x", "output_schema": {"$ref": "#"}}
    await SchemaChecks().check(NewTask.model_validate(body))
    with pytest.raises(ConfigurationInvalid):
        check_schema({"$ref": "#"})
