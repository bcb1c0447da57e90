"""The secrets of a worker, read from its environment and from files."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from pydantic import JsonValue

from agentkit.config.secret_sources import SecretSource
from agentkit.errors import SecretMissing, ToolArgumentsInvalid
from agentkit.secrets.secret_redactor import SecretRedactor
from agentkit.validation.validation_messages import did_you_mean

__all__ = ["SecretStore"]

_MIN_CHARS = 8
"""A shorter secret occurs in ordinary text, which its redaction would garble."""
_MIN_INTERNAL_CHARS = 16
"""Of Opspawn's own: a shorter key may be a placeholder, such as the name of a local server."""
_MAX_CHARS = 4_096
"""As long as the key of a certificate; the search for longer ones would take too much memory."""
_MAX_FILE_BYTES = 4 * _MAX_CHARS + 2
"""As many as that takes in UTF-8, and a line break. A larger file is not read."""
_MAX_KEPT_VALUES = 4
"""How many values of a secret are redacted: a file's former values are in use until the calls that have them end."""
_DEFAULT_PORTS = {"http": 80, "https": 443}


class SecretStore:
    """Reads secrets when they are needed. A file that has changed is read again.

    What any tool of the worker returns is redacted, not only the results of the tools that get the secret: a tool may
    write it to a file that another one reads.
    """

    def __init__(
        self,
        sources: Mapping[str, SecretSource],
        app_dir: Path,
        environment: Mapping[str, str],
        internal_secrets: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Set up; files are relative to ``app_dir``, and variables are looked up in ``environment``.

        ``internal_secrets`` are redacted, and no tool gets them; by their names.
        """
        self._sources = sources
        self._internal = {
            name: (value,)
            for name, value in internal_secrets.items()
            if _MIN_INTERNAL_CHARS <= len(value) <= _MAX_CHARS
        }
        self._app_dir = app_dir
        self._environment = environment
        self._files: dict[str, tuple[tuple[int, ...], str]] = {}
        """The version and the text of each secret's file."""
        self._values: dict[str, tuple[str, ...]] = {}
        self._redactor: SecretRedactor | None = None
        """None: the values have changed since it was made."""
        self._lock = threading.Lock()

    @property
    def problems(self) -> Sequence[str]:
        """A message for each secret that can't be used: with its source and the cure, without its value."""
        messages = []
        for name in self._sources:
            try:
                self._value(name)
            except SecretMissing as error:
                messages.append(str(error))
        return messages

    def values(self, names: Iterable[str]) -> Mapping[str, str]:
        """Return the values of these secrets.

        Raises:
            SecretMissing: one is not set; the message names it, its source and the cure.
        """
        return {name: self._value(name) for name in names}

    def value_for(self, name: str, url: str) -> str:
        """Return the value of a secret that is to be sent to ``url``.

        Raises:
            SecretMissing: it is not set, or its setting doesn't allow the host.
            ToolArgumentsInvalid: ``url`` is no URL.
        """
        source = self._source(name)
        try:
            target = urlsplit(url)
            port = target.port
        except ValueError as error:
            raise ToolArgumentsInvalid(f"{url!r} is no URL ({error}). Nothing was sent.") from None
        if not any(_allows(host, target.scheme, target.hostname or "", port) for host in source.hosts):
            origin = f"{target.scheme}://{target.netloc}"
            allowed = ", ".join(source.hosts) or "none"
            raise SecretMissing(
                f"Secret {name!r} is not sent to {origin}. Hosts that it may be sent to: {allowed}. "
                f"Its operator can allow another: secrets.{name}.hosts in opspawn.toml."
            )
        return self._value(name)

    def redact_text(self, text: str) -> str:
        """Return ``text`` with ``[secret:NAME]`` in place of each value, also of encoded ones."""
        return self._current_redactor().redact_text(text) if self._sources or self._internal else text

    def redact_bytes(self, data: bytes) -> bytes:
        """Return the content of a file, redacted like a text."""
        return self._current_redactor().redact_bytes(data) if self._sources or self._internal else data

    def redact_value(self, value: JsonValue) -> JsonValue:
        """Return ``value`` with its texts, keys and numbers redacted; the value itself if it has no secret."""
        return self._current_redactor().redact_value(value) if self._sources or self._internal else value

    def _current_redactor(self) -> SecretRedactor:
        _ = self.problems  # reads what has changed
        with self._lock:
            if self._redactor is None:  # made once for all values: it takes 2 ms for each
                names = dict.fromkeys([*self._internal, *self._values])  # a tool's secret may have the name of another
                self._redactor = SecretRedactor(
                    {name: (*self._internal.get(name, ()), *self._values.get(name, ())) for name in names}
                )
            return self._redactor

    def _source(self, name: str) -> SecretSource:
        if name in self._sources:
            return self._sources[name]
        names = ", ".join(self._sources) or "none"
        raise SecretMissing(
            f"There is no secret {name!r}.{did_you_mean(name, self._sources)} Secrets: {names}. "
            "Its operator has to add it to [secrets] in opspawn.toml."
        )

    def _value(self, name: str) -> str:
        source = self._source(name)
        value = self._from_variable(name, source.env) if source.env is not None else self._from_file(name, source)
        size = len(value)
        if not _MIN_CHARS <= size <= _MAX_CHARS:
            raise SecretMissing(
                f"Secret {name!r} ({source.description}) has {size} characters, {_MIN_CHARS} to {_MAX_CHARS} are "
                "allowed: a shorter one can't be kept out of results without garbling them. Use another secret."
            )
        self._keep(name, value)
        return value

    def _from_variable(self, name: str, variable: str) -> str:
        value = self._environment.get(variable)
        if not value:
            raise SecretMissing(
                f"Secret {name!r} is not set: the worker's environment has no variable {variable}. "
                f"Its operator has to set it, and to start the worker again: export {variable}=..."
            )
        return value

    def _from_file(self, name: str, source: SecretSource) -> str:
        path = self._app_dir / (source.file or "")
        try:
            status = os.stat(path)
            if not stat.S_ISREG(status.st_mode):  # a pipe may never end
                raise OSError(errno.EINVAL, "it is no regular file")
            if status.st_size > _MAX_FILE_BYTES:
                raise OSError(errno.EFBIG, f"it has more than {_MAX_FILE_BYTES:,} bytes")
            version = (status.st_mtime_ns, status.st_size, status.st_ino)
            cached = self._files.get(name)
            if cached is None or cached[0] != version:
                cached = self._files[name] = (version, path.read_bytes().decode().rstrip("\r\n"))
        except OSError as error:
            reason = f"file {path} can't be read by the worker ({error.strerror})"
        except UnicodeDecodeError:
            reason = f"file {path} is not text"
        else:
            if cached[1]:
                return cached[1]
            reason = f"file {path} is empty"
        raise SecretMissing(f"Secret {name!r} is not set: {reason}. Its operator has to correct it: secrets.{name}.")

    def _keep(self, name: str, value: str) -> None:
        """Redact this value from now on, too."""
        if value in self._values.get(name, ()):
            return
        with self._lock:
            kept = tuple(former for former in self._values.get(name, ()) if former != value)
            self._values = {**self._values, name: (value, *kept)[:_MAX_KEPT_VALUES]}
            self._redactor = None


def _allows(allowed: str, scheme: str, host: str, port: int | None) -> bool:
    """Return whether an entry of ``hosts`` allows requests to a host."""
    pattern = urlsplit(allowed if "://" in allowed else f"https://{allowed}")
    default = _DEFAULT_PORTS.get(scheme)
    if pattern.scheme != scheme or (pattern.port or default) != (port or default):
        return False
    name = pattern.hostname or ""
    return host.endswith(name[1:]) if name.startswith("*.") else host == name
