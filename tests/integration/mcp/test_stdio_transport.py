"""Messages of a process, each line of bounded length."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCMessage, JSONRPCRequest

from agentkit.mcp.stdio.stdio_transport import ServerProcess, stdio_transport


async def received(code: str, tmp_path: Path, *, max_line_bytes: int = 1_000) -> tuple[Sequence[JSONRPCMessage], str]:
    """Return the messages that a Python program writes, and the last line that was none."""
    process = await ServerProcess.start(
        [sys.executable, "-I", "-S", "-c", code], environment={}, directory=tmp_path, on_stderr=lambda _: None
    )
    messages: list[JSONRPCMessage] = []
    try:
        async with asyncio.timeout(30), stdio_transport(process, max_line_bytes) as (incoming, _):
            async for item in incoming:
                assert not isinstance(item, Exception)
                messages.append(item.message)
    finally:
        assert await process.end()
    return messages, process.garbage


@pytest.mark.parametrize(
    "line",
    [
        '{"jsonrpc": "2.0", "id": 7, "result": {"content": {"a": "%s"}}}',
        '{"result": {"x": "%s"}, "jsonrpc": "2.0", "id": 7}',
    ],
    ids=["id first", "id last"],
)
async def test_a_reply_that_is_too_long_and_has_no_start_to_show_is_an_error(line: str, tmp_path: Path) -> None:
    (message,), _ = await received(f"print({line!r} % ('x' * 5_000))", tmp_path)
    assert isinstance(message, JSONRPCError)
    assert message.id == 7
    assert message.error.message == "The reply is longer than max_result_bytes (1,000 bytes)."


async def test_a_reply_that_is_no_message_is_an_error_at_once(tmp_path: Path) -> None:
    (message,), _ = await received("""print('{"jsonrpc": "2.0", "id": 7, "result": [1]}')""", tmp_path)
    assert isinstance(message, JSONRPCError)
    assert (message.id, message.error.code) == (7, -32700)


async def test_what_is_neither_message_nor_reply_is_ignored(tmp_path: Path) -> None:
    code = """
import sys
print('{"jsonrpc": "2.0", "method": "notifications/message", "params": {"id": 7, "data": "%s"}}' % ("x" * 5_000))
print("Listening")
sys.stdout.flush()
sys.stdout.buffer.write(b"\\xff\\n" + b"y" * 5_000_000)
"""
    assert await received(code, tmp_path) == ([], "\ufffd")


async def test_a_server_that_reads_nothing_is_ended_although_there_is_more_to_write(tmp_path: Path) -> None:
    program = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)"]
    process = await ServerProcess.start(program, environment={}, directory=tmp_path, on_stderr=lambda _: None)
    message = SessionMessage(JSONRPCRequest(jsonrpc="2.0", id=1, method="ping", params={"text": "x" * 1_000_000}))
    async with asyncio.timeout(30), stdio_transport(process, 1_000) as (_, outgoing):
        await outgoing.send(message)
    assert await process.end()
