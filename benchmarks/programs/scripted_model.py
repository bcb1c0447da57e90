"""A server process with a scripted model: ``steps-N`` calls the first tool of the request N times, then ends.

``steps-N-TOOL`` calls this tool. The server writes its base URL to stdout, and ends when its stdin closes.
"""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Mapping

from pydantic import JsonValue

from agentkit.testing import BenchmarkTask, ReceivedRequest, ScriptedOpenAIServer, ServerScript, ServerScriptEntry

__all__ = ["main", "model_name"]

_ARGUMENTS: Mapping[str, Mapping[str, JsonValue]] = {
    "calculator": {"expression": "10**399"},
    "python": {"code": "print('x' * 399)"},
    "recall": {"query": "What does the user drink?"},
    "remember": {"text": "The user drinks green tea."},
}
"""The arguments of built-in tools; the others look a topic up."""


def model_name(steps: int, tool: str | None = None) -> str:
    """Return the name of the model that calls ``steps`` tools: this one, or the first."""
    return f"steps-{steps}" if tool is None else f"steps-{steps}-{tool}"


@functools.cache
def _script(steps: int, tool: str) -> ServerScript:
    arguments = _ARGUMENTS.get(tool, {"topic": "durability"})
    return BenchmarkTask(steps=steps, tool=tool, arguments=dict(arguments)).script()


def _entry(request: ReceivedRequest) -> ServerScriptEntry:
    steps, _, tool = request.body["model"].removeprefix("steps-").partition("-")
    return _script(int(steps), tool or request.body["tools"][0]["function"]["name"])(request)


async def _serve() -> None:
    async with ScriptedOpenAIServer(_entry, keep_requests=False) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


def main() -> None:
    """Serve until stdin closes."""
    asyncio.run(_serve())


if __name__ == "__main__":
    main()
