"""The errors that end a command, each with its exit code.

CommandFailed             1: the task, or the command, failed
├── UsageWrong            2: an option, argument or setting is wrong
├── ServerUnreachable     3: the API or Temporal doesn't respond
├── OutputClosed          0: the reader of the output has ended
└── Interrupted           130: Ctrl-C
"""

from __future__ import annotations

from typing import ClassVar

__all__ = ["CommandFailed", "Interrupted", "OutputClosed", "ServerUnreachable", "UsageWrong"]


class CommandFailed(Exception):
    """The message is printed on stderr, without a traceback; it names what to do."""

    exit_code: ClassVar[int] = 1


class UsageWrong(CommandFailed):
    """An option, argument or setting is wrong. The message names it."""

    exit_code = 2


class ServerUnreachable(CommandFailed):
    """A server doesn't respond, or is unavailable at the moment. The message names its address."""

    exit_code = 3


class OutputClosed(CommandFailed):
    """The reader of the output, such as ``head``, has ended. That is no error, and there is no message."""

    exit_code = 0


class Interrupted(CommandFailed):
    """The person pressed Ctrl-C. The message names what goes on."""

    exit_code = 130
