"""Start and stop the process that serves a local model."""

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
from agentkit.process_start import plain_environment, start_process

__all__ = ["LocalServer", "ServerOptions", "start_server"]

_VARIABLES = (
    "CUDA_",
    "GGML_",
    "GOMP_",
    "HIP_",
    "HSA_",
    "KMP_",
    "LLAMA_",
    "MKL_",
    "NVIDIA_",
    "OMP_",
    "ONEAPI_",
    "OPENBLAS_",
    "ROCM_",
    "ROCR_",
    "SYCL_",
    "VK_",
    "ZE_",
)
"""What the names of variables begin with that set up processors and threads. Names that look like secrets are left
out."""
_PROGRAM = Path(__file__).with_name("llama_server.py")
_STOP_TIMEOUT_S = 5.0
"""How long the process may take to end by itself; then it is killed."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What a server is started with."""

    path: Path
    """The model, as a GGUF file."""
    context: int
    """Tokens of the context window."""
    max_output: int
    """Tokens of a response, if the request sets no limit."""
    program: Path = _PROGRAM


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A server that is ready for requests."""

    address: str
    key: str = field(repr=False)
    """Required in every request, so that other users of the machine and web pages have no access."""
    process: Process

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self.process.returncode is None

    async def stop(self, timeout_s: float = _STOP_TIMEOUT_S) -> None:
        """End the process and wait for its end; after ``timeout_s`` it is killed."""
        await _stop(self.process, timeout_s)


async def start_server(options: ServerOptions, timeout_s: float) -> LocalServer:
    """Start a server, and wait until it is ready, which usually takes seconds.

    Raises:
        ModelUnavailable: the server did not start, or not within ``timeout_s``; the message has the reason.
    """
    key = secrets.token_urlsafe(24)
    arguments = {
        "path": str(options.path),
        "key": key,
        "context": options.context,
        "max_output": options.max_output,
        "threads": _thread_count(),
    }
    # -P keeps the program's directory off the path: its modules must not hide packages of the same name.
    command = (sys.executable, "-P", str(options.program))
    process = await start_process(*command, env=plain_environment(*_VARIABLES), stdin=PIPE, stdout=PIPE)
    try:
        async with asyncio.timeout(timeout_s):
            address = await _wait_for_address(process, json.dumps(arguments))
    except TimeoutError:
        await _stop(process)
        raise ModelUnavailable(f"The server of the local model did not start within {timeout_s:g} s") from None
    except BaseException:  # cancellation, too, must leave no process behind
        await _stop(process)
        raise
    return LocalServer(address, key, process)


async def _wait_for_address(process: Process, arguments: str) -> str:
    """Send the arguments, and return the address that the process replies with."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(f"{arguments}\n".encode())
        await process.stdin.drain()
        line = await process.stdout.readline()
    except ConnectionError:
        line = b""
    if not line:
        code = await process.wait()
        raise ModelUnavailable(f"The server of the local model ended as it started, with {code}: see the worker's log")
    result = json.loads(line)
    if "error" in result:
        raise ModelUnavailable(f"The server of the local model could not start: {result['error']}")
    return str(result["address"])


async def _stop(process: Process, timeout_s: float = _STOP_TIMEOUT_S) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(timeout_s):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _thread_count() -> int:
    """Return half the number of processors, as the worker needs some, and at most 4, as more are hardly faster."""
    return max(1, min(4, (os.cpu_count() or 1) // 2))
