"""Check the MCP servers of an app directory: connect to each, and name what is wrong and its cure."""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Iterable, Mapping

from activities.settings import Settings
from activities.shell_commands import opspawn_command, python_command, shell_path
from agentkit.catalog.mcp_access import MCP_PROXY
from agentkit.interfaces import McpServerProblem
from agentkit.mcp_config.mcp_names import MCP_PREFIX, split_pattern
from agentkit.mcp_config.mcp_settings import McpServerSettings
from agentkit.mcp_process import McpCheckCommand, McpServerChecked
from agentkit.specs import AgentDefinition
from cli.doctor.finding import Finding
from cli.errors import CommandFailed
from cli.mcp_child import running_mcp_process

__all__ = ["check_finding", "mcp_findings", "problem_text", "used_servers"]

_CHECK_TIMEOUT_S = 45.0
"""For all servers together, whatever their own timeouts are."""

_INSTALLERS = {"uv": "uv", "uvx": "uv", "pipx": "pipx"}
"""The package of PyPI that has a command."""


async def mcp_findings(
    settings: Settings, servers: Mapping[str, McpServerSettings], agents: Iterable[AgentDefinition]
) -> list[Finding]:
    """Connect to all servers at once, also to those that no agent uses, and report which can be used."""
    enabled = {name: server for name, server in servers.items() if not server.disabled}
    if not enabled:
        return []
    checked: dict[str, McpServerChecked] = {}
    failure = f"no response within {_CHECK_TIMEOUT_S:g} s"
    try:
        async with asyncio.timeout(_CHECK_TIMEOUT_S):
            async with running_mcp_process(settings, enabled, McpCheckCommand()) as process:
                async for message in process.messages():
                    if isinstance(message, McpServerChecked):
                        checked[message.name] = message
    except TimeoutError:
        pass
    except CommandFailed as error:
        failure = str(error)
    used = used_servers(agents)
    findings = []
    for name, server in sorted(enabled.items()):
        problem = McpServerProblem(server=name, kind="timed_out", message=f"MCP server {name!r}: {failure}")
        found = checked.get(name, McpServerChecked(name=name, problem=problem))
        findings.append(check_finding(found, server, settings, is_used=used is None or name in used))
    return findings


def used_servers(agents: Iterable[AgentDefinition]) -> set[str] | None:
    """Return the servers whose tools agents have; None: an agent may use all of them."""
    tools = {tool for agent in agents for tool in agent.tools}
    if MCP_PROXY in tools:
        return None
    return {split_pattern(tool)[0] for tool in tools if tool.startswith(MCP_PREFIX)}


def check_finding(
    checked: McpServerChecked, server: McpServerSettings, settings: Settings, *, is_used: bool
) -> Finding:
    """Return what a check of a server found, with the cure."""
    subject, unused = f"MCP server {checked.name}", "" if is_used else ". No agent uses it"
    problem = checked.problem
    if problem is None:
        count = "1 tool" if checked.tools == 1 else f"{checked.tools} tools"
        return Finding(subject, "ok", f"{server.transport}, {count}{unused}")
    cure, remedies = _cure(problem, server, settings)
    detail = f"{problem_text(problem).rstrip('. ')}. {cure}{unused}"
    return Finding(subject, "missing" if is_used else "note", detail, remedies)


def problem_text(problem: McpServerProblem) -> str:
    """Return what is wrong, in one line, without the server's name, which stands before it."""
    message = re.sub(rf"^MCP server '?{re.escape(problem.server)}'? *(\(connect\))?:? *", "", problem.message.strip())
    *lines, last = [line.strip() for line in message.splitlines()] or [""]
    return " ".join([*(line if line.endswith((".", ":", ";")) else f"{line}." for line in lines), last])


def _cure(problem: McpServerProblem, server: McpServerSettings, settings: Settings) -> tuple[str, tuple[str, ...]]:
    """Return what to do about a problem, as a sentence, and commands that do it."""
    file = shell_path(settings.app_dir / "mcp.json")
    look = opspawn_command("mcp", "tools", problem.server, *_app_dir_option(settings))
    match problem.kind:
        case "command_not_found":
            package = _INSTALLERS.get(server.command or "")
            install = (python_command("-m", "pip", "install", package),) if package else ()
            return f"Install {server.command}, or correct command in {file}", install
        case "crashed":
            log = shell_path(settings.data_dir / "mcp" / f"{problem.server}.log")
            return f"Correct its command, args or env in {file}. All of its stderr is in {log}", _own_command(server)
        case "unreachable":
            return f"Start it, or correct its url in {file}", ()
        case "not_authorized" if _takes_login(server):
            login = opspawn_command("mcp", "login", problem.server, *_app_dir_option(settings))
            missing = server.opspawn.oauth is None
            return f'Add "opspawn": {{"oauth": {{}}}} in {file}, and log in' if missing else "Log in", (login,)
        case "not_authorized":
            return f"Correct the token in its headers or oauth in {file}, or the secret that they name", ()
        case "wrong_protocol":
            return f'Set "opspawn": {{"protocol": "auto"}} in {file}, or a version that the server has', ()
        case "timed_out":
            return f"See whether it runs, or raise opspawn.connect_timeout in {file}", (look,)
        case _:
            return f"Correct what it says, in {file} or in the server", (look,)


def _takes_login(server: McpServerSettings) -> bool:
    """Return whether a person may log in at the server; else the worker has a token, or gets one by itself."""
    oauth = server.opspawn.oauth
    if oauth is not None:
        return oauth.grant == "authorization_code"
    return not any(name.lower() == "authorization" for name in server.headers)


def _own_command(server: McpServerSettings) -> tuple[str, ...]:
    """Return the server's command to try by hand; nothing where it has placeholders."""
    command = shlex.join([server.command or "", *server.args])
    return () if server.command is None or re.search(r"\$\{", command) else (command,)


def _app_dir_option(settings: Settings) -> list[str]:
    path = shell_path(settings.app_dir)
    return [] if path == "." else ["--app-dir", path]
