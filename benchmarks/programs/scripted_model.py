"""A server process with a scripted model: model ``steps-N`` calls the first tool of the request N times, then ends.

It writes its base URL to stdout, and ends when its stdin closes.
"""

from __future__ import annotations

import asyncio
import functools
import sys

from agentkit.testing import BenchmarkTask, ReceivedRequest, ScriptedOpenAIServer, ServerScript, ServerScriptEntry

__all__ = ["main", "model_name"]


def model_name(steps: int) -> str:
    """Return the name of the model that calls ``steps`` tools."""
    return f"steps-{steps}"


@functools.cache
def _script(model: str, tool: str) -> ServerScript:
    return BenchmarkTask(steps=int(model.removeprefix("steps-")), tool=tool, arguments={"topic": "durability"}).script()


def _entry(request: ReceivedRequest) -> ServerScriptEntry:
    return _script(request.body["model"], request.body["tools"][0]["function"]["name"])(request)


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
