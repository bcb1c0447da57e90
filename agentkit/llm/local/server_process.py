"""Start, watch and stop the process that serves a local model."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
from asyncio.subprocess import PIPE, Process
from dataclasses import dataclass, field
from pathlib import Path

from agentkit.errors import ModelUnavailable

__all__ = ["LocalServer", "Serving", "start_server"]

_PROGRAM = Path(__file__).with_name("local_server.py")
_STOPPING = 5.0
"""Seconds that the process gets to end by itself."""


@dataclass(frozen=True, slots=True)
class Serving:
    """What is to be served."""

    path: Path
    """The model, as a GGUF file."""
    context: int
    """Tokens of the context window."""
    max_output: int
    """Tokens of an answer, where a request sets no limit."""
    program: Path = _PROGRAM


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A server that answers."""

    address: str
    key: str = field(repr=False)
    """Whoever knows it may ask; other users of the machine, and web pages, don't."""
    process: Process

    @property
    def alive(self) -> bool:
        """Whether its process still is."""
        return self.process.returncode is None

    async def stop(self, within: float = _STOPPING) -> None:
        """Have the process end, and wait for its end; after so many seconds it is killed."""
        await _stop(self.process, within)


async def start_server(serving: Serving, within: float) -> LocalServer:
    """Start a server, and wait until it answers: seconds, as a rule.

    Raises:
        ModelUnavailable: it did not start ``within`` so many seconds, or at all; the message says why.
    """
    key = secrets.token_urlsafe(24)
    wanted = {
        "path": str(serving.path),
        "key": key,
        "context": serving.context,
        "max_output": serving.max_output,
        "threads": _threads(),
    }
    # -P: the modules beside the program, such as openai.py, must not hide the packages of those names.
    process = await asyncio.create_subprocess_exec(sys.executable, "-P", str(serving.program), stdin=PIPE, stdout=PIPE)
    try:
        async with asyncio.timeout(within):
            address = await _address(process, json.dumps(wanted))
    except TimeoutError:
        await _stop(process)
        raise ModelUnavailable(f"The server of the local model did not start within {within:g} s") from None
    except BaseException:  # cancelled, too: no process may stay behind
        await _stop(process)
        raise
    return LocalServer(address, key, process)


async def _address(process: Process, wanted: str) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(f"{wanted}\n".encode())
        await process.stdin.drain()
        line = await process.stdout.readline()
    except ConnectionError:
        line = b""
    if not line:
        code = await process.wait()
        raise ModelUnavailable(f"The server of the local model ended as it started, with {code}: see the worker's log")
    said = json.loads(line)
    if "error" in said:
        raise ModelUnavailable(f"The server of the local model could not start: {said['error']}")
    return str(said["address"])


async def _stop(process: Process, within: float = _STOPPING) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(within):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _threads() -> int:
    """Return how many threads compute: half the processors, as the worker needs some, and four are enough."""
    return max(1, min(4, (os.cpu_count() or 1) // 2))
