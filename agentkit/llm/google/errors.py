"""Map the errors of Google's SDK to ``ModelError``; no other module catches them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from google.genai.errors import APIError, UnknownApiResponseError
from pydantic import JsonValue

from agentkit.errors import ModelError
from agentkit.llm.shared.failures import (
    TRANSPORT_FAILURES,
    ProviderEndpoint,
    error_headers,
    provider_error,
    read_retry_after,
    transport_error,
)

__all__ = ["FAILURES", "PARSING_FAILURES", "model_error"]

FAILURES: tuple[type[Exception], ...] = (APIError, UnknownApiResponseError, *TRANSPORT_FAILURES)
"""The exceptions that a request may raise."""

PARSING_FAILURES = (AttributeError, KeyError, TypeError)
"""Further exceptions that the SDK raises when it parses a response that is not in its API's format."""

_TOO_LONG = re.compile(r"input token count.*exceeds|exceeds the maximum number of tokens", re.IGNORECASE | re.DOTALL)
_WRONG_KEY = re.compile(r"API key (?:not valid|expired|not found)|API_KEY_INVALID", re.IGNORECASE)
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)s")
_CLIENT_CLOSED_REQUEST = 499
"""Google's status for a request that it cancelled itself: a retry may succeed."""


def model_error(error: Exception, endpoint: ProviderEndpoint) -> ModelError:
    """Return the ``ModelError`` for what the SDK, or the HTTP client under it, raised."""
    return _reported(error, endpoint) if isinstance(error, APIError) else transport_error(error, endpoint)


def _reported(error: APIError, endpoint: ProviderEndpoint) -> ModelError:
    """Return the error for one that the API reported."""
    body = _body(error)
    message = str(error.message or "").strip()
    status = error.code
    if _WRONG_KEY.search(f"{message} {_error_reasons(body)}"):
        status = 401  # Google's is 400
    elif status == _CLIENT_CLOSED_REQUEST:
        status = 503
    return provider_error(
        endpoint, status, message, code=_code(status, message, body), retry_after=_retry_after(error, body)
    )


def _body(error: APIError) -> Mapping[str, JsonValue]:
    """Return the ``error`` object of the response; empty if there is none."""
    details = error.details
    if not isinstance(details, Mapping):
        return {}
    inner = details.get("error")
    return inner if isinstance(inner, Mapping) else details


def _details(body: Mapping[str, JsonValue], type_name: str) -> Iterator[Mapping[str, JsonValue]]:
    """Return the details of one type, such as ``RetryInfo``."""
    details = body.get("details")
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, Mapping) and str(detail.get("@type", "")).endswith(type_name):
            yield detail


def _error_reasons(body: Mapping[str, JsonValue]) -> str:
    """Return the reasons in the details of type ``ErrorInfo``, such as ``API_KEY_INVALID``, separated by spaces."""
    return " ".join(str(detail.get("reason")) for detail in _details(body, "ErrorInfo"))


def _code(status: int, message: str, body: Mapping[str, JsonValue]) -> str | None:
    """Return a machine-readable reason that ``status_error`` accepts, or None."""
    if status == 400 and _TOO_LONG.search(message):
        return "context_length_exceeded"
    if status == 429 and any("PerDay" in str(detail) for detail in _details(body, "QuotaFailure")):
        return "insufficient_quota"  # a daily quota: a retry within minutes is of no use
    return None


def _retry_after(error: APIError, body: Mapping[str, JsonValue]) -> float | None:
    """Return the seconds to wait before a retry: from the details, or else from the headers."""
    for detail in _details(body, "RetryInfo"):
        if seconds := _SECONDS.fullmatch(str(detail.get("retryDelay"))):
            return float(seconds[1])
    return read_retry_after(error_headers(error))
