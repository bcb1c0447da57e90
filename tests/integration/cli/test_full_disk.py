"""A disk that fills up while tasks run: it is reported, nothing that was accepted is lost, and space heals it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest

from tests.integration.cli.dev_process import DevProcess

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]

WITHIN_S = 60.0


@pytest.fixture
def small_disk(dev: DevProcess) -> Iterator[Path]:
    """Mount 100 MiB of memory as the data directory."""
    data_dir = dev.directory / "data"
    data_dir.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", data_dir], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"this root may not mount: {mounted.stderr}")
    yield data_dir
    dev.close()
    subprocess.run(["umount", "--lazy", data_dir], check=True)


def fill(directory: Path) -> None:
    """Leave no space for files in the directory."""
    with (directory / "filler").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


def wait_for(http: httpx2.Client, path: str, accepted: Callable[[httpx2.Response], bool]) -> httpx2.Response:
    deadline = time.monotonic() + WITHIN_S
    while not accepted(response := http.get(path)):
        assert time.monotonic() < deadline, response.text
    return response


def test_a_full_disk_is_reported_and_no_accepted_task_is_lost(dev: DevProcess, small_disk: Path) -> None:
    dev.start()
    with httpx2.Client(base_url=dev.url, timeout=30, trust_env=False) as http:
        started = [
            http.post("/api/v1/tasks", json={"agent": "assistant", "input": text}).json()["id"]
            for text in ("say before", "think 3000\nsay during")
        ]

        fill(small_disk)

        refusal = wait_for(http, "/readyz", lambda response: response.status_code == 503)
        assert f"The disk of {small_disk} is full" in refusal.json()["detail"]
        for number in range(10):
            response = http.post("/api/v1/tasks", json={"agent": "assistant", "input": f"say {number}"})
            assert response.status_code in (201, 500, 503, 504), response.text
            if response.status_code == 201:
                started.append(response.json()["id"])

        subprocess.run(["mount", "-o", "remount,size=300m", small_disk], check=True)

        wait_for(http, "/readyz", lambda response: response.status_code == 200)
        for task_id in started:
            wait_for(http, f"/api/v1/tasks/{task_id}?wait=5", lambda response: response.json()["status"] == "completed")
        new = http.post("/api/v1/tasks", json={"agent": "assistant", "input": "say after"}).json()["id"]
        wait_for(http, f"/api/v1/tasks/{new}?wait=5", lambda response: response.json().get("output") == "after")
