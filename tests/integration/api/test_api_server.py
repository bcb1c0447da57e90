"""The API as a process of its own, and over real sockets."""

from __future__ import annotations

import asyncio
import os
import re
import resource
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx2
import pytest
import uvicorn

from activities.settings import Settings
from activities.temporal.client import connect
from agentkit.catalog.catalog import load_catalog
from api.app import create_app
from tests.integration.api.conftest import WITHIN, ApiHarness, eventually, settings_for


@asynccontextmanager
async def process(
    settings: Settings, *options: str, environment: Mapping[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run ``python -m api``; end it by force if the test doesn't. ``environment`` has further variables."""
    environment = {
        **(environment or {}),
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
    """Return the URL that its log has."""
    assert started.stderr is not None
    async with asyncio.timeout(WITHIN):
        async for line in started.stderr:
            if found := re.search(rb"http://\S+", line):
                return found[0].decode()
    raise AssertionError("the process ended before it listened")


async def test_requests_of_other_sites_change_nothing(tmp_path: Path, temporal_port: int) -> None:
    settings = settings_for(tmp_path, temporal_port)
    body = {"agent": "assistant", "input": "Hi"}
    async with process(settings, "--port", "0") as started:
        url = await address_of(started)
        async with httpx2.AsyncClient(base_url=url, timeout=60, trust_env=False) as http:
            rebound = await http.post("/api/v1/tasks", json=body, headers={"Host": "evil.example"})
            assert (rebound.status_code, rebound.json()["type"]) == (421, "urn:opspawn:problem:host-not-allowed")
            created = await http.post("/api/v1/tasks", json=body)
            path = created.headers["location"]
            for action in ("cancel", "terminate"):
                text = await http.post(f"{path}/{action}", content="{}", headers={"Content-Type": "text/plain"})
                assert text.status_code == 415
                bare = await http.post(f"{path}/{action}", headers={"Origin": "http://evil.example"})
                assert bare.status_code == 403
            assert (await http.get(path)).json()["status"] == "queued"
            assert (await http.post(f"{path}/terminate")).status_code == 202


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux changes the limits of another process")
async def test_too_many_open_files_are_one_line_and_pass(tmp_path: Path, temporal_port: int) -> None:
    async with process(settings_for(tmp_path, temporal_port), "--port", "0", "--grpc-port", "0") as started:
        url = await address_of(started)
        async with httpx2.AsyncClient(base_url=url, timeout=60, trust_env=False) as http:
            assert (await http.get("/readyz")).status_code == 503  # now it is connected to Temporal
        before, hard = resource.prlimit(started.pid, resource.RLIMIT_NOFILE)
        open_files = len(os.listdir(f"/proc/{started.pid}/fd"))  # a Path blocks as long
        resource.prlimit(started.pid, resource.RLIMIT_NOFILE, (open_files, hard))
        host, port = url.removeprefix("http://").split(":")
        held = [await asyncio.open_connection(host, int(port)) for _ in range(50)]
        assert started.stderr is not None
        async with asyncio.timeout(WITHIN):
            await started.stderr.readuntil(b"Too many open files")
        resource.prlimit(started.pid, resource.RLIMIT_NOFILE, (before, hard))
        for _, writer in held:
            writer.close()
        async with httpx2.AsyncClient(base_url=url, timeout=60, trust_env=False) as http:
            assert (await http.get("/healthz")).status_code == 200
        started.send_signal(signal.SIGTERM)
        assert b"Traceback" not in await started.stderr.read()


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


async def test_a_signal_stops_it_at_once_with_0_while_a_request_waits(tmp_path: Path, temporal_port: int) -> None:
    settings = settings_for(tmp_path, temporal_port)
    async with process(settings, "--port", "0") as started:
        url = await address_of(started)
        async with httpx2.AsyncClient(base_url=url, timeout=60, trust_env=False) as http:
            created = await http.post("/api/v1/tasks", json={"agent": "assistant", "input": "Hi"})
            path = created.headers["location"]
            waiting = asyncio.create_task(http.get(path, params={"wait": 60}))
            await eventually(lambda: http.get("/metrics"), lambda response: "in_flight 2.0" in response.text)
            signalled = time.monotonic()
            started.send_signal(signal.SIGTERM)
            response = await asyncio.wait_for(waiting, WITHIN)
            assert await asyncio.wait_for(started.wait(), WITHIN) == 0
            assert time.monotonic() - signalled < 5
    assert response.json()["status"] == "queued"


async def test_a_port_in_use_is_named_with_its_option(tmp_path: Path, temporal_port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with process(settings_for(tmp_path, temporal_port), "--port", str(port)) as started:
            assert started.stderr is not None
            stderr = (await asyncio.wait_for(started.stderr.read(), WITHIN)).decode()
            assert await started.wait() == 2
    assert stderr.count("\n") == 1
    assert str(port) in stderr
    assert "--port" in stderr


async def test_a_wrong_setting_is_named(tmp_path: Path, temporal_port: int) -> None:
    settings = settings_for(tmp_path, temporal_port)
    (settings.app_dir / "opspawn.toml").write_text("taks_queue = 'x'\n")
    async with process(settings) as started:
        assert started.stderr is not None
        stderr = (await asyncio.wait_for(started.stderr.read(), WITHIN)).decode()
        assert await started.wait() == 2
    assert "taks_queue" in stderr


async def test_without_temporal_the_api_serves_and_names_what_is_missing(tmp_path: Path) -> None:
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
async def over_tcp(harness: ApiHarness) -> AsyncIterator[tuple[str, int]]:
    """Serve the same API on a socket."""
    app = create_app(harness.settings, load_catalog(harness.settings), client=await connect(harness.settings))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await eventually(partial(_started, server), bool)
        yield listener.getsockname()
        server.should_exit = True
        await asyncio.wait_for(serving, WITHIN)


async def _started(server: uvicorn.Server) -> bool:
    return server.started


async def test_a_client_that_disconnects_frees_its_wait(harness: ApiHarness) -> None:
    task_id = await harness.submit()

    async def tasks_here() -> int:
        return len(asyncio.all_tasks())

    async with over_tcp(harness) as (host, port):
        before = await tasks_here()
        _, writer = await asyncio.open_connection(host, port)
        writer.write(f"GET /api/v1/tasks/{task_id}?wait=60 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        await eventually(tasks_here, lambda count: count > before + 2)
        writer.close()
        await writer.wait_closed()
        await eventually(tasks_here, lambda count: count <= before)


async def test_a_body_that_is_too_large_gets_a_response_over_a_socket(harness: ApiHarness) -> None:
    body = b'{"agent": "assistant", "input": "' + b"x" * 5_000_000 + b'"}'

    async def in_chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    json = {"Content-Type": "application/json"}
    async with over_tcp(harness) as (host, port), httpx2.AsyncClient(trust_env=False) as http:
        url = f"http://{host}:{port}/api/v1/tasks"
        announced = await http.post(url, content=body, headers=json)
        streamed = await http.post(url, content=in_chunks(), headers=json)
    for response in (announced, streamed):
        assert response.status_code == 413
        assert response.headers["content-type"] == "application/problem+json"
        assert str(harness.settings.max_input_bytes) in response.json()["detail"]
