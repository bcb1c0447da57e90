"""Load by many users at once: ``python -m benchmarks.load [--users 5 50 200] [--seconds 60]``. Prints Markdown.

Needs the extra ``load``: ``make install EXTRAS=load``. Two APIs and two workers on one Temporal server, all on this
machine, and locust's users spread over both APIs. At the end every accepted task is looked up: each must
have completed.
"""

from __future__ import annotations

import asyncio
import csv
import os
import sys
from argparse import ArgumentParser
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from httpx2 import AsyncClient

from activities.settings import Settings
from benchmarks.processes import run_process, wait_until_listening
from cli.dev.ports import free_port
from cli.temporal_server import TemporalServer, find_temporal

__all__ = ["main"]

_APIS = 2
_WORKERS = 2
_LOCUSTFILE = Path(__file__).with_name("locustfile.py")
_READY_TIMEOUT_S = 90.0
_END_TIMEOUT_S = 300.0
_AGENT = """\
name: {name}
model: demo:demo
tools: [pay]
policy: [{{tool: pay, then: {then}}}]
"""
_TOOL = """\
from agentkit.tools import tool


@tool(effect="irreversible")
def pay(cents: int) -> str:
    \"\"\"Pay.\"\"\"
    return "paid"
"""


@dataclass(frozen=True, slots=True)
class _Run:
    """What one number of users has measured."""

    users: int
    rows: list[dict[str, str]]
    """Locust's statistics, a row a kind of request."""
    accepted: int
    not_completed: dict[str, int]
    """Tasks that were accepted and are not completed at the end, by status."""
    load: float
    """The machine's load average at the end."""


def _write_app(directory: Path) -> Path:
    app = directory / "app"
    (app / "agents").mkdir(parents=True)
    for name, then in (("asking", "ask"), ("allowing", "allow")):
        (app / "agents" / f"{name}.yaml").write_text(_AGENT.format(name=name, then=then))
    (app / "tools").mkdir()
    (app / "tools" / "pay.py").write_text(_TOOL)
    return app


@asynccontextmanager
async def _servers(directory: Path) -> AsyncIterator[list[str]]:
    """Run Temporal, the workers and the APIs; yield the URLs of the APIs when all are ready."""
    app = _write_app(directory)
    server = TemporalServer(find_temporal(Settings()), free_port(), database=directory / "temporal.db")
    environment = {
        "TEMPORAL_ADDRESS": f"127.0.0.1:{server.port}",
        "OPSPAWN_DATA_DIR": str(directory / "data"),
        "OPSPAWN_APP_DIR": str(app),
        "OPSPAWN_MEMORY_ENABLED": "false",
    }
    relay_ports, ports = [free_port() for _ in range(_APIS)], [free_port() for _ in range(_APIS)]
    addresses = ",".join(f"127.0.0.1:{port}" for port in relay_ports)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(run_process(*server.command(), quiet=True))
        await wait_until_listening(server.port)
        for port, relay_port in zip(ports, relay_ports, strict=True):
            command = (sys.executable, "-m", "api", f"--port={port}", f"--grpc-port={free_port()}")
            variables = {**environment, "OPSPAWN_RELAY_PORT": str(relay_port)}
            await stack.enter_async_context(run_process(*command, environment=variables, quiet=True))
        for _ in range(_WORKERS):
            variables = {**environment, "OPSPAWN_RELAY_ADDRESSES": addresses}
            await stack.enter_async_context(run_process(sys.executable, "worker.py", environment=variables, quiet=True))
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        for url, port in zip(urls, ports, strict=True):
            await wait_until_listening(port)
            await _wait_until_ready(url)
        yield urls


async def _wait_until_ready(url: str) -> None:
    async with AsyncClient(base_url=url, trust_env=False) as http, asyncio.timeout(_READY_TIMEOUT_S):
        while (await http.get("/readyz")).status_code != 200:  # noqa: ASYNC110  # another process
            await asyncio.sleep(0.2)


async def _measure(urls: list[str], directory: Path, users: int, seconds: int) -> _Run:
    """Run locust with so many users, then look up every task that was accepted."""
    tasks_file, prefix = directory / f"tasks-{users}", directory / f"users-{users}"
    tasks_file.touch()
    environment = {"LOAD_HOSTS": ",".join(urls), "LOAD_TASKS_FILE": str(tasks_file)}
    command = (
        sys.executable,
        "-m",
        "locust",
        "--headless",
        "--only-summary",
        f"--host={urls[0]}",
        f"--locustfile={_LOCUSTFILE}",
    )
    options = (f"--users={users}", f"--spawn-rate={max(1, users // 10)}", f"--run-time={seconds}s", f"--csv={prefix}")
    # Users finish what they have begun: else the tasks that wait for an answer would never end.
    ending = ("--stop-timeout=120", "--exit-code-on-error=0")
    async with run_process(*command, *options, *ending, environment=environment) as locust:
        await locust.wait()
    load = os.getloadavg()[0]
    rows, ids = _read_results(Path(f"{prefix}_stats.csv"), tasks_file)
    return _Run(users, rows, len(ids), await _not_completed(urls[0], ids), load)


def _read_results(statistics: Path, tasks: Path) -> tuple[list[dict[str, str]], list[str]]:
    """Return locust's statistics, a row a kind of request, and the ids of the accepted tasks."""
    return list(csv.DictReader(statistics.read_text().splitlines())), tasks.read_text().split()


async def _not_completed(url: str, ids: list[str]) -> dict[str, int]:
    """Return how many tasks don't complete, by their status in the end."""
    counts: dict[str, int] = {}
    async with AsyncClient(base_url=url, trust_env=False, timeout=_END_TIMEOUT_S) as http:
        for task_id in ids:
            response = await http.get(f"/api/v1/tasks/{task_id}", params={"wait": 5})
            status = response.json().get("status", f"HTTP {response.status_code}")
            if status != "completed":
                counts[status] = counts.get(status, 0) + 1
    return counts


def _table(runs: list[_Run]) -> str:
    lines = ["| users | request | count | errors | p50, ms | p95, ms | p99, ms | a second |"]
    lines.append("|--:|:--|--:|--:|--:|--:|--:|--:|")
    for run in runs:
        lines.extend(
            f"| {run.users} | {row['Name']} | {row['Request Count']} | {row['Failure Count']} | {row['50%']} "
            f"| {row['95%']} | {row['99%']} | {float(row['Requests/s']):.1f} |"
            for row in run.rows
        )
    lines.append("")
    for run in runs:
        lost = ", ".join(f"{count} {status}" for status, count in run.not_completed.items()) or "none"
        lines.append(
            f"* {run.users} users: {run.accepted} tasks accepted; not completed: {lost}; load average {run.load:.1f}."
        )
    return "\n".join(lines)


async def _run(users: list[int], seconds: int) -> str:
    with TemporaryDirectory() as name:
        async with _servers(Path(name)) as urls:
            return _table([await _measure(urls, Path(name), count, seconds) for count in users])


def main() -> None:
    """Measure, and print the table."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, nargs="+", default=[5, 50, 200])
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    table = asyncio.run(_run(options.users, options.seconds))
    sys.stdout.write(f"{os.cpu_count()} cores, locust {version('locust')}.\n\n{table}\n")


if __name__ == "__main__":
    main()
