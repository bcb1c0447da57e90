"""The ``Sandbox`` Protocol: runs a model's code with limits, apart from everything else."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Literal, Protocol

from agentkit.records import Record

__all__ = [
    "CutOffBy",
    "Sandbox",
    "SandboxLimits",
    "SandboxOutput",
    "SandboxResult",
    "SandboxTier",
    "SandboxedProgram",
    "Workspace",
]

SandboxTier = Literal["bubblewrap", "landlock", "none"]
"""How code is confined: ``bubblewrap`` (namespaces, Landlock and seccomp), ``landlock`` (Landlock and seccomp), or
``none``, which is for development only."""

CutOffBy = Literal["time", "memory", "disk", "output", "processes"]
"""The limit at which a program was ended."""


class SandboxLimits(Record):
    """What one program may use, all of its processes together unless noted."""

    wall_s: float = 60.0
    """Seconds from start to end; the processor time of each process has the same limit."""
    memory_bytes: int = 2**30
    """Of each process, kernel-enforced; and of all together, checked several times a second."""
    processes: int = 64
    """Processes and threads at once."""
    disk_bytes: int = 256 * 2**20
    """Of the scratch directory and of temporary files together, and of each file."""
    files: int = 2_000
    open_files: int = 256
    """Of each process."""
    output_bytes: int = 16 * 2**20
    """Of standard output and standard error together; a program that writes more is ended."""
    kept_output_bytes: int = 24_000
    """The most bytes of each stream that the result has: the start and the end."""


class SandboxedProgram(Record):
    """A program to run."""

    kind: Literal["python", "shell"]
    code: str
    """Python source, or a shell command."""


class SandboxOutput(Record):
    """The start and the end of what a program wrote to a stream, as UTF-8."""

    head: str = ""
    tail: str = ""
    """Empty if nothing was left out."""
    bytes_written: int = 0
    bytes_left_out: int = 0


class SandboxResult(Record):
    """How a program ended, and what it wrote."""

    tier: SandboxTier
    exit_code: int
    """128 and more: ended by the signal of that number less 128."""
    stdout: SandboxOutput
    stderr: SandboxOutput
    cut_off_by: CutOffBy | None = None
    """The limit at which it was ended; None: it ended by itself."""
    duration_s: float


class Workspace(Protocol):
    """A new directory for one program, and the right to run it."""

    @property
    def directory(self) -> Path:
        """The scratch directory, for the caller to fill; it is the program's current directory."""
        ...

    async def run(self, program: SandboxedProgram, limits: SandboxLimits) -> SandboxResult:
        """Run a program, once. When this returns or raises, all processes that it started have ended.

        Raises:
            SandboxUnavailable: it could not be confined; nothing was run.
        """
        ...


class Sandbox(Protocol):
    """Runs programs that nobody has checked. Safe for concurrent use.

    A program can read the system's software and its scratch directory, and write to that alone. It has no network, sees
    no environment variables of this process, and can reach no other process.
    """

    @property
    def tier(self) -> SandboxTier | None:
        """How programs are confined; None: none can be run here, and ``description`` says why."""
        ...

    @property
    def description(self) -> str:
        """The tier and the kernel's features that it uses, or why no program can be run; for people."""
        ...

    def workspace(self) -> AbstractAsyncContextManager[Workspace]:
        """Return a workspace as soon as one of the bounded number is free; its directory is deleted at the end.

        Raises:
            WorkerBusy: none became free within ``PREPARATION_TIMEOUT_S``.
            SandboxUnavailable: programs can't be confined here.
        """
        ...
