"""``opspawn mcp``: MCP servers without a running system: list them and their tools, call a tool, log in."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Annotated, Any, TypeVar

import typer
from pydantic import JsonValue
from rich.text import Text

from activities.settings import Settings
from agentkit.mcp_config.mcp_settings import McpServerSettings
from agentkit.mcp_process import (
    McpCallCommand,
    McpCheckCommand,
    McpCommandFailed,
    McpLoginCommand,
    McpLoginDone,
    McpLoginStarted,
    McpResultFile,
    McpServerChecked,
    McpToolsCommand,
    McpToolsFound,
)
from agentkit.runtime.calls.tool_results import value_text
from agentkit.specs import ToolSpec
from cli.answers.typed_json import parse_typed_json
from cli.command_options import AppDir, app_settings, text_argument
from cli.doctor.mcp_checks import problem_text
from cli.errors import CommandFailed, Interrupted, UsageWrong
from cli.mcp_call import call_tool
from cli.mcp_child import running_mcp_process
from cli.mcp_servers_file import configured_server, configured_servers
from cli.views.console import err, one_line, printable, write_json, write_message, write_text
from cli.views.table import write_table

__all__ = ["mcp"]

_T = TypeVar("_T")
_MAX_DESCRIPTION_WIDTH = 160

mcp = typer.Typer(no_args_is_help=True, help="List MCP servers and their tools, call a tool, or log in at a server.")

_Server = Annotated[str, typer.Argument(metavar="SERVER", help="Its name in mcp.json.")]
_AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@mcp.command("list")
def list_servers(as_json: _AsJson = False, app_dir: AppDir = None) -> None:
    """Connect to each server of mcp.json, and show which can be used and how many tools it has."""
    settings = app_settings(app_dir)
    servers = configured_servers(settings)
    checked = _run(_checked(settings, {name: server for name, server in servers.items() if not server.disabled}))
    if as_json:
        rows: list[JsonValue] = [_server_json(name, server, checked.get(name)) for name, server in servers.items()]
        write_json({"servers": rows})
        return
    cells = [_server_cells(name, server, checked.get(name)) for name, server in servers.items()]
    write_table(("SERVER", "TRANSPORT", "TOOLS", "STATE"), cells, numbers=frozenset({"TOOLS"}), wraps=True)


@mcp.command("tools")
def tools(server: _Server, as_json: _AsJson = False, app_dir: AppDir = None) -> None:
    """List the tools of a server that its settings allow, with their effects; --json has their schemas, too."""
    settings = app_settings(app_dir)
    servers = configured_server(settings, server)
    listed = _run(_tools(settings, servers, server))
    if as_json:
        write_json({"tools": [_tool_json(tool) for tool in listed]})
    elif listed:
        cells = [
            [Text(_own_name(tool)), Text(tool.effect), Text(one_line(tool.description, _MAX_DESCRIPTION_WIDTH))]
            for tool in listed
        ]
        write_table(("TOOL", "EFFECT", "DESCRIPTION"), cells, wraps=True)
    else:
        write_message(err, f"MCP server {server!r} offers no tools, or opspawn.tools in mcp.json allows none.")


@mcp.command("call")
def call(
    server: _Server,
    tool: Annotated[
        str, typer.Argument(metavar="TOOL", help="The server's own name, as `opspawn mcp tools` shows it.")
    ],
    arguments: Annotated[
        str, typer.Argument(metavar="ARGUMENTS", help="A JSON object; - reads it from stdin.", show_default=False)
    ] = "{}",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Call an irreversible tool without a question.")] = False,
    as_json: _AsJson = False,
    app_dir: AppDir = None,
) -> None:
    """Call a tool of a server, and print its result. Ctrl-C cancels the call."""
    settings = app_settings(app_dir)
    servers = configured_server(settings, server)
    command = McpCallCommand(server=server, tool=tool, arguments=_arguments(arguments))
    result = _run(call_tool(settings, servers, command, confirmed=yes), "the call was cancelled.")
    if as_json:
        write_json(result.model_dump(mode="json", exclude={"type"}))
        return
    if (text := value_text(result.value)) or not result.files:
        write_text(text)
    for file in result.files:
        write_message(err, f"File: {_file_label(file)}. --json has its content.")


@mcp.command("login")
def login(server: _Server, app_dir: AppDir = None) -> None:
    """Log in at a server in a browser; the workers use the login from then on, and renew it."""
    settings = app_settings(app_dir)
    servers = configured_server(settings, server)
    oauth = servers[server].opspawn.oauth
    if servers[server].url is not None and (oauth is None or oauth.grant != "authorization_code"):
        key = '"opspawn": {"oauth": {}}' if oauth is None else '"grant": "authorization_code" in its oauth'
        raise UsageWrong(f"Workers would not use a login at MCP server {server!r}: add {key} in mcp.json first.")
    _run(_login(settings, servers, server))


def _run(work: Coroutine[Any, Any, _T], after: str = "nothing goes on.") -> _T:
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        raise Interrupted(f"Interrupted: {after}") from None


async def _checked(settings: Settings, servers: Mapping[str, McpServerSettings]) -> dict[str, McpServerChecked]:
    async with running_mcp_process(settings, servers, McpCheckCommand()) as process:
        return {message.name: message async for message in process.messages() if isinstance(message, McpServerChecked)}


async def _tools(settings: Settings, servers: Mapping[str, McpServerSettings], server: str) -> tuple[ToolSpec, ...]:
    listed: tuple[ToolSpec, ...] = ()
    async with running_mcp_process(settings, servers, McpToolsCommand(server=server)) as process:
        async for message in process.messages():
            match message:
                case McpToolsFound():
                    listed = message.tools
                case McpCommandFailed():
                    raise CommandFailed(message.message)
    return listed


async def _login(settings: Settings, servers: Mapping[str, McpServerSettings], server: str) -> None:
    async with running_mcp_process(settings, servers, McpLoginCommand(server=server)) as process:
        async for message in process.messages():
            match message:
                case McpLoginStarted(url=url):
                    write_message(err, f"Log in at MCP server {server!r}: open this address in a browser.\n  {url}")
                case McpLoginDone():
                    write_message(err, f"Logged in at MCP server {server!r}. Workers use it from now on.")
                case McpCommandFailed():
                    raise CommandFailed(message.message)


def _arguments(text: str) -> dict[str, JsonValue]:
    try:
        value = parse_typed_json(text_argument(text, "ARGUMENTS", "write a JSON object, such as {}"))
    except ValueError as error:
        raise UsageWrong(f"ARGUMENTS: {error}.") from None
    if not isinstance(value, dict):
        raise UsageWrong('ARGUMENTS: expected a JSON object, such as {"timezone": "Europe/Berlin"}.')
    return value


def _server_json(name: str, server: McpServerSettings, checked: McpServerChecked | None) -> JsonValue:
    problem = checked.problem if checked is not None else None
    return {
        "name": name,
        "transport": server.transport,
        "disabled": server.disabled,
        "tools": checked.tools if checked is not None else None,
        "problem": None if problem is None else {"kind": problem.kind, "message": problem.message},
    }


def _server_cells(name: str, server: McpServerSettings, checked: McpServerChecked | None) -> list[Text]:
    count = "" if checked is None or checked.tools is None else str(checked.tools)
    if server.disabled:
        state = Text("disabled", style="dim")
    elif checked is None:
        state = Text("not checked", style="yellow")
    elif checked.problem is None:
        state = Text("ready", style="green")
    else:
        state = Text(one_line(problem_text(checked.problem), 500), style="red")
    return [Text(printable(name)), Text(server.transport), Text(count), state]


def _tool_json(tool: ToolSpec) -> JsonValue:
    return {
        "name": _own_name(tool),
        "description": tool.description,
        "input_schema": tool.parameters,
        "effect": tool.effect,
    }


def _own_name(tool: ToolSpec) -> str:
    return tool.name if tool.mcp is None else tool.mcp.name


def _file_label(file: McpResultFile) -> str:
    name = f"{file.name} ({file.media_type})" if file.name else file.media_type
    return f"{printable(name)}, {file.size:,} bytes"
