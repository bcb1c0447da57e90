"""A task whose transcript is several times larger than the worker's cache: ``python -m benchmarks.long_transcript``.

Each step calls a tool that returns 100 KiB, of which a model reads 32 KiB. Prints Markdown: the pace at the start and
at the end, what is on disk, and the memory of the process that is worker and client.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import time
import uuid
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from temporalio.client import Client

from activities.settings import Settings
from activities.temporal.data_converter import data_converter
from agentkit.interfaces import ModelRequest
from agentkit.messages import ToolCall, user_message
from agentkit.runtime.calls.tool_results import MAX_RESULT_CHARS
from agentkit.schemas.output_check import InlineOutputChecker
from agentkit.specs import AgentSpec, Limits
from agentkit.testing import ScriptedModel, ScriptedResponse
from agentkit.tools import ToolRegistry, tool
from benchmarks.lookup_task import INPUT
from benchmarks.processes import run_servers
from worker import build_worker
from workflows.agent_task import AgentTask
from workflows.task_types import TaskInput

__all__ = ["main"]

_RESULT_BYTES = 100 * 1024
_CACHE_BYTES = 16 * 1024 * 1024


@tool(name="read_page", effect="pure")
async def _read_page(number: int) -> str:
    return f"{number:08d}" * (_RESULT_BYTES // 8)  # no two are the same


_AGENT = AgentSpec(
    name="benchmark",
    models=("openai:m",),
    planner="tools",
    tools=(_read_page.spec,),
    limits=Limits(max_steps=10_000, max_repeats=10_000),
)


@dataclass(frozen=True, slots=True)
class _Result:
    step_times: Sequence[float]
    """When each model request arrived, in seconds."""
    disk_bytes: int
    database_bytes: int

    def pace_ms(self, start: int, end: int) -> float:
        """Return the mean time of the steps in a range, in milliseconds."""
        return (self.step_times[end] - self.step_times[start]) * 1000 / (end - start)


def _bytes_of(paths: Sequence[Path]) -> int:
    return sum(path.stat().st_size for path in paths if path.is_file())


async def _measure(steps: int) -> _Result:
    times: list[float] = []

    async def respond(request: ModelRequest) -> ScriptedResponse:
        times.append(time.perf_counter())
        if len(times) > steps:
            return "done"
        return ToolCall(id=f"c{len(times)}", name="read_page", arguments={"number": len(times)})

    with TemporaryDirectory() as name:
        directory = Path(name)
        async with run_servers(directory) as servers:
            settings = Settings(data_dir=directory, task_queue="long", transcript_cache_bytes=_CACHE_BYTES)
            client = await Client.connect(servers.temporal, data_converter=data_converter(settings))
            async with build_worker(
                client, settings, {"openai": ScriptedModel(respond)}, ToolRegistry([_read_page]), InlineOutputChecker()
            ):
                task = TaskInput(agent=_AGENT, message=user_message(INPUT))
                await client.execute_workflow(AgentTask.run, task, id=f"long-{uuid.uuid4().hex}", task_queue="long")
        database = await asyncio.to_thread(lambda: list(directory.glob("temporal.db*")))
        payloads = await asyncio.to_thread(lambda: list((directory / "payloads").rglob("*")))
        return _Result(times, _bytes_of(payloads), _bytes_of(database))


def main() -> None:
    """Measure, and print a table."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=3_000)
    steps: int = parser.parse_args().steps
    result = asyncio.run(_measure(steps))
    part = max(1, steps // 6)
    first, last = result.pace_ms(0, part), result.pace_ms(steps - part, steps)
    transcript = steps * MAX_RESULT_CHARS
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(
        "| steps | transcript, MiB | first sixth, ms a step | last sixth | ratio | payload files / transcript "
        "| Temporal's database / transcript | worker, MiB |\n|--:|--:|--:|--:|--:|--:|--:|--:|\n"
        f"| {steps} | {transcript / 2**20:.0f} | {first:.1f} | {last:.1f} | {last / first:.2f} "
        f"| {result.disk_bytes / transcript:.2f} | {result.database_bytes / transcript:.2f} | {memory_mb:.0f} |\n"
    )


if __name__ == "__main__":
    main()
