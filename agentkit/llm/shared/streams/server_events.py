"""Read the response to a streaming request: server-sent events in any dialect, or one JSON body."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from agentkit.llm.shared.failures import ProviderStreamError, ResponseTooLarge
from agentkit.llm.shared.streams.reading_turns import in_turns

__all__ = ["DEFAULT_MAX_EVENT_BYTES", "ServerEvent", "check_no_error", "read_events"]

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_END = "[DONE]"
DEFAULT_MAX_EVENT_BYTES = 8 * 1_048_576
_MAX_VALUES = 250_000
"""Of objects, of lists and of fields in one event: to parse more occupies the event loop for seconds."""
_DRAIN_TIMEOUT_S = 0.1
"""Seconds to read on after the end event: only if the body is read to its end, the connection can be reused."""


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event of a stream, or all of a response that is not streamed."""

    kind: Literal["event", "body", "ping", "end"]
    """``body``: JSON that is no event of a stream. ``ping``: an event without data. ``end``: ``[DONE]``, the last."""
    data: JsonValue = None
    name: str = ""
    """The event's type in the stream; empty if it has none."""


def check_no_error(event: ServerEvent) -> None:
    """Raise the error that an event reports, if any.

    Raises:
        ProviderStreamError: it has an ``error``, or its name is ``error``.
    """
    error = event.data.get("error") if isinstance(event.data, dict) else None
    if error or event.name == "error":
        raise ProviderStreamError(error or event.data)


async def read_events(
    chunks: AsyncIterator[bytes], max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES
) -> AsyncGenerator[ServerEvent, None]:
    """Yield what a response contains, parsed; comments are left out.

    A body that starts with a brace or bracket is JSON, whatever its content type; an array has one event in each item.

    Raises:
        JSONDecodeError: data is no JSON.
        UnicodeDecodeError: it is no UTF-8.
        ResponseTooLarge: a line, an event or a JSON body has more than ``max_event_bytes``, or too many values.
    """
    lines = in_turns(_lines(chunks, max_event_bytes))
    decoder = _EventDecoder(max_event_bytes)
    async for line in lines:
        if not decoder.has_started and line.lstrip()[:1] in (b"{", b"["):
            for item in _body_events(await _joined(line, lines, max_event_bytes)):
                yield item
            return
        event = decoder.add_line(line.decode())
        if event is None:
            continue
        yield event
        if event.kind == "end":
            await _drain(lines)
            return
    if (event := decoder.add_line("")) is not None:
        yield event


async def _lines(chunks: AsyncIterator[bytes], max_bytes: int) -> AsyncGenerator[bytes, None]:
    """Yield lines that end with CR, LF or both, and what follows the last one."""
    rest, at_start = bytearray(), True
    async for chunk in chunks:
        has_line_end = b"\n" in chunk or b"\r" in chunk or rest.endswith(b"\r")
        rest += chunk
        if at_start and not _BYTE_ORDER_MARK.startswith(rest[: len(_BYTE_ORDER_MARK)]):
            at_start = False
        elif at_start and len(rest) >= len(_BYTE_ORDER_MARK):
            del rest[: len(_BYTE_ORDER_MARK)]
            at_start = False
        if has_line_end:
            complete = rest.removesuffix(b"\r")  # its LF may be in the next chunk
            *lines, last = _LINE_END.split(bytes(complete))
            rest = bytearray(last) + rest[len(complete) :]
            for line in lines:
                _check_size(len(line), max_bytes)
                yield line
        _check_size(len(rest), max_bytes)
    yield bytes(rest.removesuffix(b"\r"))


async def _joined(first: bytes, lines: AsyncIterator[bytes], max_bytes: int) -> bytes:
    body = bytearray(first)
    async for line in lines:
        body += b"\n" + line
        _check_size(len(body), max_bytes)
    return bytes(body)


def _check_size(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise ResponseTooLarge(f"more than {max_bytes:,} bytes in one event")


def _parsed(text: str) -> JsonValue:
    """Return the JSON value of a text.

    Raises:
        ResponseTooLarge: it has too many values.
        JSONDecodeError: it is no JSON.
    """
    for character, values in (("[", "lists"), ("{", "objects"), (":", "fields")):
        if len(text) > _MAX_VALUES and text.count(character) > _MAX_VALUES:
            raise ResponseTooLarge(f"more than {_MAX_VALUES:,} {values} in one event")
    value: JsonValue = json.loads(text)
    return value


def _body_events(body: bytes) -> list[ServerEvent]:
    value = _parsed(body.decode())
    return [ServerEvent("body", item) for item in (value if isinstance(value, list) else [value])]


async def _drain(lines: AsyncIterator[bytes]) -> None:
    """Read the rest, for a short time: some servers never close the connection."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_TIMEOUT_S):
            async for _ in lines:
                pass


class _EventDecoder:
    """Builds events of lines. A line of data that is JSON by itself is an event at once.

    So servers are understood that put no empty line between events.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._size = 0
        self.has_started = False
        """Whether any line was not empty."""
        self._name = ""
        self._data: list[str] = []
        self._is_emitted = False
        """Whether the data since the last empty line is an event already."""

    def add_line(self, line: str) -> ServerEvent | None:
        """Return the event that the line completes, or None."""
        if not line.strip():
            return self._complete()
        self.has_started = True
        field, _, value = line.partition(":")
        value = value.strip()
        if field == "event":
            self._name = value
        elif field == "data":
            return self._add_data(value)
        return None

    def _add_data(self, value: str) -> ServerEvent | None:
        self._data.append(value)
        self._size += len(value) + 1
        if len(self._data) > 1:
            _check_size(self._size, self._max_bytes)
            return None
        if value.startswith(_END):
            event = ServerEvent("end")
        else:
            try:
                event = ServerEvent("event", _parsed(value), self._name)
            except ValueError:
                return None
        self._data.clear()
        self._size = 0
        self._is_emitted = True
        return event

    def _complete(self) -> ServerEvent | None:
        name, data, is_emitted = self._name, "\n".join(self._data), self._is_emitted
        self._name, self._is_emitted, self._size = "", False, 0
        self._data.clear()
        if not data.strip():
            return ServerEvent("ping", name=name) if name and not is_emitted else None
        if name in ("error", "ping"):  # which may have plain text
            return ServerEvent("event" if name == "error" else "ping", data, name)
        return ServerEvent("event", _parsed(data), name)
