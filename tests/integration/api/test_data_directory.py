"""API and worker as processes that start in different directories: they share large payloads all the same."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from tests.integration.api.conftest import WITHIN, settings_for
from tests.integration.api.test_api_server import address_of

ROOT = Path(__file__).parents[3]
LARGE = 200_000
"""Characters that are stored in a file."""


@asynccontextmanager
async def started(
    command: list[str], cwd: Path, environment: dict[str, str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, env=environment, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        await process.communicate()


@pytest.mark.parametrize(
    ("file", "directory"), [("", ".opspawn"), ("data_dir = 'state'\n", "state")], ids=["default", "in opspawn.toml"]
)
async def test_api_and_worker_of_other_directories_use_the_apps_data_directory(
    tmp_path: Path, temporal_port: int, file: str, directory: str
) -> None:
    settings = settings_for(tmp_path, temporal_port)
    (settings.app_dir / "opspawn.toml").write_text(file)
    for name in ("api", "worker"):
        (tmp_path / name).mkdir()
    environment = {
        "PATH": os.defpath,
        "PYTHONPATH": str(ROOT),
        "TEMPORAL_ADDRESS": f"127.0.0.1:{temporal_port}",
        "OPSPAWN_TASK_QUEUE": settings.task_queue,
        "OPSPAWN_GRPC_PORT": "0",
        "OPSPAWN_RELAY_PORT": "0",
    }
    api = [sys.executable, "-m", "api", "--port", "0", "--app-dir", "../app"]
    worker = [str(Path(sys.executable).with_name("opspawn")), "worker", "--app-dir", str(settings.app_dir)]
    async with (
        started(worker, tmp_path / "worker", environment),
        started(api, tmp_path / "api", environment) as serving,
        httpx2.AsyncClient(base_url=await address_of(serving), timeout=2 * WITHIN, trust_env=False) as http,
    ):
        created = await http.post("/api/v1/tasks", json={"agent": "assistant", "input": "x" * LARGE})
        task = (await http.get(created.headers["location"], params={"wait": WITHIN})).json()
        transcript = (await http.get(f"{created.headers['location']}/transcript")).json()
    assert (task["status"], task["input"]) == ("completed", "x" * LARGE), task
    assert transcript["total"] == 2
    payloads = [path for path in (settings.app_dir / directory / "payloads").rglob("*") if path.is_file()]
    assert payloads
    assert not (tmp_path / "worker" / directory).exists()
