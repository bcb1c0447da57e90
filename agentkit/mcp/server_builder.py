"""Make the ``McpServers`` of a worker from its settings, secrets and environment."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from mcp.client import IncomingMessage
from mcp.client.stdio import DEFAULT_INHERITED_ENV_VARS

from agentkit.errors import ConfigurationInvalid
from agentkit.interfaces import McpServers, Secrets
from agentkit.mcp.http.http_sessions import HttpSessions
from agentkit.mcp.http.oauth import server_auth
from agentkit.mcp.http.oauth_login import login
from agentkit.mcp.http.token_store import FileTokenStore
from agentkit.mcp.server_pool import McpServerPool
from agentkit.mcp.server_problems import unavailable
from agentkit.mcp.server_sessions import ServerSessions
from agentkit.mcp.stdio.stderr_log import StderrLog
from agentkit.mcp.stdio.stdio_sessions import StdioSessions
from agentkit.mcp_config.mcp_settings import McpServerSettings
from agentkit.mcp_placeholders import resolved, secret_or_variable

__all__ = ["build_mcp_servers", "login_at_server", "mcp_server_pool"]

_INHERITED = (*DEFAULT_INHERITED_ENV_VARS, "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TZ")


@asynccontextmanager
async def build_mcp_servers(
    servers: Mapping[str, McpServerSettings],
    *,
    app_dir: Path,
    log_dir: Path,
    secrets: Secrets,
    environment: Mapping[str, str],
) -> AsyncIterator[McpServers]:
    """Provide the servers of ``mcp_server_pool``; at the end, all connections and processes end."""
    pool = mcp_server_pool(servers, secrets, environment, app_dir=app_dir, log_dir=log_dir)
    try:
        yield pool
    finally:
        await pool.aclose()


def mcp_server_pool(
    servers: Mapping[str, McpServerSettings],
    secrets: Secrets,
    environment: Mapping[str, str],
    *,
    app_dir: Path,
    log_dir: Path,
) -> McpServerPool:
    """Return the servers, each connected to when it is first used; ``aclose`` ends all connections and processes.

    Args:
        servers: By name, with placeholders.
        secrets: For placeholders; their values are kept out of the logs.
        environment: The worker's; processes get no more of it than what their settings name, and ``PATH`` and the like.
        app_dir: The directory with ``mcp.json``: processes run in it, and ``cwd`` is relative to it.
        log_dir: Gets ``NAME.log`` with the stderr of each server; has ``tokens/`` with the logins.
    """
    lookup = secret_or_variable(secrets, environment)

    def open_sessions(
        server: str, settings: McpServerSettings, on_message: Callable[[IncomingMessage], None]
    ) -> ServerSessions:
        try:
            settings = resolved(settings, lookup, server=server, app_dir=app_dir)
        except ConfigurationInvalid as error:
            raise unavailable(server, "connect", "failed", str(error)) from None
        if settings.transport != "stdio":
            auth = server_auth(server, settings, _token_store(log_dir))
            return HttpSessions(server, settings, auth=auth, on_message=on_message)
        return StdioSessions(
            server,
            settings,
            directory=app_dir / (settings.cwd or "."),
            environment=_process_environment(settings, environment),
            log=StderrLog(log_dir / f"{re.sub(r'[^A-Za-z0-9._-]', '_', server)}.log", secrets.redact_text),
            on_message=on_message,
        )

    return McpServerPool(servers, open_sessions)


async def login_at_server(
    server: str,
    settings: McpServerSettings,
    *,
    app_dir: Path,
    log_dir: Path,
    secrets: Secrets,
    environment: Mapping[str, str],
    open_url: Callable[[str], Awaitable[None]],
    timeout_s: float = 300.0,
) -> None:
    """Log in at a server for the workers of an app; the arguments are those of ``mcp_server_pool`` and ``login``.

    Raises:
        McpServerUnavailable: the login failed, or the server asks for none.
        ConfigurationInvalid: a placeholder can't be replaced.
    """
    settings = resolved(settings, secret_or_variable(secrets, environment), server=server, app_dir=app_dir)
    await login(server, settings, _token_store(log_dir), open_url=open_url, timeout_s=timeout_s)


def _token_store(log_dir: Path) -> FileTokenStore:
    return FileTokenStore(log_dir / "tokens")


def _process_environment(settings: McpServerSettings, environment: Mapping[str, str]) -> Mapping[str, str]:
    """Return what a process gets: programs of this Python environment are found, too."""
    named = (*_INHERITED, *settings.opspawn.env)
    variables = {name: environment[name] for name in named if name in environment}
    variables["PATH"] = ":".join(filter(None, (variables.get("PATH"), str(Path(sys.executable).parent))))
    return variables | settings.env
