"""What a check of ``opspawn doctor`` found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from cli.errors import CommandFailed, ServerUnreachable

__all__ = ["Finding", "exit_code"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check: one line of the doctor's output."""

    subject: str
    status: Literal["ok", "note", "missing", "unreachable"]
    """``note``: only some uses need it; ``missing``: something has to be corrected; ``unreachable``: a server is."""
    detail: str
    remedies: tuple[str, ...] = ()
    """Commands that correct it: each works when pasted. Of several, each one is enough."""


def exit_code(findings: Iterable[Finding]) -> int:
    """Return the exit code of the doctor: 3 if a server is unreachable, else 1 if something is missing, else 0."""
    statuses = {finding.status for finding in findings}
    if "unreachable" in statuses:
        return ServerUnreachable.exit_code
    return CommandFailed.exit_code if "missing" in statuses else 0
