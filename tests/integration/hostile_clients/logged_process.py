"""An API process whose whole log is read while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from activities.settings import Settings
from tests.integration.api.test_api_server import address_of, process, unused_port

__all__ = ["LoggedProcess", "logged_process"]

_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class LoggedProcess:
    """The ports of a running API, and its log."""

    process: asyncio.subprocess.Process
    port: int
    grpc_port: int
    relay_port: int
    log_reader: asyncio.Task[bytes]

    async def stop(self) -> bytes:
        """End it, unless it has ended by itself, which is an error; return its log."""
        assert self.process.returncode is None, "it has crashed"
        self.process.terminate()
        return await asyncio.wait_for(self.log_reader, _TIMEOUT_S)


@asynccontextmanager
async def logged_process(settings: Settings) -> AsyncIterator[LoggedProcess]:
    """Run the API with all three of its servers."""
    grpc_port, relay_port = unused_port(), unused_port()
    options = ("--port", "0", "--grpc-port", str(grpc_port))
    async with process(settings, *options, environment={"OPSPAWN_RELAY_PORT": str(relay_port)}) as started:
        port = int((await address_of(started)).rpartition(":")[2])
        assert started.stderr is not None
        reader = asyncio.create_task(started.stderr.read())
        try:
            yield LoggedProcess(started, port, grpc_port, relay_port, reader)
        finally:
            reader.cancel()
            with suppress(asyncio.CancelledError):
                await reader
