"""Turn what the Google SDK raises into our errors: the one place where they meet."""

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

__all__ = ["FAILURES", "GARBLED", "model_error"]

FAILURES: tuple[type[Exception], ...] = (APIError, UnknownApiResponseError, *TRANSPORT_FAILURES)
"""What a request may raise."""

GARBLED = (AttributeError, KeyError, TypeError)
"""What the SDK raises while it reads what is no answer, besides."""

_TOO_LONG = re.compile(r"input token count.*exceeds|exceeds the maximum number of tokens", re.IGNORECASE | re.DOTALL)
_WRONG_KEY = re.compile(r"API key (?:not valid|expired|not found)|API_KEY_INVALID", re.IGNORECASE)
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)s")
_CANCELLED = 499


def model_error(error: Exception, endpoint: ProviderEndpoint) -> ModelError:
    """Return the ``ModelError`` for what the SDK, or the HTTP client under it, raised."""
    return _reported(error, endpoint) if isinstance(error, APIError) else transport_error(error, endpoint)


def _reported(error: APIError, endpoint: ProviderEndpoint) -> ModelError:
    body = _body(error)
    message = str(error.message or "").strip()
    status = error.code
    if _WRONG_KEY.search(f"{message} {_reasons(body)}"):
        status = 401  # which Google reports as 400
    return provider_error(
        endpoint,
        503 if status == _CANCELLED else status,
        message,
        code=_reason(status, message, body),
        retry_after=_wait(error, body),
    )


def _body(error: APIError) -> Mapping[str, JsonValue]:
    """Return what stands under ``error``."""
    details = error.details
    if not isinstance(details, Mapping):
        return {}
    inner = details.get("error")
    return inner if isinstance(inner, Mapping) else details


def _details(body: Mapping[str, JsonValue], kind: str) -> Iterator[Mapping[str, JsonValue]]:
    details = body.get("details")
    for one in details if isinstance(details, list) else ():
        if isinstance(one, Mapping) and str(one.get("@type", "")).endswith(kind):
            yield one


def _reasons(body: Mapping[str, JsonValue]) -> str:
    return " ".join(str(one.get("reason")) for one in _details(body, "ErrorInfo"))


def _reason(status: int, words: str, body: Mapping[str, JsonValue]) -> str | None:
    """Return the machine-readable reason, in the words that ``status_error`` knows."""
    if status == 400 and _TOO_LONG.search(words):
        return "context_length_exceeded"
    if status == 429 and any("PerDay" in str(one) for one in _details(body, "QuotaFailure")):
        return "insufficient_quota"  # by the day: it is of no use to ask again in a minute
    return None


def _wait(error: APIError, body: Mapping[str, JsonValue]) -> float | None:
    for one in _details(body, "RetryInfo"):
        if found := _SECONDS.fullmatch(str(one.get("retryDelay"))):
            return float(found[1])
    return read_retry_after(error_headers(error))
