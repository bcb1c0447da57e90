"""Start the process of a program, read what it writes, and end all of it: at its end, at a limit, or when cancelled."""

from __future__ import annotations

import asyncio
import json
import marshal
import os
import select
import signal
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from agentkit.errors import SandboxUnavailable
from agentkit.interfaces import CutOffBy, SandboxLimits, SandboxOutput
from agentkit.process_start import start_process
from agentkit.sandbox.bounded_output import BoundedOutput
from agentkit.sandbox.inside.confined_process import CONFINED
from agentkit.sandbox.inside.sandbox_job import SandboxJob
from agentkit.sandbox.usage_watch import exceeded_limit

__all__ = ["ProgramEnd", "ProgramRun"]

_CHECK_INTERVAL_S = 0.1
_START_TIMEOUT_S = 15.0
"""How long the confinement may take: on a machine that does too much at once, bubblewrap may need seconds."""
_END_TIMEOUT_S = 10.0
"""How long killed processes may take to end: longer where they wait for a disk that doesn't respond."""
_MAX_STATUS_BYTES = 4_096


@dataclass(frozen=True)
class ProgramEnd:
    """How a program ended."""

    exit_code: int
    stdout: SandboxOutput
    stderr: SandboxOutput
    cut_off_by: CutOffBy | None
    duration_s: float


class ProgramRun:
    """One run of a program."""

    def __init__(self, job: SandboxJob, limits: SandboxLimits, directory: Path) -> None:
        """Prepare a run; ``directory`` has all files of the program."""
        self._job = job
        self._limits = limits
        self._directory = directory
        self._outputs = (BoundedOutput(limits.kept_output_bytes), BoundedOutput(limits.kept_output_bytes))
        self._cut_off_by: CutOffBy | None = None
        self._output_exceeded = asyncio.Event()
        self._first: int | None = None
        """A descriptor of the first process of the namespace: with it all others in it end, and it ends after them."""

    async def run(self, command: Sequence[str], environment: Mapping[str, str]) -> ProgramEnd:
        """Start the process by ``command``, and return when all of its processes have ended.

        Raises:
            SandboxUnavailable: it could not be confined; nothing was run.
        """
        with ExitStack() as read_ends:
            with ExitStack() as write_ends:
                status, child_status = _pipe(read_ends, write_ends)
                info, child_info = _pipe(read_ends, write_ends)
                process = await self._start(command, environment, child_status, child_info)
            try:
                return await self._follow(process, status, child_status, info)
            finally:
                await asyncio.shield(asyncio.ensure_future(self._close(process)))

    async def _start(
        self, command: Sequence[str], environment: Mapping[str, str], child_status: int, child_info: int
    ) -> Process:
        if self._job["isolated"]:
            command = (*command[:1], "--info-fd", str(child_info), *command[1:])
        try:
            return await start_process(
                *command,
                end=self._close,
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                env=environment,
                cwd="/",
                pass_fds=[child_status, child_info] if self._job["isolated"] else [child_status],
                start_new_session=True,
            )
        except OSError as error:
            raise SandboxUnavailable(f"{command[0]} can't be started: {error.strerror}.") from error

    async def _follow(self, process: Process, status: int, child_status: int, info: int) -> ProgramEnd:
        reading = [
            asyncio.create_task(output.read(stream, self._check_output))
            for output, stream in zip(self._outputs, (process.stdout, process.stderr), strict=True)
            if stream is not None
        ]
        try:
            await self._send_job(process, child_status)
            await self._confined(process, status, info)
            started_at = time.monotonic()
            ending = asyncio.create_task(process.wait())
            try:
                await self._ended_or_cut_off(process.pid, ending)
            finally:
                ending.cancel()
            duration_s = time.monotonic() - started_at
            await self._end(process)
            await asyncio.wait(reading, timeout=_END_TIMEOUT_S)
        finally:
            for task in reading:
                task.cancel()
        code = process.returncode if process.returncode is not None else -9
        stdout, stderr = (output.result() for output in self._outputs)
        return ProgramEnd(code if code >= 0 else 128 - code, stdout, stderr, self._cut_off_by, duration_s)

    async def _send_job(self, process: Process, child_status: int) -> None:
        data = marshal.dumps({**self._job, "status": child_status})
        assert process.stdin is not None
        process.stdin.write(len(data).to_bytes(4, "big") + data)
        with suppress(ConnectionError):  # it has ended: its status says why
            await process.stdin.drain()

    async def _confined(self, process: Process, status: int, info: int) -> None:
        """Wait until the process is confined."""
        report = await _read_status(status)
        if self._job["isolated"]:
            self._first = _first_process(info)
        if report == CONFINED:
            return
        await self._end(process)
        error = report.decode(errors="replace") or self._outputs[1].result().head
        last = next((line for line in reversed(error.splitlines()) if line.strip()), "the process ended")
        raise SandboxUnavailable(f"The program could not be confined, and was not run: {last.strip()}.")

    def _check_output(self) -> None:
        if sum(output.bytes_written for output in self._outputs) > self._limits.output_bytes:
            self._output_exceeded.set()

    async def _close(self, process: Process) -> None:
        await self._end(process)
        if self._first is not None:
            os.close(self._first)

    async def _end(self, process: Process) -> None:
        """End all processes. With bubblewrap's first one all die; else a supervisor ends them when its input closes."""
        if process.stdin is not None:
            process.stdin.close()
        if process.returncode is None:
            with suppress(ProcessLookupError):
                if self._first is not None:
                    signal.pidfd_send_signal(self._first, signal.SIGKILL)
                elif self._job["isolated"]:
                    _kill_group(process)
            try:
                async with asyncio.timeout(_END_TIMEOUT_S):
                    await process.wait()
            except TimeoutError:
                _kill_group(process)
                await process.wait()
        if self._first is not None:
            await asyncio.to_thread(_wait_for_end, self._first)

    async def _ended_or_cut_off(self, root: int, ending: asyncio.Task[int]) -> None:
        """Wait until the first process ends, or exceeds a limit."""
        exceeded = asyncio.create_task(self._output_exceeded.wait())
        deadline = time.monotonic() + self._limits.wall_s
        try:
            while not ending.done() and self._cut_off_by is None:
                timeout = min(_CHECK_INTERVAL_S, max(0.0, deadline - time.monotonic()))
                await asyncio.wait({ending, exceeded}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
                if ending.done():
                    break
                if exceeded.done():
                    self._cut_off_by = "output"
                elif time.monotonic() >= deadline:
                    self._cut_off_by = "time"
                else:
                    self._cut_off_by = await asyncio.to_thread(exceeded_limit, root, self._directory, self._limits)
        finally:
            exceeded.cancel()
        if self._cut_off_by is None and exceeded.done() and not exceeded.cancelled():
            self._cut_off_by = "output"


def _pipe(read_ends: ExitStack, write_ends: ExitStack) -> tuple[int, int]:
    """Return the read and the write end of a new pipe; each is closed with its stack."""
    read_end, write_end = os.pipe()
    read_ends.callback(os.close, read_end)
    write_ends.callback(os.close, write_end)
    return read_end, write_end


def _kill_group(process: Process) -> None:
    """Kill a process with those that it has forked: bubblewrap's own may wait for it for ever while it starts."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


async def _read_status(descriptor: int) -> bytes:
    """Return what is written to a pipe until it is ``CONFINED``, its other end is closed, or ``_START_TIMEOUT_S``."""
    loop = asyncio.get_running_loop()
    os.set_blocking(descriptor, False)
    data = b""
    ended: asyncio.Future[None] = loop.create_future()

    def on_readable() -> None:
        nonlocal data
        part = os.read(descriptor, _MAX_STATUS_BYTES)
        data = (data + part)[:_MAX_STATUS_BYTES]
        if (not part or data == CONFINED) and not ended.done():
            ended.set_result(None)

    loop.add_reader(descriptor, on_readable)
    try:
        await asyncio.wait([ended], timeout=_START_TIMEOUT_S)
    finally:
        loop.remove_reader(descriptor)
    return data


def _first_process(info: int) -> int | None:
    """Return a descriptor of the process that bubblewrap names in ``info``; None: it has ended, or never was."""
    os.set_blocking(info, False)
    try:
        return os.pidfd_open(json.loads(os.read(info, _MAX_STATUS_BYTES))["child-pid"])
    except (OSError, ValueError):
        return None


def _wait_for_end(descriptor: int) -> None:
    poll = select.poll()  # select takes no descriptor above 1023
    poll.register(descriptor, select.POLLIN)
    poll.poll(_END_TIMEOUT_S * 1000)
