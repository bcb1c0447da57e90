"""Check the schemas of requests outside the event loop: a large one takes a second."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from pydantic import JsonValue

from agentkit.errors import ConfigurationInvalid
from agentkit.schemas.schema_rules import check_schema
from api.tasks.requests.task_requests import NewTask

__all__ = ["SchemaChecks"]


class SchemaChecks:
    """Checks schemas in a thread of their own, one at a time; the result is cached where the catalog asks for it."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="schema-check")

    async def check(self, new_task: NewTask) -> None:
        """Check the schemas of a request, so that the next check of the same ones is fast. What is wrong is ignored."""
        schemas = [new_task.output_schema, new_task.agent_spec.output_schema if new_task.agent_spec else None]
        for schema in schemas:
            if schema is not None:
                await asyncio.get_running_loop().run_in_executor(self._thread, _check, schema)


def _check(schema: Mapping[str, JsonValue]) -> None:
    try:
        check_schema(schema)
    except ConfigurationInvalid:
        return  # the catalog reports it, with the name of the field
