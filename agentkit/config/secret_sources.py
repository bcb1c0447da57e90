"""Where the secrets of tools come from: the section ``[secrets]`` of the settings. It never holds a value."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, StringConstraints, field_validator, model_validator

__all__ = ["SecretName", "SecretSource"]

SecretName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]
"""A letter, then letters, digits, ``_`` or ``-``; 64 at most."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HOST = re.compile(r"(https?://)?(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(:[0-9]{1,5})?")


class SecretSource(BaseModel):
    """The environment variable or file that has the value of a secret, and where it may be sent."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    env: str | None = None
    """The name of an environment variable of the worker."""
    file: str | None = None
    """The path of a file on the worker's machine; relative to the app directory. A line break at its end is removed."""
    hosts: tuple[str, ...] = ()
    """Hosts that ``http_request`` and tools of OpenAPI documents may send it to, such as ``api.github.com``: by https
    at port 443. ``*.example.com`` is any host below; ``http://host`` and ``host:8443`` allow others. None: nowhere."""

    @field_validator("env")
    @classmethod
    def _check_variable(cls, name: str | None) -> str | None:
        # A value that was pasted here by mistake must not be shown.
        if name is not None and not _VARIABLE.fullmatch(name):
            raise ValueError("expected the name of an environment variable, such as GITHUB_TOKEN")
        return name

    @field_validator("hosts")
    @classmethod
    def _check_hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        if not all(_HOST.fullmatch(host) for host in hosts):
            raise ValueError("expected hosts such as api.github.com, *.example.com or http://localhost:8080")
        return tuple(host.lower() for host in hosts)

    @model_validator(mode="after")
    def _have_one_source(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError('expected either env = "VARIABLE" or file = "PATH"')
        return self

    @property
    def description(self) -> str:
        """The source, for messages: ``variable GITHUB_TOKEN`` or ``file /run/secrets/github``."""
        return f"variable {self.env}" if self.env is not None else f"file {self.file}"
