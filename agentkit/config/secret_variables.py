"""Environment variables with secrets that libraries read: those of providers, of Temporal, and of OpenTelemetry."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from urllib.parse import unquote

__all__ = ["LIBRARY_SECRETS", "is_named", "values_of_variables"]

LIBRARY_SECRETS = (
    "ANTHROPIC_*_KEY",
    "ANTHROPIC_*_TOKEN",
    "ANTHROPIC_CUSTOM_HEADERS",
    "OPENAI_*_KEY",
    "OPENAI_CUSTOM_HEADERS",
    "OTEL_EXPORTER_OTLP_*HEADERS",
    "TEMPORAL_API_KEY",
    "TEMPORAL_GRPC_META_*",
    "TEMPORAL_TLS_CLIENT_KEY_DATA",
)
"""Names in capitals; ``*`` is any text."""

_SCHEMES = ("basic", "bearer", "token")
"""What stands before the secret in a header."""


def is_named(variable: str, names: Collection[str]) -> bool:
    """Return whether a variable, in capitals or not, has one of these names, in which ``*`` is any text."""
    return any(fnmatchcase(variable.upper(), name.upper()) for name in names)


def values_of_variables(environment: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    """Return the secrets in the variables of these names, by variable; of several headers, by ``VARIABLE.header``."""
    return {
        key: secret
        for variable, value in environment.items()
        if is_named(variable, names)
        for key, secret in _secrets_of(variable, value)
    }


def _secrets_of(variable: str, value: str) -> Iterator[tuple[str, str]]:
    if not variable.upper().endswith("HEADERS"):
        yield variable, _without_scheme(value)
        return
    is_otlp = variable.upper().startswith("OTEL_")
    header_end, name_end = (",", "=") if is_otlp else ("\n", ":")
    for header in value.split(header_end):
        name, separator, text = header.partition(name_end)
        if not separator:  # a secret without the name of its header
            name, text = "", name
        yield f"{variable}.{name.strip()}".rstrip("."), _without_scheme(unquote(text) if is_otlp else text)


def _without_scheme(value: str) -> str:
    scheme, _, secret = value.strip().partition(" ")
    return secret.strip() if scheme.lower() in _SCHEMES else value.strip()
