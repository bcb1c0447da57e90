"""The scripted model, as a process of its own: model ``steps-N`` calls the tool that it is offered N times, then ends.

It prints its base URL, and ends when its stdin closes.
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


def _answer(request: ReceivedRequest) -> ServerScriptEntry:
    return _script(request.body["model"], request.body["tools"][0]["function"]["name"])(request)


async def _serve() -> None:
    async with ScriptedOpenAIServer(_answer, keep_requests=False) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


def main() -> None:
    """Serve until stdin closes."""
    asyncio.run(_serve())


if __name__ == "__main__":
    main()
