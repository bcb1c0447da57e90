"""What a key costs a request: an API without keys and one with a keys file, on one Temporal server."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from statistics import median

from agentkit.access.api_keys import new_api_key
from agentkit.access.keys_file import change_keys
from benchmarks.lookup_task import INPUT
from benchmarks.process_cpu import cpu_time
from benchmarks.processes import BenchmarkServers, run_process, wait_until_listening
from cli.dev.ports import free_port

__all__ = ["RequestCost", "measure_authentication"]

_AGENT = "name: benchmark\nmodel: openai:steps-5\ninstructions: Calculate.\ntools: [calculator]\n"
_QUEUE = "requests"
"""No worker polls it, so that only requests are measured."""
_PATH = "/api/v1/tasks"
_TIMEOUT_S = 30.0
_KEYS = 50
"""In the file: as many as a company's programs may have."""


@dataclass(frozen=True, slots=True)
class RequestCost:
    """The cost of one request."""

    cpu_ms: float
    """CPU time of the API process, the mean of a round."""
    p50_ms: float


class _Api:
    """A running API, and one kept-alive connection to it."""

    def __init__(self, pid: int, connection: HTTPConnection, headers: Mapping[str, str]) -> None:
        self._pid = pid
        self._connection = connection
        self._headers = headers
        self._task_id = ""

    def post(self) -> None:
        """Start a task."""
        body = json.dumps({"agent": "benchmark", "input": INPUT})
        self._task_id = json.loads(self._request("POST", _PATH, body))["id"]

    def get(self) -> None:
        """Read the newest task."""
        self._request("GET", f"{_PATH}/{self._task_id}")

    def measure(self, kind: str, count: int) -> RequestCost:
        """Make requests of a kind one after the other."""
        times: list[float] = []
        cpu_before = cpu_time(self._pid).process
        for _ in range(count):
            started_at = time.perf_counter()
            self.post() if kind == "POST /tasks" else self.get()
            times.append((time.perf_counter() - started_at) * 1000)
        return RequestCost((cpu_time(self._pid).process - cpu_before) * 1000 / count, median(times))

    def _request(self, method: str, path: str, body: str | None = None) -> str:
        """Make a request with the standard library's client: httpx2 would add 2 ms."""
        self._connection.request(method, path, body, {"Content-Type": "application/json", **self._headers})
        response = self._connection.getresponse()
        text = response.read().decode()
        if response.status >= 300:
            raise RuntimeError(f"{method} {path}: {response.status} {text}")
        return text


async def measure_authentication(
    servers: BenchmarkServers, rounds: int, requests: int
) -> dict[str, list[tuple[RequestCost, RequestCost]]]:
    """Return the costs without and with a key, of each round, by the kind of request."""
    directory = servers.directory / "requests"
    (directory / "agents").mkdir(parents=True)
    (directory / "agents" / "benchmark.yaml").write_text(_AGENT)
    keys_file, key = directory / "keys.json", ""
    with change_keys(keys_file) as keys:
        for number in range(_KEYS):
            key, stored = new_api_key(f"program-{number}", "default", ["operator"], now=datetime.now(UTC))
            keys.append(stored)
    costs: dict[str, list[tuple[RequestCost, RequestCost]]] = {"POST /tasks": [], "GET /tasks/ID": []}
    keyed_settings = {"OPSPAWN_KEYS_FILE": str(keys_file)}
    async with (
        _api(servers, directory, {}, {}) as without,
        _api(servers, directory, keyed_settings, {"Authorization": f"Bearer {key}"}) as keyed,
    ):
        for api in (without, keyed):
            for kind in costs:
                await asyncio.to_thread(api.measure, kind, 20)
        for round_ in range(rounds):
            for kind, measured in costs.items():
                in_turn = {api: RequestCost(0, 0) for api in ((without, keyed) if round_ % 2 else (keyed, without))}
                for api in in_turn:
                    in_turn[api] = await asyncio.to_thread(api.measure, kind, requests)
                measured.append((in_turn[without], in_turn[keyed]))
    return costs


@asynccontextmanager
async def _api(
    servers: BenchmarkServers, app_dir: Path, settings: Mapping[str, str], headers: Mapping[str, str]
) -> AsyncIterator[_Api]:
    port = free_port()
    options = (f"--port={port}", f"--app-dir={app_dir}", f"--data-dir={servers.directory}")
    environment = {
        "TEMPORAL_ADDRESS": servers.temporal,
        "OPSPAWN_TASK_QUEUE": _QUEUE,
        "OPSPAWN_CHECK_KEYS": "false",
        "OPSPAWN_GRPC_PORT": "0",
        "OPSPAWN_RELAY_PORT": "0",
        "OPSPAWN_RATE_LIMIT": "1000000",
        "OPSPAWN_RATE_BURST": "1000000",
        **settings,
    }
    async with run_process(sys.executable, "-m", "api", *options, environment=environment, quiet=True) as process:
        await wait_until_listening(port)
        with closing(HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)) as connection:
            yield _Api(process.pid, connection, headers)
