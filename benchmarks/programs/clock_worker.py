"""A worker process whose model streams timestamps. For each line on stdin it writes its CPU seconds so far.

Model ``demo:WORDSxRATE`` streams WORDS words, RATE of them each second. Each word is the time at which it was emitted,
in nanoseconds of the machine's monotonic clock. The worker ends when its stdin closes.
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
from activities.temporal.data_converter import data_converter
from agentkit.interfaces import Emit, ModelDelta, ModelRequest, ModelResponse
from agentkit.messages import Message, TextPart, Usage
from agentkit.schemas.output_check import InlineOutputChecker
from agentkit.tools import ToolRegistry
from worker import build_worker

__all__ = ["ClockModel", "main"]


class ClockModel:
    """A model that streams timestamps."""

    async def respond(self, request: ModelRequest, emit: Emit | None = None) -> ModelResponse:
        """Stream timestamps at the rate that the model's name gives."""
        words, rate = map(float, request.model.partition(":")[2].split("x"))
        loop = asyncio.get_running_loop()
        started_at = loop.time()
        timestamps: list[str] = []
        for count in range(int(words)):
            await asyncio.sleep(started_at + count / rate - loop.time())
            timestamps.append(f"{time.monotonic_ns()} ")
            if emit is not None:
                emit(ModelDelta("text", timestamps[-1]))
        message = Message(role="assistant", parts=(TextPart(text="".join(timestamps)),), model=request.model)
        return ModelResponse(message=message, stop_reason="end", usage=Usage())

    async def aclose(self) -> None:
        """Do nothing: there is no connection."""


async def _serve(options: Namespace) -> None:
    settings = Settings.load(task_queue=options.task_queue, data_dir=options.data_dir, relay_port=options.relay_port)
    client = await Client.connect(options.temporal, data_converter=data_converter(settings))
    async with (
        token_relay(settings) as tokens,
        build_worker(client, settings, {"demo": ClockModel()}, ToolRegistry([]), InlineOutputChecker(), tokens),
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
