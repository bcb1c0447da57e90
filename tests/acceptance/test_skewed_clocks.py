"""A worker and an API whose clocks are an hour wrong, in different directions, work as with right ones."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Stack

HOUR_S = 3600
TOLERANCE = timedelta(minutes=2)

LIBRARY = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static long skew(void) {
    const char *text = getenv("TEST_CLOCK_SKEW_S");
    return text ? atol(text) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) now->tv_sec += skew();
    return result;
}

int gettimeofday(struct timeval *now, void *zone) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (now) *now = exact.tv_sec;
    return exact.tv_sec;
}
"""
"""Loaded before libc, it moves a process's clock."""

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(
        sys.platform != "linux" or shutil.which("cc") is None,
        reason="clocks are moved by a library for Linux, built here",
    ),
]


@dataclass
class SkewedStack(Stack):
    """A system whose processes have wrong clocks."""

    library: Path = Path()
    skew_s: Mapping[str, int] = field(default_factory=dict)
    """By process."""

    def variables_of(self, name: str) -> Mapping[str, str]:
        return {"LD_PRELOAD": str(self.library), "TEST_CLOCK_SKEW_S": str(self.skew_s[name])}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("clock")
    source, built = directory / "clock.c", directory / "clock.so"
    source.write_text(LIBRARY)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(built), str(source), "-ldl"], check=True, timeout=60)
    return built


@pytest.fixture(params=[HOUR_S, -HOUR_S], ids=["worker ahead", "worker behind"])
async def skewed_stack(
    tmp_path: Path, temporal_port: int, library: Path, request: pytest.FixtureRequest
) -> AsyncIterator[SkewedStack]:
    skew_s = {"worker": request.param, "second": -request.param, "api": -request.param}
    stack = SkewedStack(tmp_path, temporal_port, f"skewed-{tmp_path.parent.name}-{request.param}", library=library)
    stack.skew_s = skew_s
    stack.write_app()
    try:
        stack.start_worker()
        stack.start_api()
        await stack.wait_until_ready()
        yield stack
    finally:
        stack.stop()


def _clock_of(stack: SkewedStack, name: str) -> float:
    """Return what a process of the system takes the time to be."""
    program = [sys.executable, "-c", "import time; print(time.time())"]
    environment = {**os.environ, **stack.variables_of(name)}  # noqa: TID251  # children need PATH and HOME
    return float(subprocess.run(program, env=environment, capture_output=True, text=True, check=True).stdout)


def _times(task: Mapping[str, Any]) -> list[datetime]:
    return [datetime.fromisoformat(task[key]) for key in ("created_at", "started_at", "completed_at")]


async def test_clocks_an_hour_apart_change_nothing(skewed_stack: SkewedStack, tmp_path: Path) -> None:
    stack = skewed_stack
    for name, skew_s in stack.skew_s.items():
        assert _clock_of(stack, name) - time.time() == pytest.approx(skew_s, abs=30)
    began = datetime.now(UTC)
    start_at = began + timedelta(seconds=6)
    body = {
        "agent": "porter",
        "input": f'call gate {{"directory": "{tmp_path}"}}\nthink 200\nsay in time',
        "limits": {"deadline": "2m"},
        "start_at": start_at.isoformat(),
        "tags": ["skewed"],
    }
    async with stack.client() as client:
        created = (await client.post("/api/v1/tasks", json=body)).json()
        await stack.wait_for_activity(created["id"], "tool.gate")
        stack.kill("worker")
        (tmp_path / "open").touch()
        stack.start_worker("second")
        task = await stack.wait_for_end(created["id"])
        events = (await client.get(f"/api/v1/tasks/{created['id']}/events")).text
        window = {"created_after": (began - TOLERANCE).isoformat(), "created_before": (began + TOLERANCE).isoformat()}
        listed = (await client.get("/api/v1/tasks", params={**window, "agent": "porter", "tag": "skewed"})).json()
        assert (await client.get("/readyz")).status_code == 200
    assert (task["status"], task["output"]) == ("completed", "in time")
    assert datetime.fromisoformat(task["started_at"]) >= start_at - timedelta(seconds=1)
    assert abs(datetime.fromisoformat(created["created_at"]) - began) < TOLERANCE
    assert created["id"] in [item["id"] for item in listed["tasks"]]
    at = [json.loads(line.removeprefix("data: "))["at"] for line in events.splitlines() if line.startswith("data: ")]
    for moment in (*_times(task), *map(datetime.fromisoformat, at)):
        assert abs(moment - began) < TOLERANCE, moment
