from __future__ import annotations

import socket
import subprocess
import sys

from tests.reserved_ports import reserve_port

PROGRAM = """
import asyncio, sys
import httpx2
from activities.temporal.worker_metrics import start_metrics
from activities.tool_calls import ToolCallLimits, ToolCalls
from agentkit.runtime.calls.tool_invocation import tool_context
from agentkit.tools import tool

@tool(effect="pure")
def look() -> str:
    return ""

async def main(address):
    limits = ToolCallLimits(check_interval_s=0.05)
    async with ToolCalls(limits, start_metrics(address)) as calls, httpx2.AsyncClient(trust_env=False) as client:
        async with calls.running(look, tool_context("t", "c", 1), may_wait=True), asyncio.timeout(30):
            text = ""
            while "opspawn_tool_calls{" not in text:
                await asyncio.sleep(0.05)
                text = (await client.get(f"http://{address}/metrics")).text
    print(text)

asyncio.run(main(sys.argv[1]))
"""


def run(address: str) -> subprocess.CompletedProcess[str]:
    """Run in a process of its own: the SDK's runtime can't be stopped."""
    return subprocess.run([sys.executable, "-c", PROGRAM, address], capture_output=True, text=True, timeout=60)


def test_tool_calls_are_counted_at_metrics() -> None:
    done = run(f"127.0.0.1:{reserve_port()}")
    assert 'opspawn_tool_calls{service_name="temporal-core-sdk",tool="look"} 1' in done.stdout, done.stderr


def test_an_address_in_use_is_named() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        done = run(address)
    assert f"Setting worker_metrics (OPSPAWN_WORKER_METRICS): {address} can't be used" in done.stderr
