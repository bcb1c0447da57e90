"""A worker whose model says the time, as a process of its own: each line on its stdin is answered with its CPU seconds.

Model ``demo:WORDSxRATE`` says so many words, so many a second. Each word is the moment, in nanoseconds of the machine's
monotonic clock, at which a provider's stream would have brought it. The worker ends when its stdin closes.
"""

from __future__ import annotations

import asyncio
import sys
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

from temporalio.client import Client

from activities.settings import Settings
from activities.streaming.relay_client import token_relay
from activities.temporal.client import data_converter
from agentkit.interfaces import Emit, ModelDelta, ModelRequest, ModelResponse
from agentkit.messages import Message, TextPart, Usage
from agentkit.tools import ToolRegistry
from worker import build_worker

__all__ = ["Clock", "main"]


class Clock:
    """The model."""

    async def respond(self, request: ModelRequest, emit: Emit | None = None) -> ModelResponse:
        """Say the time, again and again."""
        words, rate = map(float, request.model.partition(":")[2].split("x"))
        loop = asyncio.get_running_loop()
        began = loop.time()
        said: list[str] = []
        for count in range(int(words)):
            await asyncio.sleep(began + count / rate - loop.time())
            said.append(f"{time.monotonic_ns()} ")
            if emit is not None:
                emit(ModelDelta("text", said[-1]))
        message = Message(role="assistant", parts=(TextPart(text="".join(said)),), model=request.model)
        return ModelResponse(message=message, stop_reason="end", usage=Usage())

    async def aclose(self) -> None:
        """Do nothing: there is no connection."""


async def _serve(where: Namespace) -> None:
    settings = Settings.load(task_queue=where.task_queue, data_dir=where.data_dir, relay_port=where.relay_port)
    client = await Client.connect(where.temporal, data_converter=data_converter(settings))
    async with (
        token_relay(settings) as tokens,
        build_worker(client, settings, {"demo": Clock()}, ToolRegistry([]), tokens),
    ):
        while await asyncio.to_thread(sys.stdin.readline):
            sys.stdout.write(f"{time.process_time()}\n")
            sys.stdout.flush()


def main() -> None:
    """Work until stdin closes."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--task-queue", required=True)
    parser.add_argument("--temporal", required=True)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--relay-port", type=int, required=True)
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
