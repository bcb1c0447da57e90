"""Errors of MCP servers that can't be used: the server, the phase and the cause."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from agentkit.errors import McpServerUnavailable

__all__ = ["Phase", "ProblemKind", "first_words", "leaf_errors", "unavailable"]

Phase = Literal["connect", "list", "login", "request", "close"]
"""What was done when it failed."""

ProblemKind = Literal[
    "command_not_found", "crashed", "unreachable", "not_authorized", "wrong_protocol", "timed_out", "failed"
]
"""See ``McpServerProblem.kind``."""


def unavailable(server: str, phase: Phase, kind: ProblemKind, cause: str) -> McpServerUnavailable:
    """Return the error of a server that can't be used."""
    return McpServerUnavailable(f"MCP server {server} ({phase}): {cause}", server=server, kind=kind)


def leaf_errors(error: BaseException) -> Iterator[BaseException]:
    """Yield the errors in a group of errors, and in the groups in it; of any other error, itself."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaf_errors(inner)
    else:
        yield error


def first_words(error: Exception) -> str:
    """Return what an error says before it quotes a body, which may have a token."""
    return str(error).partition(": {")[0].partition("\n")[0][:200] or type(error).__name__
