"""Commands for messages that start a worker or prepare Temporal: for the same Temporal, and the same app."""

from __future__ import annotations

from temporalio.envconfig import ClientConfigProfile

from activities.settings import Settings
from activities.shell_commands import opspawn_command, shell_path
from activities.temporal.client import temporal_address

__all__ = ["setup_command", "worker_command"]

_LOOPBACK = ("127.0.0.1", "localhost")


def worker_command(settings: Settings, address: str | None = None, *, anywhere: bool = False) -> str:
    """Return the command that starts a worker with these settings, for Temporal at ``address`` or the configured one.

    It is for this directory and shell; ``anywhere``: for any shell of this machine.
    """
    address = address or temporal_address(settings)
    host, _, port = address.rpartition(":")
    variables = _temporal_variables("" if host in _LOOPBACK else address)
    for key in ("app_name", "task_queue", "relay_port"):
        if (value := getattr(settings, key)) != _default(key):
            variables[f"OPSPAWN_{key.upper()}"] = str(value)
    options = ["--app-dir", shell_path(settings.app_dir, anywhere=anywhere)]
    if settings.data_dir != settings.app_dir.absolute() / str(_default("data_dir")):
        options += ["--data-dir", shell_path(settings.data_dir, anywhere=anywhere)]
    if host in _LOOPBACK and port != str(_default("temporal_port")):
        options += ["--temporal-port", port]
    return opspawn_command("worker", *options, variables=variables, anywhere=anywhere)


def setup_command(address: str, *, anywhere: bool = False) -> str:
    """Return the command that registers the search attributes at ``address``; ``anywhere`` as for a worker."""
    is_default = address == f"127.0.0.1:{_default('temporal_port')}"
    return opspawn_command("setup", variables=_temporal_variables("" if is_default else address), anywhere=anywhere)


def _temporal_variables(address: str) -> dict[str, str]:
    variables = {"TEMPORAL_ADDRESS": address} if address else {}
    namespace = ClientConfigProfile.load().namespace
    if namespace not in (None, "default"):
        variables["TEMPORAL_NAMESPACE"] = str(namespace)
    return variables


def _default(key: str) -> object:
    return Settings.model_fields[key].default
