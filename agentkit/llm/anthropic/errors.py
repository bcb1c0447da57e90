"""Map the errors of Anthropic's SDK and stream to ``ModelError``; no other module catches them."""

from __future__ import annotations

import re
from collections.abc import Mapping

import anthropic

from agentkit.errors import ModelError
from agentkit.llm.shared.failures import (
    TRANSPORT_FAILURES,
    ProviderEndpoint,
    ProviderStreamError,
    connection_error,
    error_headers,
    provider_error,
    read_retry_after,
    timeout_error,
    transport_error,
)

__all__ = ["FAILURES", "model_error"]

FAILURES: tuple[type[Exception], ...] = (anthropic.AnthropicError, *TRANSPORT_FAILURES)
"""What a request may raise."""

_STATUS_OF_TYPE = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_UNKNOWN_STATUS = 503
"""The status used for an error in a stream whose type is unknown: a retry may succeed."""
_TOO_LONG = re.compile(r"prompt is too long|exceeds? (?:the )?context (?:limit|window)|exceed context limit")
_QUOTA_USED_UP = re.compile(
    r"credit balance|spend_limit|spend limit|usage limits?\b.{0,300}?\bregain access", re.IGNORECASE
)


def model_error(error: Exception, endpoint: ProviderEndpoint) -> ModelError:
    """Return the ``ModelError`` for what the SDK, its stream, or the HTTP client under it, raised."""
    match error:
        case anthropic.APIStatusError():
            body = error.body.get("error") if isinstance(error.body, Mapping) else error.body
            return _reported(error.status_code, body, endpoint, read_retry_after(error_headers(error)))
        case ProviderStreamError():
            error_type = error.body.get("type") if isinstance(error.body, Mapping) else None
            return _reported(_STATUS_OF_TYPE.get(str(error_type), _UNKNOWN_STATUS), error.body, endpoint)
        case anthropic.APITimeoutError():
            return timeout_error(error, endpoint)
        case anthropic.APIConnectionError():
            return connection_error(error, endpoint)
        case _:
            return transport_error(error, endpoint)


def _reported(status: int, body: object, endpoint: ProviderEndpoint, retry_after: float | None = None) -> ModelError:
    """Return the error for one that the API reported; ``body`` is its ``error`` field, or whatever was sent instead."""
    message = str(body.get("message") or "") if isinstance(body, Mapping) else str(body or "").strip()
    return provider_error(endpoint, status, message, code=_reason(status, body, message), retry_after=retry_after)


def _reason(status: int, body: object, message: str) -> str | None:
    """Return a reason that ``status_error`` accepts; Anthropic has most of its reasons in the message only."""
    details = body.get("details") if isinstance(body, Mapping) else None
    code = str(details.get("error_code")) if isinstance(details, Mapping) else ""
    if status < 500 and _QUOTA_USED_UP.search(f"{code} {message}"):
        return "insufficient_quota"
    if status == 400 and _TOO_LONG.search(message):
        return "context_length_exceeded"
    return None
