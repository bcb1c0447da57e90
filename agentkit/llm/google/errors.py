"""Map the errors of Google's API to ``ModelError``; no other module catches them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

import httpx2
from pydantic import JsonValue

from agentkit.errors import ModelError
from agentkit.llm.shared.failures import (
    TRANSPORT_FAILURES,
    ProviderEndpoint,
    ProviderStreamError,
    error_headers,
    provider_error,
    read_retry_after,
    transport_error,
)

__all__ = ["FAILURES", "GoogleFailure", "model_error"]

_UNKNOWN_STATUS = 503
"""The status used for an error in a stream that has no code: a retry may succeed."""


class GoogleFailure(Exception):
    """An HTTP error response."""

    def __init__(self, status: int, content: bytes, response: httpx2.Response) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.response = response
        self.body = _parse(content)
        """What the server sent, parsed if it is JSON."""


FAILURES: tuple[type[Exception], ...] = (GoogleFailure, *TRANSPORT_FAILURES)
"""The exceptions that a request may raise."""

_TOO_LONG = re.compile(
    r"input token count.{0,200}?exceeds|exceeds the maximum number of tokens", re.IGNORECASE | re.DOTALL
)
_WRONG_KEY = re.compile(r"API key (?:not valid|expired|not found)|API_KEY_INVALID", re.IGNORECASE)
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)s")
_CLIENT_CLOSED_REQUEST = 499
"""Google's status for a request that it cancelled itself: a retry may succeed."""


def model_error(error: Exception, endpoint: ProviderEndpoint) -> ModelError:
    """Return the ``ModelError`` for what the API reported, or the HTTP client raised."""
    match error:
        case GoogleFailure():
            return _reported(error.status, error.body, endpoint, error_headers(error))
        case ProviderStreamError():
            code = error.body.get("code") if isinstance(error.body, Mapping) else None
            return _reported(code if isinstance(code, int) else _UNKNOWN_STATUS, error.body, endpoint, {})
        case _:
            return transport_error(error, endpoint)


def _parse(content: bytes) -> JsonValue:
    try:
        value: JsonValue = json.loads(content)
    except (ValueError, RecursionError):
        return content.decode(errors="replace")
    return value[0] if isinstance(value, list) and value else value  # a list, of a request for no stream of events


def _reported(status: int, body: JsonValue, endpoint: ProviderEndpoint, headers: Mapping[str, str]) -> ModelError:
    """Return the error for one that the API reported."""
    error = _error_object(body)
    message = str(error.get("message") or "" if error else body or "").strip()
    if _WRONG_KEY.search(f"{message} {_error_reasons(error)}"):
        status = 401  # Google's is 400
    elif status == _CLIENT_CLOSED_REQUEST:
        status = 503
    return provider_error(
        endpoint, status, message, code=_code(status, message, error), retry_after=_retry_after(error, headers)
    )


def _error_object(body: JsonValue) -> Mapping[str, JsonValue]:
    """Return the ``error`` object of a response; empty if there is none."""
    inner = body.get("error", body) if isinstance(body, Mapping) else {}
    return inner if isinstance(inner, Mapping) else {"message": inner}


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


def _retry_after(body: Mapping[str, JsonValue], headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait before a retry: from the details, or else from the headers."""
    for detail in _details(body, "RetryInfo"):
        if seconds := _SECONDS.fullmatch(str(detail.get("retryDelay"))):
            return float(seconds[1])
    return read_retry_after(headers)
