"""A real Prometheus with the project's alert rules, and ``promtool``: ``apt-get install prometheus`` has both."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import yaml

from tests.reserved_ports import reserve_port

RULES = Path(__file__).parents[2] / "deploy" / "prometheus"
_WITHIN_S = 60.0
_POLL_S = 0.1


def installed(name: str) -> str:
    """Return the path of a program of Prometheus."""
    path = shutil.which(name)
    assert path is not None, f"make test-monitoring needs {name}, which isn't on the PATH: apt-get install prometheus"
    return path


def promtool(*arguments: str | Path) -> str:
    """Run ``promtool``; return its output. A failure is an AssertionError that has it."""
    done = subprocess.run(
        [installed("promtool"), *arguments], capture_output=True, text=True, check=False, timeout=_WITHIN_S
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def configuration(targets: Mapping[str, str]) -> dict[str, Any]:
    """Return that of deploy/, but quicker, with its rules, and with an address for each job instead of a name."""
    config: dict[str, Any] = yaml.safe_load((RULES / "prometheus.yml").read_text())
    # A scrape may take as long as the interval: on a busy machine, longer than a second.
    config["global"] = {"scrape_interval": "5s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(RULES / "alerts.yaml")]
    jobs = [job["job_name"] for job in config["scrape_configs"]]
    assert set(targets) <= set(jobs)
    config["scrape_configs"] = [
        {"job_name": job, "static_configs": [{"targets": [address]}]} for job, address in targets.items()
    ]
    return config


@dataclass(frozen=True)
class PrometheusServer:
    """The HTTP API of a running Prometheus."""

    http: httpx2.AsyncClient

    async def get(self, path: str, **parameters: str) -> Any:
        """Return the data of a response; an error of a query is an AssertionError that has its text."""
        response = await self.http.get(f"/api/v1/{path}", params=parameters)
        document = response.json()
        assert document["status"] == "success", f"{parameters}: {document}"
        return document["data"]

    async def series(self, query: str) -> list[dict[str, Any]]:
        """Return what an instant query finds: ``{metric, value}`` of each series."""
        found: list[dict[str, Any]] = (await self.get("query", query=query))["result"]
        return found

    async def labels(self, metric: str, label: str) -> list[str]:
        """Return the values of a label, as the dashboard's variables do."""
        values: list[str] = await self.get(f"label/{label}/values", **{"match[]": metric})
        return values

    async def until(self, query: str, reason: str) -> list[dict[str, Any]]:
        """Wait until a query finds series; return them."""
        found: list[dict[str, Any]] = []

        async def is_found() -> bool:
            found[:] = await self.series(query)
            return bool(found)

        await _eventually(is_found, f"{reason}: {query}")
        return found


@asynccontextmanager
async def running_prometheus(directory: Path, targets: Mapping[str, str]) -> AsyncIterator[PrometheusServer]:
    """Run Prometheus with these addresses of jobs until the end of the context."""
    port = reserve_port()
    config = directory / "prometheus.yml"
    config.write_text(yaml.safe_dump(configuration(targets)))
    command = [installed("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={directory / 'series'}"]
    log_path = directory / "prometheus.log"
    process = _start([*command, f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"], log_path)
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:

            async def is_ready() -> bool:
                assert process.poll() is None, log_path.read_text()
                try:
                    return (await http.get("/-/ready")).status_code == 200
                except httpx2.TransportError:
                    return False

            await _eventually(is_ready, "Prometheus is ready")
            yield PrometheusServer(http)
    finally:
        process.kill()
        process.wait(10)


def _start(command: list[str], log_path: Path) -> subprocess.Popen[bytes]:
    with log_path.open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log)


async def _eventually(condition: Callable[[], Awaitable[bool]], reason: str) -> None:
    deadline = time.monotonic() + _WITHIN_S
    while not await condition():
        assert time.monotonic() < deadline, f"not within {_WITHIN_S:.0f} s: {reason}"
        await asyncio.sleep(_POLL_S)
