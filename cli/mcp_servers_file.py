"""The MCP servers that an app directory configures, for commands."""

from __future__ import annotations

from collections.abc import Mapping

from activities.settings import Settings
from activities.shell_commands import shell_path
from agentkit.catalog.mcp_file import MCP_FILE, read_mcp_file
from agentkit.errors import ConfigurationInvalid
from agentkit.mcp_config.mcp_settings import McpServerSettings
from agentkit.validation.validation_messages import did_you_mean
from cli.errors import UsageWrong
from cli.views.console import err, printable, write_message

__all__ = ["configured_server", "configured_servers"]

_EXAMPLE = '{"mcpServers": {"time": {"command": "uvx", "args": ["mcp-server-time"]}}}'


def configured_servers(settings: Settings) -> Mapping[str, McpServerSettings]:
    """Return the servers of ``mcp.json`` by name, also those that are disabled; what is wrong goes to stderr.

    Raises:
        UsageWrong: there is no such file, or it has no servers.
        ConfigurationInvalid: the file is wrong, and no server can be used.
    """
    path = settings.app_dir / MCP_FILE
    file = read_mcp_file(settings.app_dir)
    if file.problems and not file.servers:
        raise ConfigurationInvalid("\n".join(file.problems))
    for problem in file.problems:
        write_message(err, printable(problem), style="yellow")
    if not file.servers:
        problem = f"{shell_path(path)} has no servers" if path.is_file() else f"There is no {shell_path(path)}"
        raise UsageWrong(f"{problem}. Write one, or name another app with --app-dir:\n  {_EXAMPLE}")
    return dict(file.servers)


def configured_server(settings: Settings, name: str) -> Mapping[str, McpServerSettings]:
    """Return one server by name.

    Raises:
        UsageWrong: there is no such server, or it is disabled; or as for ``configured_servers``.
        ConfigurationInvalid: the file is wrong, and no server can be used.
    """
    servers = configured_servers(settings)
    if name not in servers:
        known = f"It has: {', '.join(servers)}."
        raise UsageWrong(f"{MCP_FILE} has no server {name!r} that can be used.{did_you_mean(name, servers)} {known}")
    if servers[name].disabled:
        raise UsageWrong(f"MCP server {name!r} is disabled: remove `disabled` from {MCP_FILE}.")
    return {name: servers[name]}
