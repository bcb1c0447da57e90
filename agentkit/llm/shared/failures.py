"""Map failures that all providers have in common to ``ModelError``: HTTP errors, timeouts, lost connections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from json import JSONDecodeError

import httpx2
from pydantic import JsonValue, ValidationError

from agentkit.errors import ModelError, ModelOutputInvalid, ModelRequestRejected, ModelTimedOut, ModelUnavailable
from agentkit.llm.shared.http_status import status_error
from agentkit.llm.shared.redaction import redact_keys
from agentkit.llm.shared.server_clock import http_date, server_time

__all__ = [
    "TRANSPORT_FAILURES",
    "ProviderEndpoint",
    "ProviderStreamError",
    "RedirectRefused",
    "ResponseTimedOut",
    "ResponseTooLarge",
    "connection_error",
    "error_headers",
    "provider_error",
    "public_url",
    "read_retry_after",
    "timeout_error",
    "transport_error",
]

_MAX_MESSAGE_CHARS = 1_000


@dataclass(frozen=True, slots=True)
class ProviderEndpoint:
    """The server that a model uses: what error messages name, and the key that they must not contain."""

    name: str
    """The provider's name."""
    url: str
    """Without credentials: see ``public_url``."""
    key_variable: str
    """The environment variable that holds the key."""
    key: str = field(repr=False)


class ProviderStreamError(Exception):
    """An error that a provider reported inside a response with HTTP status 200, usually in the middle of a stream."""

    def __init__(self, body: JsonValue) -> None:
        super().__init__("The provider reported an error in its response")
        self.body = body
        """The error as the provider sent it."""


class RedirectRefused(Exception):
    """A provider's server redirects to another address."""

    def __init__(self, status: int, target: str) -> None:
        super().__init__(f"HTTP {status} to {target}")
        self.status = status
        self.target = target


class ResponseTooLarge(Exception):
    """A response exceeds a limit, which the message names."""


class ResponseTimedOut(Exception):
    """A response did not come in time; the message names the time and its setting."""


TRANSPORT_FAILURES: tuple[type[Exception], ...] = (
    ProviderStreamError,
    RedirectRefused,
    ResponseTimedOut,
    ResponseTooLarge,
    httpx2.HTTPError,
    httpx2.StreamError,
    TimeoutError,
    JSONDecodeError,
    UnicodeError,
    ValidationError,
    RecursionError,
)
"""What a request may raise besides the SDK's own errors: SDKs let those of the HTTP client and the parser through."""


def public_url(url: str) -> str:
    """Return ``url`` without user, password, query and final slash."""
    return str(httpx2.URL(url).copy_with(userinfo=b"", query=None)).rstrip("/")


def provider_error(
    endpoint: ProviderEndpoint,
    status: int,
    message: str,
    *,
    code: str | None = None,
    retry_after: float | None = None,
) -> ModelError:
    """Return the error for one that the provider reported, with its message redacted and cut to 1,000 characters.

    ``code`` is the provider's machine-readable reason, ``retry_after`` seconds.
    """
    return status_error(
        status,
        redact_keys(message or f"{endpoint.name} gave no reason", endpoint.key)[:_MAX_MESSAGE_CHARS],
        code=code,
        retry_after=retry_after,
        key_variable=endpoint.key_variable,
    )


def transport_error(error: Exception, endpoint: ProviderEndpoint) -> ModelError:
    """Return the error for what the HTTP client raised, or for a response that can't be parsed."""
    match error:
        case RedirectRefused():
            return _redirect_error(error, endpoint)
        case ResponseTooLarge():
            return ModelOutputInvalid(f"{endpoint.name} at {endpoint.url} sent too much, and was cut off: {error}")
        case ResponseTimedOut() | httpx2.TimeoutException() | TimeoutError():
            return timeout_error(error, endpoint)
        case httpx2.HTTPError() | httpx2.StreamError():
            return connection_error(error, endpoint)
        case UnicodeEncodeError():
            return ModelRequestRejected(
                f"The request to {endpoint.name} can't be sent: {endpoint.key_variable} and the agent's extra_headers "
                "take plain ASCII only"
            )
        case _:
            kind = type(error).__name__
            return ModelUnavailable(f"{endpoint.name} at {endpoint.url} sent what is no response of its API ({kind})")


def timeout_error(error: Exception, endpoint: ProviderEndpoint) -> ModelTimedOut:
    """Return the error for a response that did not come in time; ``error`` is an SDK's, or its cause."""
    has_no_connection = any(isinstance(cause, httpx2.ConnectTimeout) for cause in (error, error.__cause__))
    problem = "could not be connected to in time" if has_no_connection else "did not respond in time"
    reason = f": {error}" if isinstance(error, ResponseTimedOut) else ""
    return ModelTimedOut(f"{endpoint.name} at {endpoint.url} {problem}{reason}")


def connection_error(error: Exception, endpoint: ProviderEndpoint) -> ModelError:
    """Return the error for a connection that could not be opened, or was lost; ``error`` is an SDK's, or its cause."""
    if isinstance(error.__cause__, RedirectRefused):
        return _redirect_error(error.__cause__, endpoint)
    reason = type(error.__cause__ or error).__name__
    return ModelUnavailable(f"The connection to {endpoint.name} at {endpoint.url} failed ({reason})")


def _redirect_error(error: RedirectRefused, endpoint: ProviderEndpoint) -> ModelRequestRejected:
    target = redact_keys(public_url(error.target), endpoint.key)[:_MAX_MESSAGE_CHARS]
    return ModelRequestRejected(
        f"{endpoint.name} at {endpoint.url} redirects to {target} (HTTP {error.status}): neither key nor request is "
        "sent there. If that is the right address, set it as the provider's base URL",
        status=error.status,
    )


def error_headers(error: Exception) -> Mapping[str, str]:
    """Return the headers of the HTTP response that an SDK's error carries; empty if it carries none."""
    headers = getattr(getattr(error, "response", None), "headers", None)
    return headers if isinstance(headers, Mapping) else {}


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a provider asks to wait: ``retry-after-ms``, or ``retry-after`` as seconds or a date.

    A date is compared with the response's own ``Date``: this machine's clock may be wrong.
    """
    for name, divisor in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) / divisor
        except (KeyError, ValueError):
            continue
        if 0 <= seconds < float("inf"):
            return seconds
    date = http_date(headers.get("retry-after", ""))
    return None if date is None else max(0.0, (date - server_time(headers)).total_seconds())
