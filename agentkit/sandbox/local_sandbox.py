"""A ``Sandbox`` of this machine's kernel: the strongest tier that works here, or none."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from agentkit.errors import SandboxUnavailable, WorkerBusy
from agentkit.interfaces import (
    PREPARATION_TIMEOUT_S,
    SandboxedProgram,
    SandboxLimits,
    SandboxResult,
    SandboxTier,
    Workspace,
)
from agentkit.sandbox.confinement import Confinement, ScratchPaths
from agentkit.sandbox.program_run import ProgramRun
from agentkit.sandbox.scratch_space import ScratchSpace, give_to

__all__ = ["LocalSandbox", "first_user_id"]

_MAX_SLOTS = 64
_USER_IDS_FROM = 0x70000000
"""User ids from here on belong to nobody by convention: 64 for each process id that there may be."""
_USER_IDS_IN_CONTAINERS = 60_000
"""For where those are not mapped."""


def first_user_id() -> int | None:
    """Return the first of this process's user ids for programs, one for each slot; None where it is not root."""
    if os.geteuid() != 0:
        return None
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/uid_map").read_text().splitlines():
            start, _, count = map(int, line.split())
            if start <= _USER_IDS_FROM < _USER_IDS_FROM * 2 <= start + count:
                return _USER_IDS_FROM + os.getpid() * _MAX_SLOTS
    return _USER_IDS_IN_CONTAINERS


class LocalSandbox:
    """Runs programs with one confinement, a bounded number at once."""

    def __init__(self, confinement: Confinement | None, description: str, space: ScratchSpace, *, slots: int = 4):
        """Use ``confinement``; None: no program can be run here, and ``description`` says why."""
        self._confinement = confinement
        self._description = description
        self._space = space
        self._free_slots = list(range(min(slots, _MAX_SLOTS)))
        self._slots = asyncio.Semaphore(len(self._free_slots))
        self._first_user_id = first_user_id()

    @property
    def tier(self) -> SandboxTier | None:
        """How programs are confined; None: none can be run here."""
        return self._confinement.tier if self._confinement is not None else None

    @property
    def description(self) -> str:
        """The tier and the kernel's features that it uses, or why no program can be run."""
        return self._description

    def close(self) -> None:
        """Delete the directory of scratch directories; no program runs any more."""
        self._space.close()

    @asynccontextmanager
    async def workspace(self) -> AsyncIterator[Workspace]:
        """Return a workspace as soon as one is free; its directory is deleted at the end."""
        if self._confinement is None:
            raise SandboxUnavailable(self._description)
        try:
            async with asyncio.timeout(PREPARATION_TIMEOUT_S):
                await self._slots.acquire()
        except TimeoutError:
            raise WorkerBusy("This worker runs as many sandboxed programs as it may.") from None
        slot = self._free_slots.pop()
        try:
            user_id = self._first_user_id + slot if self._first_user_id is not None else None
            scratch = self._space.paths()
            paths = scratch.__enter__()
            try:
                yield _LocalWorkspace(self._confinement, paths, user_id)
            finally:
                await asyncio.shield(asyncio.to_thread(scratch.__exit__, None, None, None))
        finally:
            self._free_slots.append(slot)
            self._slots.release()


class _LocalWorkspace:
    """A scratch directory, and the user id of its program."""

    def __init__(self, confinement: Confinement, paths: ScratchPaths, user_id: int | None) -> None:
        self._confinement = confinement
        self._paths = paths
        self._user_id = user_id if confinement.tier != "none" else None

    @property
    def directory(self) -> Path:
        """The scratch directory."""
        return self._paths.files

    async def run(self, program: SandboxedProgram, limits: SandboxLimits) -> SandboxResult:
        """Run a program."""
        call_directory = self._paths.files.parent
        if self._user_id is not None:
            give_to(call_directory, self._user_id)  # some thousand files at most: a thread would take longer
        as_root = self._user_id is not None
        command = self._confinement.command(self._paths, as_root=as_root, with_packages=program.kind == "python")
        job = self._confinement.job(program, self._paths, limits, user_id=self._user_id, status=0)
        run = ProgramRun(job, limits, call_directory)
        end = await run.run(command, self._confinement.environment(self._paths))
        return SandboxResult(
            tier=self._confinement.tier,
            exit_code=end.exit_code,
            stdout=end.stdout,
            stderr=end.stderr,
            cut_off_by=end.cut_off_by,
            duration_s=end.duration_s,
        )
