"""Check outputs, arguments and answers in processes of their own: no schema and no text can hold up a worker."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from pydantic import JsonValue, ValidationError

from agentkit.interfaces import OutputCheck
from agentkit.json_text import MAX_JSON_DEPTH, is_deeper_than
from agentkit.process_start import plain_environment, start_process
from agentkit.schemas.output_check import TOO_DEEP_VALUE

__all__ = ["OutputCheckProcesses"]

logger = logging.getLogger("opspawn.output_check")

_MAX_PROCESSES = 2
_MAX_LONG_CHECKS = 1
_QUICK_TIMEOUT_S = 0.5
"""A check that takes longer is ended, and made again among the long ones: they don't hold up those that are quick."""
_TIMEOUT_S = 5.0
_START_TIMEOUT_S = 20.0
"""A new process imports its libraries first, which takes long on a busy machine."""
_MAX_RESULT_BYTES = 65_536
_MODULE = "agentkit.schemas.check_process"
_WARM_UP = b'{"text": "0", "schema": {}}\n'


class OutputCheckProcesses:
    """An ``OutputChecker``: a few processes, started when they are first needed. One that takes too long is ended.

    Each check gets ``quick_timeout_s`` first. One that takes longer is made again with ``timeout_s``, one at a time.

    A context manager, which ends them.
    """

    def __init__(
        self,
        *,
        timeout_s: float = _TIMEOUT_S,
        quick_timeout_s: float = _QUICK_TIMEOUT_S,
        max_processes: int = _MAX_PROCESSES,
    ) -> None:
        self._timeout_s = timeout_s
        self._quick_timeout_s = min(quick_timeout_s, timeout_s)
        self._quick = asyncio.Semaphore(max_processes)
        self._long = asyncio.Semaphore(_MAX_LONG_CHECKS)
        self._idle: list[Process] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._idle:
            await _end(self._idle.pop())

    async def check(self, text: str, schema: Mapping[str, JsonValue]) -> OutputCheck:
        """Check a text. A check that takes more than ``timeout_s``, once a process is free for it, is a failure."""
        return await self._check({"text": text, "schema": schema})

    async def check_arguments(self, arguments: Mapping[str, JsonValue], schema: Mapping[str, JsonValue]) -> OutputCheck:
        """Check the arguments of a tool call, as ``check`` does a text."""
        return await self._check({"arguments": arguments, "schema": schema})

    async def check_value(self, value: JsonValue, schema: Mapping[str, JsonValue]) -> OutputCheck:
        """Check a value that a person gave, as ``check`` does a text."""
        if is_deeper_than(value, MAX_JSON_DEPTH):
            return TOO_DEEP_VALUE
        return await self._check({"value": value, "schema": schema})

    async def _check(self, content: Mapping[str, object]) -> OutputCheck:
        request = json.dumps(content).encode() + b"\n"
        try:
            try:
                return await self._check_within(self._quick_timeout_s, request, self._quick)
            except TimeoutError:
                return await self._check_within(self._timeout_s, request, self._long)
        except TimeoutError:
            logger.warning("A check against a JSON Schema took more than %g s and was ended", self._timeout_s)
            return OutputCheck(
                failure=f"the check took more than {self._timeout_s:g} s. Simplify the schema: "
                "its regular expressions, and alternatives that refer to one another"
            )

    async def _check_within(self, timeout_s: float, request: bytes, slots: asyncio.Semaphore) -> OutputCheck:
        """Make a check as soon as a slot is free.

        Raises:
            TimeoutError: it took longer.
        """
        async with slots:
            process = await self._process()
            if process is None:
                return OutputCheck(failure="the process that checks it could not be started; see the worker's log")
            return _result(await self._exchange(process, request, timeout_s))

    async def _process(self) -> Process | None:
        while self._idle:
            process = self._idle.pop()
            if process.returncode is None:
                return process
        try:
            process = await start_process(
                *(sys.executable, "-P", "-m", _MODULE),
                env=plain_environment(),
                stdin=PIPE,
                stdout=PIPE,
                limit=_MAX_RESULT_BYTES,
            )
            await self._exchange(process, _WARM_UP, _START_TIMEOUT_S, keep=False)
        except (OSError, TimeoutError) as error:
            logger.error("The process that checks structured output could not be started: %r", error)
            return None
        return process

    async def _exchange(self, process: Process, request: bytes, timeout_s: float, *, keep: bool = True) -> bytes:
        """Return the process's line for the request; a process without one in time is ended.

        Raises:
            TimeoutError: it took longer.
        """
        is_usable = False
        try:
            async with asyncio.timeout(timeout_s):
                if process.stdin is None or process.stdout is None:
                    return b""
                process.stdin.write(request)
                await process.stdin.drain()
                line = await process.stdout.readline()
            is_usable = line.endswith(b"\n")
            return line
        except (ConnectionError, ValueError):  # it ended, or wrote too long a line
            return b""
        finally:
            if not is_usable:
                await _end(process)
            elif keep:
                self._idle.append(process)


def _result(line: bytes) -> OutputCheck:
    try:
        return OutputCheck.model_validate_json(line)
    except ValidationError:
        return OutputCheck(failure="the process that checks it ended: the schema or the value needs too much memory")


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()
