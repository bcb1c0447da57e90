"""Limits of tool hosts, and how long a worker waits for them."""

from __future__ import annotations

from dataclasses import dataclass

from agentkit.interfaces import PREPARATION_TIMEOUT_S

__all__ = ["DEFAULT_LIMITS", "HostLimits"]


@dataclass(frozen=True)
class HostLimits:
    """What a pool of hosts may use and see, and its timeouts in seconds."""

    max_hosts: int = 100
    """The most hosts of a pool: one for each tool call that a worker runs at once."""
    memory_bytes: int = 4 * 2**30
    """The memory that one process of a tool may allocate; a larger request is a ``MemoryError`` there. 0: any."""
    import_timeout_s: float = 30.0
    """How long the import of one file may take when the tools are described."""
    start_timeout_s: float = 30.0
    """How long a new host may take to import a project's tools."""
    wait_timeout_s: float = PREPARATION_TIMEOUT_S
    """How long a call waits for a host; its own timeout starts afterwards."""
    idle_timeout_s: float = 60.0
    """After this long an idle host is ended, unless it is the last one."""
    exit_timeout_s: float = 5.0
    """How long a process that has closed its connection may take to end."""
    hidden_variables: tuple[str, ...] = ()
    """Variables of the worker's environment that the processes don't get: those of secrets; ``*`` is any text."""


DEFAULT_LIMITS = HostLimits()
