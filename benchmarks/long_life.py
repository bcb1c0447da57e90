"""A task of 10,000 steps, whose transcript is shortened again and again: ``python -m benchmarks.long_life``.

Each step calls a tool, beside a text of 400 characters; the model's context window is small, so that a summary is made
every hundred steps or so. Prints Markdown: the time of a step at the start and at the end, history a step, compactions,
runs, and the memory of the process that is worker and client.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from temporalio.client import Client

from activities.payload_types import TranscriptPage
from activities.settings import Settings
from activities.temporal.data_converter import data_converter
from agentkit.interfaces import Emit, ModelRequest, ModelResponse
from agentkit.messages import ContentPart, Message, TextPart, ToolCall, Usage, user_message
from agentkit.schemas.output_check import InlineOutputChecker
from agentkit.specs import AgentSpec, CompactionSettings, Limits
from agentkit.tools import ToolRegistry, tool
from benchmarks.lookup_task import INPUT
from benchmarks.processes import run_servers
from worker import build_worker
from workflows.agent_task import AgentTask
from workflows.task_types import TaskInput

__all__ = ["main"]

_TEXT = "so far so good. " * 25
_WINDOW = 30_000
"""Tokens of the model's context window."""
_PART = 500
"""Steps of which the median time is taken."""


@tool(name="read_line", effect="pure")
async def _read_line(number: int) -> str:
    return f"{number:08d}" * 50  # no two are the same


_AGENT = AgentSpec(
    name="benchmark",
    models=("openai:m",),
    planner="tools",
    tools=(_read_line.spec,),
    compaction=CompactionSettings(window=_WINDOW),
    limits=Limits(max_steps=10_000, max_repeats=0),
)


@dataclass
class _Model:
    """Calls the tool in each step; writes a short summary where it is given no tools."""

    steps: int
    step_times: list[float] = field(default_factory=list)
    """When the request of each step arrived, in seconds."""
    resident_mib: list[float] = field(default_factory=list)
    """Memory of this process then."""
    compactions: int = 0

    async def respond(self, request: ModelRequest, emit: Emit | None = None) -> ModelResponse:
        if not request.tools:
            self.compactions += 1
            return _response([TextPart(text="Lines were read. " * 20)], request)
        self.step_times.append(time.perf_counter())
        self.resident_mib.append(_resident_mib())
        number = len(self.step_times)
        if number == self.steps:
            return _response([TextPart(text="done")], request)
        call = ToolCall(id=f"c{number}", name="read_line", arguments={"number": number})
        return _response([TextPart(text=_TEXT), call], request)

    async def aclose(self) -> None:
        """Hold nothing."""


def _response(parts: Sequence[ContentPart], request: ModelRequest) -> ModelResponse:
    message = Message(role="assistant", parts=tuple(parts), model=request.model)
    tokens = sum(len(each.canonical_json()) for each in request.messages) // 4
    usage = Usage(input_tokens=tokens, output_tokens=150, cost_usd=0.0, model_calls=1)
    return ModelResponse(message=message, stop_reason="tool_calls" if message.tool_calls else "end", usage=usage)


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@dataclass(frozen=True, slots=True)
class _Result:
    model: _Model
    runs: int
    history_bytes: int
    versions: int

    def step_ms(self, start: int) -> float:
        """Return the median time of the steps from one on, in milliseconds."""
        times = self.model.step_times[start : start + _PART + 1]
        return median(later - earlier for earlier, later in pairwise(times)) * 1000

    def memory_mib(self, start: int) -> float:
        """Return the highest memory within the steps from one on."""
        return max(self.model.resident_mib[start : start + _PART])


async def _measure(steps: int) -> _Result:
    model = _Model(steps)
    with TemporaryDirectory() as name:
        async with run_servers(Path(name)) as servers:
            settings = Settings(data_dir=Path(name), task_queue="long-life")
            client = await Client.connect(servers.temporal, data_converter=data_converter(settings))
            async with build_worker(
                client, settings, {"openai": model}, ToolRegistry([_read_line]), InlineOutputChecker()
            ):
                task = TaskInput(agent=_AGENT, message=user_message(INPUT))
                await client.execute_workflow(AgentTask.run, task, id="long-life", task_queue="long-life")
                page = await client.get_workflow_handle("long-life").query("transcript", result_type=TranscriptPage)
            runs, history_bytes = await _histories(client)
    return _Result(model, runs, history_bytes, page.versions)


async def _histories(client: Client) -> tuple[int, int]:
    """Return how many runs the task had, and the bytes of their histories."""
    runs = size = 0
    run_id: str | None = None
    while run_id != "":
        handle = client.get_workflow_handle("long-life", run_id=run_id)
        described = await handle.describe()
        size += described.raw_description.workflow_execution_info.history_size_bytes
        first = await anext(aiter(handle.fetch_history_events(page_size=1)))
        run_id = first.workflow_execution_started_event_attributes.continued_execution_run_id
        runs += 1
    return runs, size


def main() -> None:
    """Measure, and print a table."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=10_000)
    steps: int = parser.parse_args().steps
    early, late = min(100, steps // 10), steps * 9 // 10
    result = asyncio.run(_measure(steps))
    first, last = result.step_ms(early), result.step_ms(late)
    sys.stdout.write(
        f"| steps | step at {early}, ms | at {late} | ratio | history a step, KiB | runs | compactions | versions "
        f"| worker at {early}, MiB | at {late} |\n|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
        f"| {steps} | {first:.1f} | {last:.1f} | {last / first:.2f} | {result.history_bytes / steps / 1024:.2f} "
        f"| {result.runs} | {result.model.compactions} | {result.versions} "
        f"| {result.memory_mib(early):.0f} | {result.memory_mib(late):.0f} |\n"
    )


if __name__ == "__main__":
    main()
