"""The plan of ``opspawn dev``: which processes to start, with which ports, and which Temporal server to use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from temporalio.client import Client
from temporalio.envconfig import ClientConfigProfile

from activities.settings import Settings
from activities.shell_commands import same_command
from activities.temporal.client import temporal_address
from activities.temporal.temporal_commands import worker_command
from agentkit.config.providers import default_model, is_unconfigured, missing_configuration
from agentkit.errors import ConfigurationInvalid
from cli.dev.child_environment import child_environment
from cli.dev.child_process import ChildSpec
from cli.dev.log_view import api_line_is_shown, temporal_line_is_shown, worker_line_is_shown
from cli.dev.module_command import module_command
from cli.dev.ports import accepts_connections, free_port, is_free, next_free_port, require_free
from cli.dev.running_app import app_at
from cli.errors import ServerUnreachable, UsageWrong
from cli.task_queue_check import check_task_queue, free_task_queue
from cli.temporal_checks import connect_to_temporal, host_and_port, register_search_attributes
from cli.temporal_server import TemporalServer, find_temporal
from cli.views.notices import demo_notice

__all__ = ["DevPlan", "make_plan", "with_free_grpc_port"]

_DEMO_INPUT = 'call calculator {"expression": "6*7"}'
_LOOPBACK = ("127.0.0.1", "localhost")
_ANY_ADDRESS = ("0.0.0.0", "::")


@dataclass(frozen=True, slots=True)
class DevPlan:
    """The processes to start, in order, and the addresses to print."""

    temporal: ChildSpec | None
    """None: a Temporal server that runs already is used."""
    workers: tuple[ChildSpec, ...]
    api: ChildSpec
    api_url: str
    """The API's URL on this machine."""
    table: dict[str, str]
    """Names and addresses, printed when everything is ready."""
    notice: str = ""
    """Printed before them."""
    example_input: str = "What is 6*7?"
    """Input of a first task to try."""
    temporal_address: str = "127.0.0.1:7233"
    """Where Temporal responds, ``host:port``."""

    @property
    def children(self) -> tuple[ChildSpec, ...]:
        """All processes, in the order they are started."""
        return (*([self.temporal] if self.temporal else []), *self.workers, self.api)


async def make_plan(settings: Settings, workers: int, *, temporal_port: int | None = None) -> DevPlan:
    """Check the ports and Temporal, and return what to start.

    ``temporal_port`` is the command line's own, which wins over an address in the environment.

    Raises:
        UsageWrong: a port is in use, there is no Temporal to start, or another app's workers use the task queue.
        ServerUnreachable: the environment names a Temporal on another machine, which doesn't respond.
    """
    address = f"127.0.0.1:{temporal_port}" if temporal_port is not None else str(temporal_address(settings))
    host, port = host_and_port(address)
    _require_different_ports(settings, port)
    running_temporal = await _running_temporal(settings, host, port)
    if running_temporal is not None:
        await register_search_attributes(running_temporal)
        await check_task_queue(running_temporal, settings, _task_queue_cures(settings, port))
    await _require_free_api_port(settings)
    if settings.grpc_port:
        require_free(settings.grpc_port, "--grpc-port", "gRPC", settings.host)
    settings = settings.model_copy(update={"relay_port": _relay_port(settings)})
    if running_temporal is None and "collect_payloads" not in settings.model_fields_set:
        settings = settings.model_copy(update={"collect_payloads": True})
    environment = child_environment(settings, temporal_address=address, relay_port=settings.relay_port)
    api_host = "127.0.0.1" if settings.host in _ANY_ADDRESS else settings.host
    model = _default_model(settings)
    url = f"http://{api_host}:{settings.port}"
    return DevPlan(
        temporal=None if running_temporal else _temporal(settings, port, environment),
        workers=tuple(_worker(number, workers, environment) for number in range(1, workers + 1)),
        api=ChildSpec("api", module_command("api"), environment, api_line_is_shown, grace_s=1.5),
        temporal_address=address,
        api_url=url,
        table={
            "API": f"{url} (documentation: {url}/docs)",
            "gRPC": f"{api_host}:{settings.grpc_port}" if settings.grpc_port else "none",
            "Temporal": f"{host}:{port} ({'already running' if running_temporal else 'embedded'})",
            "Web UI": _web_ui(settings, is_embedded=running_temporal is None),
            "Workers": str(workers) if workers else f"none; start one with: {worker_command(settings, address)}",
            "App": str(settings.app_dir),
            "Task queue": settings.task_queue,
            "Data": str(settings.data_dir),
            "Model": model,
        },
        example_input=_DEMO_INPUT if model.startswith("demo") else "What is 6*7?",
        notice=demo_notice(same_command({})) if is_unconfigured(settings) else "",
    )


async def _require_free_api_port(settings: Settings) -> None:
    """Check that the API's port is free; else name the app whose API listens there, if it is Opspawn's."""
    if is_free(settings.port, settings.host):
        return
    host = "127.0.0.1" if settings.host in _ANY_ADDRESS else settings.host
    url = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
    other = await app_at(url, settings.api_key_text)
    if other is not None:
        free = next_free_port(settings.port, settings.host, reserved={settings.grpc_port, settings.relay_port})
        raise UsageWrong(
            f"Port {settings.port} (API) is in use by Opspawn's API of the app {other.app_dir or other.app}. "
            f"Stop it, or use another port, such as --port {free}."
        )
    require_free(settings.port, "--port", "API", settings.host)


def with_free_grpc_port(settings: Settings) -> Settings:
    """Return ``settings``, with any free port for gRPC when the default one is in use and no other is set."""
    if "grpc_port" in settings.model_fields_set or is_free(settings.grpc_port, settings.host):
        return settings
    return settings.model_copy(update={"grpc_port": free_port(settings.host)})


def _relay_port(settings: Settings) -> int:
    """Return where the API accepts tokens from the workers: any port will do, since only these children use it."""
    if "relay_port" in settings.model_fields_set or is_free(settings.relay_port, settings.relay_host):
        return settings.relay_port
    return free_port(settings.relay_host)


async def _running_temporal(settings: Settings, host: str, port: int) -> Client | None:
    """Return a client of the Temporal that responds at this address; None: one has to be started there."""
    if not accepts_connections(host, port):
        if host in _LOOPBACK:
            return None
        raise ServerUnreachable(
            f"Temporal at {host}:{port} doesn't respond. Start it, or unset TEMPORAL_ADDRESS to use the embedded one."
        )
    try:
        return await connect_to_temporal(settings, address=f"{host}:{port}")
    except ServerUnreachable:
        if host not in _LOOPBACK:
            raise
        raise UsageWrong(
            f"Port {port} (Temporal) is in use by something that isn't Temporal. "
            "Stop it, or use another with --temporal-port."
        ) from None


def _task_queue_cures(settings: Settings, temporal_port: int) -> dict[str, str]:
    """Return the commands that start this app beside the one that uses the task queue."""
    ports = {"--port": settings.port, "--temporal-port": temporal_port, "--ui-port": settings.ui_port}
    reserved = {*ports.values(), settings.grpc_port}
    if is_free(settings.port, settings.host):
        del ports["--port"]
    options: dict[str, str] = {}
    for option, port in ports.items():
        free = next_free_port(port, reserved=reserved)
        reserved.add(free)
        options[option] = str(free)
    api_port = {option: text for option, text in options.items() if option == "--port"}
    variables = {"OPSPAWN_TASK_QUEUE": free_task_queue(settings)}
    return {
        "Give this app a task queue of its own": same_command(api_port, variables=variables),
        "or a Temporal of its own": same_command(options),
    }


def _web_ui(settings: Settings, *, is_embedded: bool) -> str:
    """Return the address of Temporal's Web UI, or how to name it: one that runs elsewhere isn't at our port."""
    is_guessed = settings.temporal_ui_url == f"http://localhost:{settings.ui_port}"
    if is_guessed and not is_embedded and not accepts_connections("localhost", settings.ui_port):
        return "unknown; name it by OPSPAWN_TEMPORAL_UI_URL"
    return settings.temporal_ui_url


def _temporal(settings: Settings, port: int, environment: Mapping[str, str]) -> ChildSpec:
    require_free(settings.ui_port, "--ui-port", "Temporal's Web UI")
    server = TemporalServer(
        binary=find_temporal(settings),
        port=port,
        ui_port=settings.ui_port,
        database=settings.data_dir / "temporal.db",
        namespace=ClientConfigProfile.load().namespace,
        codec_endpoint=f"http://127.0.0.1:{settings.port}/codec" if settings.encryption_keys else None,
    )
    command = tuple(server.command())
    return ChildSpec("temporal", command, environment, temporal_line_is_shown, grace_s=1.5, umask=0o077)


def _worker(number: int, workers: int, environment: Mapping[str, str]) -> ChildSpec:
    name = "worker" if workers == 1 else f"worker-{number}"
    return ChildSpec(name, module_command("worker"), environment, worker_line_is_shown, grace_s=5.5)


def _require_different_ports(settings: Settings, temporal_port: int) -> None:
    """Check that no two servers have the same port."""
    ports = {
        "--port": settings.port,
        "--temporal-port": temporal_port,
        "--ui-port": settings.ui_port,
        "--grpc-port": settings.grpc_port,
    }
    options: dict[int, str] = {}
    for option, port in ports.items():
        if port in options:
            raise UsageWrong(f"Port {port} is asked for twice, by {options[port]} and {option}. Give each its own.")
        if port:
            options[port] = option


def _default_model(settings: Settings) -> str:
    """Return the model of agents that name none, or what is missing for it."""
    try:
        model = default_model(settings)
        problem = missing_configuration(model, settings)
    except ConfigurationInvalid as error:
        return str(error)
    if problem:
        return problem
    return "demo (no key set)" if is_unconfigured(settings) else model
