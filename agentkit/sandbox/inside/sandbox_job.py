"""The job of a sandbox's process: what to run, and how to confine it."""

from __future__ import annotations

from typing import Literal, TypedDict

__all__ = ["SandboxJob"]


class SandboxJob(TypedDict):
    """What the worker writes to the process: marshalled, after its length in 4 bytes, most significant first."""

    kind: Literal["python", "shell"]
    code: str
    directory: str
    """The scratch directory, which becomes the current one."""
    readable: list[str]
    """Paths that Landlock allows to read and execute."""
    writable: list[str]
    status: int
    """Descriptor on which the confinement is reported."""
    user_id: int | None
    """The user and group to become; None: stay as it is."""
    keeps_reading: bool
    """Keep CAP_DAC_READ_SEARCH, for an interpreter in a directory that only root may enter; Landlock still applies."""
    supervised: bool
    """End all further processes of the program when it ends, or when standard input is closed."""
    landlock: int
    """The ABI of Landlock that must be there; 0: none is applied."""
    filter: bytes | None
    """The seccomp filter."""
    isolated: bool
    """It has namespaces of its own: it sees neither the worker's processes nor its files."""
    processes: int
    memory_bytes: int
    cpu_s: int
    file_bytes: int
    open_files: int
