"""A worker process of Opspawn or of the baseline. For each line on stdin it writes its CPU seconds so far.

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
from activities.temporal.data_converter import data_converter
from agentkit.llm.openai.model import OpenAIModel
from agentkit.schemas.output_check import InlineOutputChecker
from benchmarks.lookup_task import RESULT, chat_tool, toolset
from benchmarks.programs.bare_loop import BareActivities, BareLoop
from worker import build_worker
from workflows.workflow_sandbox import sandboxed_runner

__all__ = ["main"]


async def _opspawn(options: Namespace, stack: AsyncExitStack) -> Worker:
    settings = Settings.load(task_queue=options.task_queue, data_dir=options.data_dir)
    client = await Client.connect(options.temporal, data_converter=data_converter(settings))
    model = OpenAIModel(base_url=options.openai)
    stack.push_async_callback(model.aclose)
    return build_worker(client, settings, {"openai": model}, toolset, InlineOutputChecker())


async def _bare(options: Namespace, stack: AsyncExitStack) -> Worker:
    client = await Client.connect(options.temporal, data_converter=pydantic_data_converter)
    openai = AsyncOpenAI(api_key="unused", base_url=options.openai, max_retries=0)
    stack.push_async_callback(openai.close)
    activities = BareActivities(openai, [chat_tool()], RESULT, lean=options.candidate == "bare-lean")
    return Worker(
        client,
        task_queue=options.task_queue,
        workflows=[BareLoop],
        activities=[activities.request_model, activities.call_tool],
        workflow_runner=sandboxed_runner(),
    )


async def _serve(options: Namespace) -> None:
    async with AsyncExitStack() as stack:
        build = _opspawn if options.candidate == "opspawn" else _bare
        await stack.enter_async_context(await build(options, stack))
        while await asyncio.to_thread(sys.stdin.readline):
            sys.stdout.write(f"{time.process_time()}\n")
            sys.stdout.flush()


def main() -> None:
    """Work until stdin closes."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("candidate", choices=["opspawn", "bare", "bare-lean"])
    for option in ("--task-queue", "--temporal", "--openai", "--data-dir"):
        parser.add_argument(option, required=True)
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
