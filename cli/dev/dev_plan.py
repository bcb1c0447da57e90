"""Decide what ``opspawn dev`` starts: which Temporal is used, which ports are taken, which processes it takes."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

from temporalio.envconfig import ClientConfigProfile

from activities.settings import Settings
from activities.temporal.client import temporal_address
from agentkit.config.providers import default_model, missing_configuration
from agentkit.errors import ConfigurationInvalid
from cli.dev.child_process import ChildSpec
from cli.dev.log_view import shows_api, shows_temporal, shows_worker
from cli.dev.ports import answers, any_free, is_free, require_free
from cli.errors import ServerUnreachable, UsageWrong
from cli.temporal_checks import host_and_port, reach, register_search_attributes
from cli.temporal_server import TemporalServer, find_temporal

__all__ = ["Plan", "export", "make_plan"]

_LOOPBACK = ("127.0.0.1", "localhost")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to start, in order, and what to tell of it."""

    temporal: ChildSpec | None
    """None: one that runs already is used."""
    workers: tuple[ChildSpec, ...]
    api: ChildSpec
    api_url: str
    """Where this machine finds the API."""
    table: dict[str, str]

    @property
    def children(self) -> tuple[ChildSpec, ...]:
        """All processes, in the order they are started."""
        return (*([self.temporal] if self.temporal else []), *self.workers, self.api)


async def make_plan(settings: Settings, workers: int) -> Plan:
    """Look at the ports and at Temporal, and decide.

    Raises:
        UsageWrong: a port is taken, or there is no Temporal to start.
        ServerUnreachable: the Temporal that the environment names is elsewhere, and doesn't answer.
    """
    _require_apart(settings)
    require_free(settings.port, "--port", "API", settings.host)
    if settings.grpc_port:
        require_free(settings.grpc_port, "--grpc-port", "gRPC", settings.host)
    host, port = host_and_port(settings)
    embedded = await _is_ours_to_start(settings, host, port)
    api_host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host
    url = f"http://{api_host}:{settings.port}"
    return Plan(
        temporal=_temporal(settings, port) if embedded else None,
        workers=tuple(_worker(number, workers) for number in range(1, workers + 1)),
        api=ChildSpec("api", _python("api"), shows_api, grace=1.5),
        api_url=url,
        table={
            "API": f"{url} (documentation: {url}/docs)",
            "gRPC": f"{api_host}:{settings.grpc_port}" if settings.grpc_port else "none",
            "Temporal": f"{host}:{port} ({'embedded' if embedded else 'already running'})",
            "Web UI": settings.temporal_ui_url,
            "Workers": str(workers) if workers else "none; start one with: python -m worker",
            "App": str(settings.app_dir),
            "Data": str(settings.data_dir),
            "Model": _model(settings),
        },
    )


def export(settings: Settings, *, temporal_port: int | None) -> None:
    """Hand the settings down: set in this process's environment, they reach every child.

    ``temporal_port`` is the command line's own, which wins over an address in the environment.
    """
    for key in ("app_dir", "data_dir", "host", "port", "temporal_port", "ui_port", "temporal_ui_url"):
        os.putenv(f"OPSPAWN_{key.upper()}", str(getattr(settings, key)))
    if "grpc_port" in settings.model_fields_set:  # the default one is no reason for the API not to start
        os.putenv("OPSPAWN_GRPC_PORT", str(settings.grpc_port))
    if temporal_port is not None:
        os.putenv("TEMPORAL_ADDRESS", f"127.0.0.1:{temporal_port}")
    os.putenv("TEMPORAL_ADDRESS", temporal_address(settings))
    os.putenv("OPSPAWN_RELAY_PORT", str(_relay_port(settings)))
    os.putenv("PYTHONUNBUFFERED", "1")


def _relay_port(settings: Settings) -> int:
    """Return where the API and the workers meet: nobody else needs to know, so any port will do."""
    if "relay_port" in settings.model_fields_set or is_free(settings.relay_port, settings.relay_host):
        return settings.relay_port
    return any_free(settings.relay_host)


async def _is_ours_to_start(settings: Settings, host: str, port: int) -> bool:
    if not answers(host, port):
        if host in _LOOPBACK:
            return True
        raise ServerUnreachable(
            f"Temporal at {host}:{port} doesn't answer. Start it, or unset TEMPORAL_ADDRESS to use the embedded one."
        )
    try:
        client = await reach(settings)
    except ServerUnreachable:
        if host not in _LOOPBACK:
            raise
        raise UsageWrong(
            f"Port {port} (Temporal) is in use by something that isn't Temporal. "
            "Stop it, or take another with --temporal-port."
        ) from None
    await register_search_attributes(client)
    return False


def _temporal(settings: Settings, port: int) -> ChildSpec:
    require_free(settings.ui_port, "--ui-port", "Temporal's Web UI")
    server = TemporalServer(
        binary=find_temporal(settings),
        port=port,
        ui_port=settings.ui_port,
        database=settings.data_dir / "temporal.db",
        namespace=ClientConfigProfile.load().namespace,
    )
    return ChildSpec("temporal", tuple(server.command()), shows_temporal, grace=1.5)


def _worker(number: int, workers: int) -> ChildSpec:
    return ChildSpec("worker" if workers == 1 else f"worker-{number}", _python("worker"), shows_worker, grace=5.5)


def _python(module: str) -> tuple[str, ...]:
    # -P: modules of the working directory must not stand in for ours.
    return (sys.executable, "-P", "-m", module)


def _require_apart(settings: Settings) -> None:
    """Check that no two servers are to have one port."""
    wanted = {
        "--port": settings.port,
        "--temporal-port": host_and_port(settings)[1],
        "--ui-port": settings.ui_port,
        "--grpc-port": settings.grpc_port,
    }
    taken: dict[int, str] = {}
    for option, port in wanted.items():
        if port in taken:
            raise UsageWrong(f"Port {port} is asked for twice, by {taken[port]} and {option}. Give each its own.")
        if port:
            taken[port] = option


def _model(settings: Settings) -> str:
    try:
        model = default_model(settings)
        lacking = missing_configuration(model, settings)
    except ConfigurationInvalid as error:
        return str(error)
    if lacking:
        return lacking
    return "demo (no key set)" if model == "demo:demo" and settings.default_provider is None else model
