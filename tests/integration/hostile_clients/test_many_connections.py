"""A thousand clients that do nothing: others are served, and what they hold is given back."""

from __future__ import annotations

import asyncio
import os
import resource
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from tests.integration.api.conftest import settings_for
from tests.integration.api.test_api_server import address_of, process
from tests.polling import eventually

_CONNECTIONS = 1_000
_MAX_BYTES_EACH = 64 * 1024
"""Of memory for a connection; buffers in the kernel are not in it."""
_ROUNDS = 3
_TIMEOUT_S = 60.0


def _resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


def _open_files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))  # a Path blocks as long


@asynccontextmanager
async def _held(port: int, sent: bytes) -> AsyncIterator[None]:
    """Hold connections that have sent a part of a request, or nothing."""
    writers = [(await asyncio.open_connection("127.0.0.1", port))[1] for _ in range(_CONNECTIONS)]
    try:
        for writer in writers:
            writer.write(sent)
        yield
    finally:
        for writer in writers:
            writer.close()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_a_thousand_idle_connections_hold_up_nobody_and_their_memory_is_used_again(
    tmp_path: Path, temporal_port: int
) -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < _CONNECTIONS + 500:
        pytest.skip("this process may not open as many files")
    environment = {"OPSPAWN_HEADER_TIMEOUT": "300", "OPSPAWN_RELAY_PORT": "0"}
    settings = settings_for(tmp_path, temporal_port)
    async with process(settings, "--port", "0", "--grpc-port", "0", environment=environment) as api:
        url = await address_of(api)
        port = int(url.rpartition(":")[2])
        async with httpx2.AsyncClient(base_url=url, timeout=_TIMEOUT_S, trust_env=False) as http:
            assert (await http.get("/api/v1/tasks")).status_code == 200
            before, files = _resident_bytes(api.pid), _open_files(api.pid)
            memory = list[int]()
            for sent in (b"", b"GET / HTTP/1.1\r\nX: " + b"x" * 4_000, b"")[:_ROUNDS]:
                async with _held(port, sent):
                    await eventually(lambda: _open_files(api.pid) >= files + _CONNECTIONS)
                    assert (await http.get("/api/v1/tasks")).status_code == 200
                    memory.append(_resident_bytes(api.pid))
                await eventually(lambda: _open_files(api.pid) < files + 100)
        assert memory[0] - before < _CONNECTIONS * _MAX_BYTES_EACH
        assert memory[-1] - memory[0] < _CONNECTIONS * _MAX_BYTES_EACH / 4, memory
