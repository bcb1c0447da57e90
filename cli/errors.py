"""Why a command ended early; each error carries its exit code.

CommandFailed             1: the task, or the command, failed
├── UsageWrong            2: what was typed or configured can't be done
├── ServerUnreachable     3: the API or Temporal doesn't answer
└── Interrupted           130: Ctrl-C
"""

from __future__ import annotations

from typing import ClassVar

__all__ = ["CommandFailed", "Interrupted", "ServerUnreachable", "UsageWrong"]


class CommandFailed(Exception):
    """Printed as it is, on stderr, without a traceback: the message says what to do."""

    exit_code: ClassVar[int] = 1


class UsageWrong(CommandFailed):
    """An option, argument or setting can't be used. The message names it."""

    exit_code = 2


class ServerUnreachable(CommandFailed):
    """A server doesn't answer, or answers that it can't serve now. The message names its address."""

    exit_code = 3


class Interrupted(CommandFailed):
    """The person pressed Ctrl-C. The message says what goes on without them."""

    exit_code = 130
