"""Replies of HTTP servers, read up to a number of bytes: of a longer tool result, the start is kept."""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, AsyncIterator, Callable

import httpx2
from pydantic_core import from_json

__all__ = ["ReplyTooLong", "bounded_events", "read_bounded", "shortened_reply"]


class ReplyTooLong(httpx2.SSEError):
    """A reply is longer than the limit, and can't be shortened."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the reply is longer than max_result_bytes ({limit:,} bytes)")


async def read_bounded(chunks: AsyncIterable[bytes], limit: int) -> tuple[bytes, bool]:
    """Return at most ``limit`` bytes, and whether these are all."""
    data = bytearray()
    async for chunk in chunks:
        data += chunk
        if len(data) > limit:
            return bytes(data[:limit]), False
    return bytes(data), True


def shortened_reply(start: bytes, limit: int, request_id: str | int | None) -> bytes | None:
    """Return a JSON-RPC reply with the start of a tool's result, and a note; None if ``start`` is of another reply."""
    try:
        reply = from_json(start, allow_partial="trailing-strings")
    except ValueError:
        return None
    result = reply.get("result") if isinstance(reply, dict) else None
    content = result.get("content") if isinstance(result, dict) else None
    if not isinstance(content, list):
        return None
    kept = [part for part in content[:-1] if isinstance(part, dict)]
    if content and isinstance(content[-1], dict) and isinstance(content[-1].get("text"), str):
        kept.append({"type": "text", "text": content[-1]["text"]})  # the only type of part that may be cut
    kept.append({"type": "text", "text": _note(limit)})
    result = {"content": kept, "resultType": "complete"}
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "result": result}).encode()


async def bounded_events(
    chunks: AsyncIterable[bytes], limit: int, request_id: Callable[[], str | int | None]
) -> AsyncIterator[bytes]:
    """Yield server-sent events, each whole; one of more than ``limit`` bytes is shortened, and is then the last.

    Raises:
        ReplyTooLong: it can't be shortened.
    """
    event = bytearray()
    async for chunk in chunks:
        scanned = max(len(event) - 3, 0)
        event += chunk
        while (end := _event_end(event, scanned)) and end <= limit:
            yield bytes(event[:end])
            del event[:end]
            scanned = 0
        if len(event) > limit:
            reply = shortened_reply(_event_data(bytes(event[:limit])), limit, request_id())
            if reply is None:
                raise ReplyTooLong(limit)
            yield b"event: message\ndata: " + reply + b"\n\n"
            return
    if event:
        yield bytes(event)


def _event_end(data: bytearray, start: int) -> int:
    """Return where the first event ends; 0 if none ends after ``start``."""
    ends = [at + len(end) for end in (b"\n\n", b"\r\n\r\n", b"\r\r") if (at := data.find(end, start)) >= 0]
    return min(ends, default=0)


def _event_data(event: bytes) -> bytes:
    lines = event.splitlines()
    return b"\n".join(line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:"))


def _note(limit: int) -> str:
    return f"[The result is longer than max_result_bytes ({limit:,} bytes): this is its start.]"
