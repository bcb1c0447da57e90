"""A worker to be measured, as a process of its own: each line on its stdin is answered with its CPU seconds so far.

It ends when its stdin closes, so it can't outlive the benchmark.
"""

from __future__ import annotations

import asyncio
import sys
import time
from argparse import ArgumentParser, Namespace
from contextlib import AsyncExitStack

from openai import AsyncOpenAI
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

from activities.settings import Settings
from activities.temporal.client import data_converter
from agentkit.llm import OpenAIModel
from benchmarks.bare import BareActivities, BareLoop
from benchmarks.task import RESULT, toolset, wire_tool
from worker import build_worker
from workflows.workflow_sandbox import sandboxed

__all__ = ["main"]


async def _opspawn(where: Namespace, stack: AsyncExitStack) -> Worker:
    settings = Settings.load(task_queue=where.task_queue, data_dir=where.data_dir)
    client = await Client.connect(where.temporal, data_converter=data_converter(settings))
    model = OpenAIModel(base_url=where.openai)
    stack.push_async_callback(model.aclose)
    return build_worker(client, settings, {"openai": model}, toolset)


async def _bare(where: Namespace, stack: AsyncExitStack) -> Worker:
    client = await Client.connect(where.temporal, data_converter=pydantic_data_converter)
    openai = AsyncOpenAI(api_key="unused", base_url=where.openai, max_retries=0)
    stack.push_async_callback(openai.close)
    activities = BareActivities(openai, [wire_tool()], RESULT, lean=where.subject == "bare-lean")
    return Worker(
        client,
        task_queue=where.task_queue,
        workflows=[BareLoop],
        activities=[activities.ask, activities.call_tool],
        workflow_runner=sandboxed(),
    )


async def _serve(where: Namespace) -> None:
    async with AsyncExitStack() as stack:
        build = _opspawn if where.subject == "opspawn" else _bare
        await stack.enter_async_context(await build(where, stack))
        while await asyncio.to_thread(sys.stdin.readline):
            sys.stdout.write(f"{time.process_time()}\n")
            sys.stdout.flush()


def main() -> None:
    """Work until stdin closes."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("subject", choices=["opspawn", "bare", "bare-lean"])
    for option in ("--task-queue", "--temporal", "--openai", "--data-dir"):
        parser.add_argument(option, required=True)
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
