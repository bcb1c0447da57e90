"""The checks of ``opspawn doctor``: the installation, an app directory, and the system that runs. None raises."""

from __future__ import annotations

import asyncio
import os
import platform
import shlex
import sys
from contextlib import suppress
from dataclasses import dataclass

from temporalio.client import Client
from temporalio.envconfig import ClientConfigProfile

from activities.settings import Settings, inherited_environment, unknown_variables
from activities.shell_commands import opspawn_command
from activities.temporal.client import temporal_address
from activities.temporal.temporal_commands import setup_command, worker_command
from activities.temporal.worker_identity import app_id
from agentkit.catalog.catalog import Catalog
from agentkit.config.extra_packages import install_command
from agentkit.errors import ConfigurationInvalid
from agentkit.interfaces import memory_task_queue
from agentkit.secrets import SecretStore
from cli.command_options import api_url
from cli.dev.data_dir_lock import running_dev
from cli.dev.ports import accepts_connections, next_free_port
from cli.doctor.access_checks import access_findings
from cli.doctor.api_checks import ApiState, api_findings, ask_api, port_finding
from cli.doctor.app_checks import app_findings, is_app_dir, load_app, model_findings
from cli.doctor.external_tool_checks import external_tool_findings
from cli.doctor.finding import Finding
from cli.doctor.mcp_checks import mcp_findings
from cli.doctor.memory_checks import agents_with_memory, memory_findings, served_memory_findings
from cli.doctor.worker_checks import ExpectedWorkers, secret_findings, worker_findings
from cli.errors import CommandFailed, UsageWrong
from cli.temporal_checks import connect_to_temporal, host_and_port, missing_search_attributes
from cli.temporal_server import find_temporal

__all__ = ["Checkup", "run_checks"]

_VERSION_TIMEOUT_S = 10.0
_LOOPBACK = ("127.0.0.1", "localhost")


@dataclass(frozen=True, slots=True)
class Checkup:
    """What all checks found."""

    settings: Settings
    """Those of the app directory that was checked."""
    api: ApiState
    findings: tuple[Finding, ...]


async def run_checks(settings: Settings) -> Checkup:
    """Run all checks; the findings are in the order in which things are needed.

    The running system is described by its API. Without one, ``settings`` define what should run.
    """
    api = await ask_api(_url(settings), settings.api_key_text)
    is_chosen = "app_dir" in settings.model_fields_set or is_app_dir(settings.app_dir)
    if not is_chosen and api.app_dir is not None and api.app_dir.is_dir():
        with suppress(ConfigurationInvalid):  # then the API would not run
            settings = Settings.load(api.app_dir)
    catalog = await load_app(settings)
    findings = [_python(), await _binary(settings), _data_dir(settings), *_variables()]
    findings += [*access_findings(settings), *app_findings(settings, catalog)]
    findings += memory_findings(settings, agents_with_memory(catalog))
    if catalog is not None:
        running_default = api.system.default_model.name if api.system is not None else None
        models, servers = await asyncio.gather(
            model_findings(settings, catalog, running_default),
            mcp_findings(settings, catalog.mcp_servers, catalog.agents.values()),
        )
        findings += [*models, *servers]
    findings += await _temporal(settings, api, catalog)
    if settings.secrets and not any(finding.subject == "Secrets" for finding in findings):  # no worker has responded
        problems = SecretStore(settings.secrets, settings.app_dir, inherited_environment()).problems
        findings += secret_findings(problems, "this shell; no worker could be asked")
    findings += api_findings(api, settings, is_chosen=is_chosen)
    ports = await port_finding(api, settings)
    return Checkup(settings, api, (*findings, *([ports] if ports is not None else [])))


def _url(settings: Settings) -> str:
    """Return the configured URL of the API, else that of the ``opspawn dev`` that runs on the data directory."""
    dev = running_dev(settings.data_dir) if "url" not in settings.model_fields_set else None
    return dev.url if dev is not None and dev.url else api_url(settings)


def _python() -> Finding:
    return Finding("Python", "ok", f"{platform.python_version()} ({sys.executable})")


async def _binary(settings: Settings) -> Finding:
    install = (install_command("embedded"),)
    try:
        binary = find_temporal(settings)
        process = await asyncio.create_subprocess_exec(
            str(binary), "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        output, _ = await asyncio.wait_for(process.communicate(), _VERSION_TIMEOUT_S)
    except CommandFailed as error:
        if settings.temporal_bin is not None:
            return Finding("temporal command", "missing", str(error), ("unset OPSPAWN_TEMPORAL_BIN",))
        if ClientConfigProfile.load().address is not None:
            detail = "none: `opspawn dev` needs one to start a server, where none runs at the configured address"
            return Finding("temporal command", "note", detail)
        return Finding("temporal command", "missing", str(error), install)
    except (OSError, TimeoutError) as error:
        return Finding("temporal command", "missing", f"{binary} can't be run ({error})", install)
    return Finding("temporal command", "ok", f"{output.decode(errors='replace').strip()} ({binary})")


def _data_dir(settings: Settings) -> Finding:
    existing = settings.data_dir.absolute()
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir():
        detail = f"{settings.data_dir.absolute()} can't be made, because {existing} is a file: set OPSPAWN_DATA_DIR"
        return Finding("Data directory", "missing", detail, ('export OPSPAWN_DATA_DIR="$HOME/.opspawn"',))
    if not os.access(existing, os.W_OK | os.X_OK):
        remedies = (f"chmod u+rwx {shlex.quote(str(existing))}", 'export OPSPAWN_DATA_DIR="$HOME/.opspawn"')
        return Finding("Data directory", "missing", f"{existing} can't be written", remedies)
    return Finding("Data directory", "ok", str(settings.data_dir.absolute()))


def _variables() -> list[Finding]:
    return [Finding("Variables", "note", message) for message in unknown_variables()]


async def _temporal(settings: Settings, api: ApiState, catalog: Catalog | None) -> list[Finding]:
    address = _temporal_address(settings, api)
    try:
        host, port = host_and_port(address)
    except UsageWrong as error:
        return [Finding("Temporal", "missing", str(error))]
    try:
        client = await connect_to_temporal(settings, address=address)
    except CommandFailed as error:
        if host in _LOOPBACK and accepts_connections(host, port):
            problem = f"port {port} is in use by something that isn't Temporal"
            remedy = opspawn_command("dev", "--temporal-port", str(next_free_port(port)))
            return [Finding("Temporal", "unreachable", problem, (remedy,))]
        return [Finding("Temporal", "unreachable", str(error))]
    findings = [Finding("Temporal", "ok", f"responds at {address}, namespace {client.namespace}")]
    if api.system is not None and api.app_dir is not None and api.system.temporal_namespace != client.namespace:
        detail = f"the API uses namespace {api.system.temporal_namespace}, and this shell {client.namespace}"
        remedies = (f"export TEMPORAL_NAMESPACE={api.system.temporal_namespace}",)
        return [*findings, Finding("Namespace", "missing", detail, remedies)]
    expected = _expected_workers(settings, api, catalog, address)
    findings += [await _search_attributes(client, address), *await worker_findings(client, expected)]
    findings += await served_memory_findings(
        client, settings, expected.task_queue, expected.start_command, agents_with_memory(catalog)
    )
    return [*findings, *await external_tool_findings(client, _external_task_queues(api, catalog, expected.task_queue))]


def _temporal_address(settings: Settings, api: ApiState) -> str:
    """Return the address that the running API uses if it runs on this machine, else the configured one."""
    return api.system.temporal if api.system is not None and api.app_dir is not None else temporal_address(settings)


def _expected_workers(settings: Settings, api: ApiState, catalog: Catalog | None, address: str) -> ExpectedWorkers:
    system = api.system
    if system is None or api.app_dir is None:
        return ExpectedWorkers(
            settings.task_queue,
            app_id(settings),
            worker_command(settings, address),
            file_tools=_tools(catalog),
            has_secrets=bool(settings.secrets),
            encryption_keys=tuple(settings.encryption_keys),
            deployment=settings.deployment,
        )
    return ExpectedWorkers(
        system.task_queue,
        system.app,
        system.worker_command,
        data_dir=system.data_dir,
        file_tools=_tools(catalog) if api.app_dir == settings.app_dir.absolute() else (),
        api_tools=api.tools,
        agents=api.agents,
        has_secrets=bool(settings.secrets),
        encryption_keys=tuple(settings.encryption_keys),
        deployment=settings.deployment,
    )


def _tools(catalog: Catalog | None) -> list[str]:
    return [spec.name for spec in catalog.toolset.specs() if spec.task_queue is None] if catalog is not None else []


def _external_task_queues(api: ApiState, catalog: Catalog | None, task_queue: str) -> dict[str, str]:
    """Return the task queue of each tool of other programs, by the tool's name."""
    listed = api.tools.tools if api.tools is not None else catalog.toolset.specs() if catalog is not None else ()
    own = (None, memory_task_queue(task_queue))
    return {tool.name: tool.task_queue for tool in listed if tool.task_queue is not None and tool.task_queue not in own}


async def _search_attributes(client: Client, address: str) -> Finding:
    try:
        missing = await missing_search_attributes(client)
    except CommandFailed as error:
        return Finding("Search attributes", "missing", str(error))
    if missing:
        detail = f"not registered: {', '.join(missing)}"
        return Finding("Search attributes", "missing", detail, (setup_command(address),))
    return Finding("Search attributes", "ok", "registered")
