"""Commands that messages name: they work when pasted into a shell, also where ``opspawn`` isn't on the PATH."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from temporalio.envconfig import ClientConfigProfile

from activities.settings import Settings
from activities.temporal.client import temporal_address

__all__ = ["opspawn_command", "python_command", "same_command", "setup_command", "shell_path", "worker_command"]

_LOOPBACK = ("127.0.0.1", "localhost")
_NAME = "opspawn"


def opspawn_command(*arguments: str) -> str:
    """Return a command of ``opspawn`` for this directory and shell."""
    return _command({}, [*_program(Path.cwd()), *arguments])


def same_command(*options: str, variables: Mapping[str, str] | None = None) -> str:
    """Return the command line of this process, with more environment variables and options."""
    return _command(variables or {}, [*_program(Path.cwd()), *sys.argv[1:], *options])


def python_command(*arguments: str) -> str:
    """Return a command of the Python that runs this process, for this directory."""
    return _command({}, [shell_path(Path(sys.executable)), *arguments])


def shell_path(path: Path) -> str:
    """Return ``path`` as it can be written in this directory: relative if it lies below."""
    return _path(path, Path.cwd())


def worker_command(settings: Settings, address: str | None = None, *, here: bool = False) -> str:
    """Return the command that starts a worker with these settings, for Temporal at ``address`` or the configured one.

    ``here``: for this directory and shell; else for any shell of this machine, with absolute paths.
    """
    directory = Path.cwd() if here else None
    address = address or temporal_address(settings)
    host, _, port = address.rpartition(":")
    variables = _temporal_variables("" if host in _LOOPBACK else address)
    for key in ("app_name", "task_queue", "relay_port"):
        if (value := getattr(settings, key)) != _default(key):
            variables[f"OPSPAWN_{key.upper()}"] = str(value)
    options = ["--app-dir", _path(settings.app_dir, directory)]
    if directory is None or settings.data_dir.absolute() != Path(str(_default("data_dir"))).absolute():
        options += ["--data-dir", _path(settings.data_dir, directory)]
    if host in _LOOPBACK and port != str(_default("temporal_port")):
        options += ["--temporal-port", port]
    return _command(variables, [*_program(directory), "worker", *options])


def setup_command(address: str, *, here: bool = False) -> str:
    """Return the command that registers the search attributes at ``address``; ``here`` as for ``worker_command``."""
    variables = _temporal_variables("" if address == f"127.0.0.1:{_default('temporal_port')}" else address)
    return _command(variables, [*_program(Path.cwd() if here else None), "setup"])


def _temporal_variables(address: str) -> dict[str, str]:
    variables = {"TEMPORAL_ADDRESS": address} if address else {}
    namespace = ClientConfigProfile.load().namespace
    if namespace not in (None, "default"):
        variables["TEMPORAL_NAMESPACE"] = str(namespace)
    return variables


def _default(key: str) -> object:
    return Settings.model_fields[key].default


def _command(variables: Mapping[str, str], arguments: list[str]) -> str:
    return " ".join([*(f"{name}={shlex.quote(value)}" for name, value in variables.items()), shlex.join(arguments)])


def _program(directory: Path | None) -> list[str]:
    """Return how ``opspawn`` can be started: by its name if the PATH of this shell has it, else by its path."""
    script = Path(sys.argv[0])
    if script.name != _NAME or not script.is_file():
        script = Path(sys.executable).with_name(_NAME)
    if not script.is_file():
        return [_path(Path(sys.executable), directory), "-m", _NAME]
    found = shutil.which(_NAME) if directory is not None else None
    if found is not None and os.path.samefile(found, script):
        return [_NAME]
    path = _path(script, directory)
    return [path if "/" in path else f"./{path}"]


def _path(path: Path, directory: Path | None) -> str:
    absolute = Path(os.path.abspath(path))  # unlike Path.resolve, it keeps symlinks, such as a venv's python
    if directory is not None and absolute.is_relative_to(directory):
        return str(absolute.relative_to(directory))
    return str(absolute)
