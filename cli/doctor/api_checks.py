"""Ask the API what runs: its readiness, the app that it serves, its default model, its agents and tools."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from httpx2 import AsyncClient, HTTPError, InvalidURL

from activities.settings import Settings
from activities.shell_commands import opspawn_command, shell_path, with_local_commands
from agentkit.client import AgentList, ApiUnreachable, ClientError, OpspawnClient, SystemInfo, ToolList
from agentkit.errors import ConfigurationInvalid
from cli.dev.ports import is_free, next_free_port
from cli.doctor.finding import Finding
from cli.views.notices import dev_command

__all__ = ["ApiState", "api_findings", "ask_api", "port_finding"]

_T = TypeVar("_T")
_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class ApiState:
    """What an API responded."""

    url: str
    failure: str = ""
    """Why it is unreachable, or another program's; empty: it is Opspawn's."""
    not_ready: str = ""
    """Why tasks can't run; empty: they can."""
    system: SystemInfo | None = None
    """None: it didn't respond, or is of a release without that call."""
    agents: AgentList | None = None
    tools: ToolList | None = None

    @property
    def port(self) -> int | None:
        """The port on this machine; None if it is another machine's."""
        parts = urlsplit(self.url)
        return (parts.port or 80) if parts.hostname in ("127.0.0.1", "localhost", "::1") else None

    @property
    def app_dir(self) -> Path | None:
        """The app directory that it serves; None if it isn't known."""
        return Path(self.system.app_dir) if self.system is not None and self.system.app_dir else None


async def ask_api(url: str, api_key: str | None = None) -> ApiState:
    """Ask the API at ``url`` for all that the doctor shows, with this key."""
    url = url.rstrip("/")
    try:
        async with AsyncClient(timeout=_TIMEOUT_S, trust_env=False) as http:
            response = await http.get(f"{url}/readyz")
        client = OpspawnClient(url, api_key=api_key)
    except (HTTPError, InvalidURL, ConfigurationInvalid) as error:
        return ApiState(url, failure=f"doesn't respond at {url} ({str(error) or type(error).__name__})")
    async with client:
        try:
            agents = await client.agents()
        except ApiUnreachable as error:
            return ApiState(url, failure=str(error))
        except ClientError:
            agents = None
        system, tools = await _optional(client.system), await _optional(client.tools)
    not_ready = ""
    if response.status_code != 200:
        try:
            not_ready = str(response.json()["detail"])
        except (ValueError, KeyError, TypeError):
            not_ready = f"{response.status_code} {response.text[:300]}"
    return ApiState(url, not_ready=not_ready, system=system, agents=agents, tools=tools)


async def _optional(call: Callable[[], Awaitable[_T]]) -> _T | None:
    try:
        return await call()
    except ClientError:
        return None


def api_findings(api: ApiState, settings: Settings, *, is_chosen: bool) -> list[Finding]:
    """Report whether the API is ready, the app that it serves, its default model, and agents that can't be used.

    ``is_chosen``: the app directory of ``settings`` was named, or has files of an app; it is the one that should run.
    """
    if api.failure:
        elsewhere = "If it runs elsewhere, set OPSPAWN_URL or use --url."
        return [
            Finding("API", "unreachable", f"{api.failure.rstrip('.')}. {elsewhere}", _start_commands(api, settings))
        ]
    if api.not_ready:
        detail = f"runs at {api.url}, but isn't ready: {with_local_commands(api.not_ready)}"
        findings = [Finding("API", "missing", detail)]
    else:
        findings = [Finding("API", "ok", f"ready at {api.url}")]
    findings += _app_findings(api, settings, is_chosen=is_chosen) + _model_findings(api)
    for agent in api.agents.agents if api.agents is not None else ():
        if agent.problem is not None:
            findings.append(Finding(f"Agent {agent.name}", "missing", with_local_commands(agent.problem)))
    return findings


def _start_commands(api: ApiState, settings: Settings) -> tuple[str, ...]:
    options = _app_dir_option(settings)
    if api.port is not None and not is_free(api.port, settings.host):
        options += ["--port", str(next_free_port(api.port, settings.host))]
    elif api.port not in (None, settings.port):
        options += ["--port", str(api.port)]
    return (opspawn_command("dev", *options),)


def _app_findings(api: ApiState, settings: Settings, *, is_chosen: bool) -> list[Finding]:
    if api.system is None or api.app_dir is None:
        return []
    if not is_chosen or api.app_dir == settings.app_dir.absolute():
        return [Finding("Running app", "ok", f"{api.app_dir} ({api.system.app})")]
    detail = f"port {api.port} is taken by Opspawn's API of the app {api.app_dir}, not of {settings.app_dir.absolute()}"
    ports = {
        "--port": settings.port,
        "--temporal-port": settings.temporal_port,
        "--ui-port": settings.ui_port,
    }
    taken: list[int] = []
    options = _app_dir_option(settings)
    for option, port in ports.items():
        taken.append(next_free_port(port, settings.host, reserved=taken))
        options += [option, str(taken[-1])]
    remedies = (opspawn_command("dev", *options), opspawn_command("doctor", "--app-dir", shell_path(api.app_dir)))
    return [Finding("Running app", "missing", detail, remedies)]


def _app_dir_option(settings: Settings) -> list[str]:
    path = shell_path(settings.app_dir)
    return [] if path == "." else ["--app-dir", path]


def _model_findings(api: ApiState) -> list[Finding]:
    if api.system is None:
        return []
    model = api.system.default_model
    if model.name is None or model.problem is not None:
        return [Finding("Default model", "missing", model.problem or "none is set")]
    if model.unconfigured:
        remedies = (f"export OPENAI_API_KEY=... && {dev_command(api.system)}",)
        return [Finding("Default model", "note", f"{model.name} (the running API has no key)", remedies)]
    return [Finding("Default model", "ok", f"{model.name} (of the running API)")]


async def port_finding(api: ApiState, settings: Settings) -> Finding | None:
    """Report what listens on the port that ``opspawn dev`` would use; None if the API responds."""
    if not api.failure:
        return None
    if is_free(settings.port, settings.host):
        return Finding("Ports", "ok", f"{settings.port} is free for the API")
    remedies = (opspawn_command("dev", *_app_dir_option(settings), "--port", str(next_free_port(settings.port))),)
    other = (
        api if api.port == settings.port else await ask_api(f"http://127.0.0.1:{settings.port}", settings.api_key_text)
    )
    if other.failure:
        return Finding("Ports", "missing", f"{settings.port} (API) is in use by something that isn't Opspawn", remedies)
    app = f"the app {other.app_dir}" if other.app_dir is not None else "another app"
    use = f"export OPSPAWN_URL={other.url}"
    return Finding("Ports", "missing", f"{settings.port} is taken by Opspawn's API of {app}", (use, *remedies))
