"""Workers whose MCP servers are in memory, for the tests of the API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from agentkit.errors import McpServerUnavailable
from agentkit.interfaces import McpServers
from agentkit.schemas.output_check import InlineOutputChecker
from agentkit.testing import ScriptedMcpServer, ScriptedMcpServers, ScriptedMcpTool, ScriptedModel
from agentkit.tools import ToolRegistry
from tests.integration.api.conftest import ApiHarness
from worker import build_worker

CRASHED = McpServerUnavailable("MCP server 'down': crashed at its start: no module.", server="down", kind="crashed")
HANGING = McpServerUnavailable("MCP server 'slow': no response within 5 s.", server="slow", kind="timed_out")


def scripted() -> ScriptedMcpServers:
    convert = ScriptedMcpTool(lambda arguments, context: "12:00", effect="pure", description="Converts a time.")
    notes = ScriptedMcpServer(
        tools={"convert": convert, "delete-all": ScriptedMcpTool(lambda arguments, context: "gone")},
        resources={"file:///plan.md": "First this.", "file:///long": "y" * 500_000, "file:///large": "x" * 2_000_000},
        prompts={"review": "Review {change} in {tone} words.", "empty": " "},
    )
    return ScriptedMcpServers(
        {"notes": notes, "down": ScriptedMcpServer(problem=CRASHED), "slow": ScriptedMcpServer(problem=HANGING)}
    )


@asynccontextmanager
async def serving(harness: ApiHarness, servers: McpServers | None = None) -> AsyncIterator[None]:
    """Run a worker with these servers, and wait until Temporal lists it."""
    model = ScriptedModel(["done"] * 5)
    async with build_worker(
        harness.temporal,
        harness.settings,
        {"demo": model},
        ToolRegistry([]),
        InlineOutputChecker(),
        mcp_servers=servers or scripted(),
    ):
        async with asyncio.timeout(20):
            while (await harness.http.get("/readyz")).status_code != 200:  # noqa: ASYNC110  # no event
                await asyncio.sleep(0.05)
        yield


def problem(response: httpx2.Response, status: int, kind: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    document: dict[str, Any] = response.json()
    assert document["type"] == f"urn:opspawn:problem:{kind}"
    return document
