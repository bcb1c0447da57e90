"""Read the messages and commands of a chat, from a terminal or from a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from cli.errors import UsageWrong

__all__ = ["ChatInput", "PipedLines", "TypedLines"]


class ChatInput(Protocol):
    """A source of messages and commands."""

    def read(self, prompt: str) -> str | None:
        """Return the next message or command; None at the end of input, such as Ctrl-D."""
        ...


class PipedLines:
    """Reads stdin that isn't a terminal: each line is a message."""

    def read(self, prompt: str) -> str | None:
        """Return the next line; the prompt isn't shown. A closed stdin is the end of input.

        Raises:
            UsageWrong: the line isn't UTF-8.
        """
        if sys.stdin is None:
            return None
        try:
            line = sys.stdin.readline()
        except UnicodeError as error:
            raise UsageWrong(f"The message isn't UTF-8 text: {error}") from None
        return line.rstrip("\r\n") if line else None


class TypedLines:
    """Reads a terminal, with line editing and history; a line that ends with a backslash continues in the next."""

    def __init__(self, commands: Sequence[str]) -> None:
        """Complete these ``commands`` by the Tab key."""
        with suppress(ImportError):  # some Pythons lack readline: then only the terminal's own editing works
            import readline

            readline.set_completer(_completer(commands))
            readline.set_completer_delims(" ")
            readline.parse_and_bind("tab: complete")

    def read(self, prompt: str) -> str | None:
        """Return the next message or command.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed; what was typed is dropped.
        """
        lines: list[str] = []
        try:
            while (line := input("… " if lines else prompt)).endswith("\\"):
                lines.append(line.removesuffix("\\"))
        except EOFError:
            return None
        return "\n".join([*lines, line])


def _completer(commands: Sequence[str]) -> Callable[[str, int], str | None]:
    def complete(text: str, number: int) -> str | None:
        fitting = [command for command in commands if text.startswith("/") and command.startswith(text)]
        return fitting[number] if number < len(fitting) else None

    return complete
