"""The least that a Temporal worker in Python is: ``python -m benchmarks.programs.bare_worker ADDRESS TASK_QUEUE``."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel

__all__ = ["BareInput", "BareWorkflow", "main"]


class BareInput(BaseModel):
    """The input of the workflow and of its activity."""

    text: str


@activity.defn
async def _return_text(given: BareInput) -> str:
    return given.text


@workflow.defn
class BareWorkflow:
    """One activity."""

    @workflow.run
    async def run(self, given: BareInput) -> str:
        """Return the result of the activity."""
        return await workflow.execute_activity(_return_text, given, start_to_close_timeout=timedelta(seconds=10))


async def _serve(address: str, task_queue: str) -> None:
    client = await Client.connect(address, data_converter=pydantic_data_converter)
    async with Worker(client, task_queue=task_queue, workflows=[BareWorkflow], activities=[_return_text]):
        await asyncio.get_running_loop().create_future()


def main() -> None:
    """Poll until the process is ended."""
    asyncio.run(_serve(*sys.argv[1:3]))


if __name__ == "__main__":
    main()
