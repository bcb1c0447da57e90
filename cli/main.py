"""The entry point of ``opspawn``: import the subcommand's module alone, and turn errors into exit codes."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module, metadata
from typing import Annotated, Any, NamedTuple, NoReturn

import typer

from activities.temporal.process_exit import exit_process
from agentkit.errors import ConfigurationInvalid
from cli.errors import CommandFailed, OutputClosed
from cli.views.console import err, out, write_message

__all__ = ["COMMANDS", "Command", "build_command_line", "main"]

_MIN_BOX_WIDTH = 70
"""Columns that the help's boxes need."""


class Command(NamedTuple):
    """A subcommand whose module is not imported yet."""

    module: str
    """It has a function of the subcommand's name, or a ``typer.Typer`` of subcommands of its own."""
    summary: str
    """The first line of that function's docstring, or of the group's help."""


COMMANDS = {
    "dev": Command("cli.commands.serving.dev", "Start Temporal, a worker and the API on this machine, until Ctrl-C."),
    "worker": Command(
        "cli.commands.serving.run_worker", "Start a worker, which runs the tasks of an app, until Ctrl-C."
    ),
    "api": Command("cli.commands.serving.run_api", "Start an API process, without Temporal and workers, until Ctrl-C."),
    "workers": Command(
        "cli.commands.workers", "Show workers and their versions; make a version current, or move its tasks."
    ),
    "run": Command("cli.commands.run", "Give an agent a task, and wait for its output."),
    "chat": Command("cli.commands.chat", "Hold a conversation with an agent."),
    "follow": Command("cli.commands.follow", "Show what a task did and does, until it has ended."),
    "tasks": Command("cli.commands.tasks", "List tasks, newest first."),
    "show": Command("cli.commands.tasks", "Show a task: its status, what it did, and its output."),
    "cancel": Command("cli.commands.tasks", "Cancel a task: what it is doing now is stopped."),
    "delete": Command(
        "cli.commands.delete",
        "Erase a task that has ended, or a conversation: its history, results and files. It can't be undone.",
    ),
    "inbox": Command("cli.commands.inbox", "Show what tasks ask people; on a terminal, until Ctrl-C."),
    "approve": Command("cli.commands.answers", "Approve a call that a task asks about."),
    "deny": Command(
        "cli.commands.answers", "Deny a call that a task asks about: it isn't made, and the model reads the comment."
    ),
    "answer": Command("cli.commands.answers", "Answer a question, say what became of a call, or raise a limit."),
    "send": Command(
        "cli.commands.steering", "Send a message to a running task: the model reads it before its next response."
    ),
    "pause": Command("cli.commands.steering", "Pause a task: what it does now is finished, then it waits."),
    "resume": Command("cli.commands.steering", "Let a paused task go on."),
    "fork": Command("cli.commands.steering", "Start a new task that goes on from a step of another one."),
    "agents": Command("cli.commands.agents", "List the agents that can be given tasks."),
    "tools": Command("cli.commands.tools", "List the tools that agents can be given, or show one with its arguments."),
    "memory": Command("cli.commands.memories", "List, search, add, forget, export and import what agents remember."),
    "mcp": Command("cli.commands.mcp_servers", "List MCP servers and their tools, call a tool, or log in at a server."),
    "keys": Command("cli.commands.keys", "Manage the keys that requests need, and tenants' encryption keys."),
    "init": Command("cli.commands.init", "Make a new app directory with an agent and a tool to start from."),
    "setup": Command("cli.commands.setup", "Register the search attributes at Temporal. Safe to repeat."),
    "doctor": Command(
        "cli.commands.doctor", "Check the installation and what runs, and name what is missing and its remedy."
    ),
}


def _show_version(requested: bool) -> None:
    if requested:
        out.print(f"opspawn {metadata.version('opspawn')}")
        raise typer.Exit


def _global_options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Durable AI agents on Temporal: each task survives crashes, restarts and deploys."""


def _import_command(name: str) -> Callable[..., None] | typer.Typer:
    """Return a subcommand's function, or its group of subcommands, from its module."""
    command: Callable[..., None] | typer.Typer = getattr(import_module(COMMANDS[name].module), name)
    return command


def _placeholder() -> None:
    """Take the place of a subcommand that is only listed by ``--help``, and so is not imported."""


def build_command_line(arguments: Sequence[str]) -> typer.Typer:
    """Return the command line for these arguments.

    Only the named subcommand is imported: loading Temporal's client alone takes longer than most subcommands
    take to run.
    """
    named = next((argument for argument in arguments if not argument.startswith("-")), None)
    app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, **_help_format())
    app.callback()(_global_options)
    for name, command in COMMANDS.items():
        imported = _import_command(name) if name == named else None
        if isinstance(imported, typer.Typer):
            app.add_typer(imported, name=name)
        else:
            app.command(name, help=None if imported else command.summary)(imported or _placeholder)
    return app


def _help_format() -> dict[str, Any]:
    """Return how help is printed: in boxes, unless the terminal is too narrow for them, where they cut options."""
    columns = shutil.get_terminal_size().columns
    if columns >= _MIN_BOX_WIDTH:
        return {}
    return {"rich_markup_mode": None, "context_settings": {"terminal_width": columns - 1}}


def main() -> None:
    """Run ``sys.argv``. Exit codes: 0 done, 1 the task failed, 2 usage, 3 a server can't be reached."""
    try:
        _run()
    except SystemExit as exit_request:
        if "temporalio" not in sys.modules:
            raise
        exit_process(exit_request.code if isinstance(exit_request.code, int) else 0)


def _run() -> None:
    try:
        build_command_line(sys.argv[1:])()
    except CommandFailed as failure:
        _exit(str(failure), failure.exit_code)
    except ConfigurationInvalid as invalid:
        _exit(str(invalid), 2)


def _exit(message: str, code: int) -> NoReturn:
    if message:
        with suppress(OutputClosed):  # the reader of stderr has ended, too
            write_message(err, message)
    sys.exit(code)
