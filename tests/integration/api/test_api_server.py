"""The front end as a process of its own, and over real sockets."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx2
import uvicorn

from activities.settings import Settings
from activities.temporal.client import connect
from agentkit.catalog.catalog import load_catalog
from api.app import create_app
from tests.integration.api.conftest import WITHIN, Front, eventually, settings_for


@asynccontextmanager
async def process(settings: Settings, *options: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run ``python -m api``; end it by force if the test doesn't."""
    environment = {
        "PATH": os.defpath,
        "TEMPORAL_ADDRESS": f"127.0.0.1:{settings.temporal_port}",
        "OPSPAWN_TASK_QUEUE": settings.task_queue,
        "OPSPAWN_DATA_DIR": str(settings.data_dir),
    }
    command = [sys.executable, "-m", "api", "--app-dir", str(settings.app_dir), *options]
    started = await asyncio.create_subprocess_exec(
        *command, env=environment, stderr=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[3]
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


async def address_of(started: asyncio.subprocess.Process) -> str:
    """Read where it listens from its log."""
    assert started.stderr is not None
    async with asyncio.timeout(WITHIN):
        async for line in started.stderr:
            if found := re.search(rb"http://\S+", line):
                return found[0].decode()
    raise AssertionError("it ended without saying where it listens")


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


async def test_it_stops_at_once_with_0_though_somebody_waits(tmp_path: Path, temporal_port: int) -> None:
    settings = settings_for(tmp_path, temporal_port)
    async with process(settings, "--port", "0") as started:
        url = await address_of(started)
        async with httpx2.AsyncClient(base_url=url, timeout=60, trust_env=False) as http:
            created = await http.post("/api/v1/tasks", json={"agent": "assistant", "input": "Hi"})
            path = created.headers["location"]
            waiting = asyncio.create_task(http.get(path, params={"wait": 60}))
            await eventually(lambda: http.get("/metrics"), lambda answer: "in_flight 2.0" in answer.text)
            begun = time.monotonic()
            started.send_signal(signal.SIGTERM)
            answer = await asyncio.wait_for(waiting, WITHIN)
            assert await asyncio.wait_for(started.wait(), WITHIN) == 0
            assert time.monotonic() - begun < 5
    assert answer.json()["status"] == "queued"


async def test_a_port_in_use_is_named_with_its_option(tmp_path: Path, temporal_port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with process(settings_for(tmp_path, temporal_port), "--port", str(port)) as started:
            assert started.stderr is not None
            said = (await asyncio.wait_for(started.stderr.read(), WITHIN)).decode()
            assert await started.wait() == 2
    assert said.count("\n") == 1
    assert str(port) in said
    assert "--port" in said


async def test_a_wrong_setting_is_named(tmp_path: Path, temporal_port: int) -> None:
    settings = settings_for(tmp_path, temporal_port)
    (settings.app_dir / "opspawn.toml").write_text("taks_queue = 'x'\n")
    async with process(settings) as started:
        assert started.stderr is not None
        said = (await asyncio.wait_for(started.stderr.read(), WITHIN)).decode()
        assert await started.wait() == 2
    assert "taks_queue" in said


async def test_without_temporal_the_api_is_up_and_says_what_is_missing(tmp_path: Path) -> None:
    port = unused_port()
    async with process(settings_for(tmp_path, port), "--port", "0") as started:
        async with httpx2.AsyncClient(base_url=await address_of(started), timeout=60, trust_env=False) as http:
            assert (await http.get("/healthz")).status_code == 200
            assert (await http.get("/api/v1/agents")).status_code == 200
            for response in (
                await http.post("/api/v1/tasks", json={"agent": "assistant", "input": "Hi"}),
                await http.get("/api/v1/tasks"),
                await http.get("/api/v1/tasks/x"),
                await http.get("/readyz"),
            ):
                assert response.status_code == 503
                assert f"127.0.0.1:{port}" in response.json()["detail"]
        started.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(started.wait(), WITHIN) == 0


@asynccontextmanager
async def over_tcp(front: Front) -> AsyncIterator[tuple[str, int]]:
    """Serve the same front end on a socket."""
    app = create_app(front.settings, load_catalog(front.settings), client=await connect(front.settings))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await eventually(partial(_started, server), bool)
        yield listener.getsockname()
        server.should_exit = True
        await asyncio.wait_for(serving, WITHIN)


async def _started(server: uvicorn.Server) -> bool:
    return server.started


async def test_a_client_that_goes_away_frees_its_wait(front: Front) -> None:
    task_id = await front.submit()

    async def tasks_here() -> int:
        return len(asyncio.all_tasks())

    async with over_tcp(front) as (host, port):
        before = await tasks_here()
        _, writer = await asyncio.open_connection(host, port)
        writer.write(f"GET /api/v1/tasks/{task_id}?wait=60 HTTP/1.1\r\nHost: opspawn\r\n\r\n".encode())
        await eventually(tasks_here, lambda count: count > before + 2)
        writer.close()
        await writer.wait_closed()
        await eventually(tasks_here, lambda count: count <= before)


async def test_a_body_that_is_too_large_gets_its_answer_over_a_socket(front: Front) -> None:
    body = b'{"agent": "assistant", "input": "' + b"x" * 5_000_000 + b'"}'

    async def in_pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    json = {"Content-Type": "application/json"}
    async with over_tcp(front) as (host, port), httpx2.AsyncClient(trust_env=False) as http:
        url = f"http://{host}:{port}/api/v1/tasks"
        announced = await http.post(url, content=body, headers=json)
        streamed = await http.post(url, content=in_pieces(), headers=json)
    for response in (announced, streamed):
        assert response.status_code == 413
        assert response.headers["content-type"] == "application/problem+json"
        assert str(front.settings.max_input_bytes) in response.json()["detail"]
