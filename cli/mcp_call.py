"""Call one tool of an MCP server from the command line: ask before it, show its progress, and return its result."""

from __future__ import annotations

import json
from collections.abc import Mapping

from rich.text import Text

from activities.settings import Settings
from agentkit.interfaces import ClientInput
from agentkit.mcp_config.mcp_settings import McpServerSettings
from agentkit.mcp_process import (
    ClientInputAsked,
    McpCallCommand,
    McpCommandFailed,
    McpProgressed,
    McpResult,
    McpToolFound,
)
from agentkit.specs import ToolSpec
from cli.answers.elicited_input import elicited_input, read_typed_line
from cli.answers.terminal_input import TerminalInput
from cli.errors import CommandFailed, UsageWrong
from cli.mcp_child import running_mcp_process
from cli.views.console import err, printable, write_message

__all__ = ["call_tool"]

_MAX_SHOWN_CHARS = 2_000


async def call_tool(
    settings: Settings, servers: Mapping[str, McpServerSettings], command: McpCallCommand, *, confirmed: bool
) -> McpResult:
    """Call a tool, and return its result; ``confirmed``: an irreversible one is called without a question.

    Raises:
        UsageWrong: there is no such tool, or it is irreversible and nobody can be asked.
        CommandFailed: the server can't be used, the tool failed, or the person said no.
    """
    terminal, result = TerminalInput.of_stdin(), None
    async with running_mcp_process(settings, servers, command) as process:
        async for message in process.messages():
            match message:
                case McpToolFound(tool=tool):
                    if tool.effect == "irreversible" and not confirmed:
                        await _confirm(tool, command, terminal)
                    await process.send(ClientInput())
                case McpProgressed(text=text, fraction=fraction):
                    percent = "" if fraction is None else f"{fraction:4.0%} "
                    err.print(Text(f"{percent}{printable(text)}", style="dim"), soft_wrap=True)
                case ClientInputAsked(request=request):
                    await process.send(await elicited_input(request, terminal))
                case McpResult():
                    result = message
                case McpCommandFailed(kind=kind, message=text):
                    raise (UsageWrong if kind in ("not_found", "unknown") else CommandFailed)(text)
    if result is None:
        raise CommandFailed("The call ended without a result.")
    return result


async def _confirm(tool: ToolSpec, command: McpCallCommand, terminal: TerminalInput | None) -> None:
    name = f"{command.server}/{command.tool}"
    if terminal is None:
        raise UsageWrong(
            f"{name} is irreversible, and stdin is no terminal to ask on. Add --yes if it is to be called."
        )
    arguments = json.dumps(command.arguments, ensure_ascii=False)
    shown = arguments if len(arguments) <= _MAX_SHOWN_CHARS else f"{arguments[:_MAX_SHOWN_CHARS]}…"
    write_message(err, f"{name} is irreversible: {_first_line(tool.description)}")
    write_message(err, f"  {printable(shown)}")
    line = await read_typed_line(terminal, "Call it? [y]es, [n]o: ")
    if line is None or line.strip().lower() not in ("y", "yes"):
        raise CommandFailed("It was not called.")


def _first_line(text: str) -> str:
    return printable(text.strip().partition("\n")[0]) or "it has no description"
