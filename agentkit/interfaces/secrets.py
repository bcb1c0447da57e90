"""The ``Secrets`` Protocol: values that a worker gives to tools, and keeps out of everything else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from pydantic import JsonValue

from agentkit.errors import SecretMissing

__all__ = ["NoSecrets", "Secrets"]


class Secrets(Protocol):
    """The secrets of a worker, by name. Values exist in its process only."""

    @property
    def problems(self) -> Sequence[str]:
        """A message for each secret that can't be used: with its source and the cure, without its value."""
        ...

    def values(self, names: Iterable[str]) -> Mapping[str, str]:
        """Return the values of these secrets.

        Raises:
            SecretMissing: one is not set; the message names it, its source and the cure.
        """
        ...

    def value_for(self, name: str, url: str) -> str:
        """Return the value of a secret that is to be sent to ``url``.

        Raises:
            SecretMissing: it is not set, or its setting doesn't allow the host.
            ToolArgumentsInvalid: ``url`` is no URL.
        """
        ...

    def redact_text(self, text: str) -> str:
        """Return ``text`` with ``[secret:NAME]`` in place of each value, also of encoded ones."""
        ...

    def redact_bytes(self, data: bytes) -> bytes:
        """Return the content of a file, redacted like a text."""
        ...

    def redact_value(self, value: JsonValue) -> JsonValue:
        """Return ``value`` with its texts, keys and numbers redacted; the value itself if it has no secret."""
        ...


class NoSecrets:
    """The secrets of a worker that has none."""

    problems: Sequence[str] = ()

    def values(self, names: Iterable[str]) -> Mapping[str, str]:
        """Return the values of no names.

        Raises:
            SecretMissing: there is a name.
        """
        return {name: self.value_for(name, "") for name in names}

    def value_for(self, name: str, url: str) -> str:
        """Raise an error: there are no secrets.

        Raises:
            SecretMissing: always.
        """
        raise SecretMissing(f"There is no secret {name!r}. Its operator has to add it to [secrets] in opspawn.toml.")

    def redact_text(self, text: str) -> str:
        """Return ``text``."""
        return text

    def redact_bytes(self, data: bytes) -> bytes:
        """Return ``data``."""
        return data

    def redact_value(self, value: JsonValue) -> JsonValue:
        """Return ``value``."""
        return value
