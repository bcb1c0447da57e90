"""What a call in a tool host costs more than the same call in the worker: ``python -m benchmarks.hosted_calls``.

Both run in one process and in turns, so that whatever disturbs the machine disturbs both. Prints Markdown.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import JsonValue

from agentkit.interfaces import Tool
from agentkit.runtime.calls.tool_invocation import invoke_tool, tool_context
from agentkit.tools import tool
from agentkit.tools.host.host_limits import HostLimits
from agentkit.tools.host.host_pool import HostPool
from agentkit.tools.host.hosted_tool import HostedTool
from agentkit.tools.host.project_description import ProjectDescription, describe_project

__all__ = ["main"]

_WARM_UP = 50
_ROUNDS = 20
_CALLS = 100
"""Calls of each kind in a round."""
_TOOL_FILE = '''"""A tool to measure."""

from agentkit.tools import tool


@tool(effect="pure")
async def echo(text: str) -> str:
    """Return the text."""
    return text
'''
_ARGUMENTS: Mapping[str, JsonValue] = {"text": "x" * 400}
_CONTEXT = tool_context("task", "call", 1)


@tool(effect="pure")
async def echo(text: str) -> str:
    """Return the text."""
    return text


async def _milliseconds(called: Tool, calls: int) -> float:
    """Return the mean time of a call."""
    start = time.perf_counter()
    for _ in range(calls):
        await invoke_tool(called, _ARGUMENTS, _CONTEXT)
    return (time.perf_counter() - start) * 1000 / calls


def _write_project(directory: Path) -> ProjectDescription:
    """Write an app directory with one tool, and describe it."""
    tools = directory / "tools"
    tools.mkdir()
    (tools / "echo.py").write_text(_TOOL_FILE, encoding="utf-8")
    return describe_project(directory)


async def _measure() -> tuple[list[float], list[float]]:
    """Return the times of each round's calls, in milliseconds: in the worker, and in a host."""
    with TemporaryDirectory() as directory:
        description = await asyncio.to_thread(_write_project, Path(directory))
        (spec,) = (found.spec for file in description.files for found in file.tools)
        pool = HostPool(Path(directory), description, HostLimits(max_hosts=4))
        try:
            hosted = HostedTool(spec, pool)
            await _milliseconds(hosted, _WARM_UP)
            await _milliseconds(echo, _WARM_UP)
            rounds = [(await _milliseconds(echo, _CALLS), await _milliseconds(hosted, _CALLS)) for _ in range(_ROUNDS)]
        finally:
            await pool.close()
    return [inline for inline, _ in rounds], [hosted_ms for _, hosted_ms in rounds]


def main() -> None:
    """Measure, and print the medians over the rounds; ratio and difference are of the two times of one round."""
    inline, hosted = asyncio.run(_measure())
    more = statistics.median(after - before for before, after in zip(inline, hosted, strict=True))
    ratio = statistics.median(after / before for before, after in zip(inline, hosted, strict=True))
    sys.stdout.write(
        "| call of 400 bytes | p50, ms |\n|:--|--:|\n"
        f"| in the worker | {statistics.median(inline):.3f} |\n"
        f"| in a tool host | {statistics.median(hosted):.3f} |\n"
        f"| more (aim: at most 0.5) | {more:.3f} |\n"
        f"| ratio | {ratio:.0f} |\n"
    )


if __name__ == "__main__":
    main()
