"""The official conformance suite of MCP against our client, for protocol 2026-07-28."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path

import pytest

from tests.mcp_node.conformance_client import Scenario, run_scenario
from tests.mcp_node.node_packages import NODE, installed_packages

pytestmark = pytest.mark.node

REVISION = "2026-07-28"
TIMEOUT_S = 110
PARALLEL = 3
"""Scenarios at once: a slow machine must not make them time out."""
MIN_PASSED = 400
"""Checks of scenarios that the revision requires; it requires ``SCENARIOS`` of these."""
SCENARIOS = 32


class Scenarios:
    """Runs scenarios for the suite's commands, which it starts all at once."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(PARALLEL)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Run the scenario that a command asks for; the answer is empty, or why it failed."""
        problem = ""
        scenario = Scenario(**json.loads(await reader.readline()))
        async with self._free:
            try:
                await run_scenario(scenario)
            except Exception as error:
                problem = f"{type(error).__name__}: {error}".replace("\n", " ")
        writer.write(f"{problem}\n".encode())
        writer.close()


async def run_suite(results: Path) -> str:
    """Run all scenarios that the revision requires, and return what the suite prints."""
    suite = installed_packages() / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"
    server = await asyncio.start_server(Scenarios().serve, "127.0.0.1", 0)
    async with server:
        command = Path(__file__).with_name("conformance_command.py")
        client = f"{sys.executable} -I -S {command} {server.sockets[0].getsockname()[1]}"
        process = await asyncio.create_subprocess_exec(
            *(NODE, suite, "client", "--command", client, "--requirements", REVISION, "--output-dir", results),
            *("--timeout", str(TIMEOUT_S * 1000)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(TIMEOUT_S):
                output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    return output.decode()


async def test_our_client_passes_every_scored_check(tmp_path: Path) -> None:
    output = await run_suite(tmp_path)
    summary, _, unscored = output.partition("=== SUITE SUMMARY ===")[2].partition("Not scored")
    counts = re.findall(r"^[✓✗] (\S+): (\d+) passed, (\d+) failed$", summary, re.MULTILINE)
    ignored = set(re.findall(r"^\s+[✓✗] (\S+) \(", unscored, re.MULTILINE))
    scored = {name: (int(passed), int(failed)) for name, passed, failed in counts if name not in ignored}
    assert {name: counted for name, counted in scored.items() if counted[1]} == {}, output[-6000:]
    assert len(scored) == SCENARIOS
    assert sum(passed for passed, _ in scored.values()) >= MIN_PASSED
