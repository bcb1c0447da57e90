"""Turn what the Anthropic SDK raises, or its stream tells, into our errors: the one place where they meet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from json import JSONDecodeError

import anthropic
import httpx2
from pydantic import JsonValue, ValidationError

from agentkit.errors import ModelError, ModelUnavailable
from agentkit.llm.openai.errors import Provider, redacted, retry_after, unsendable
from agentkit.llm.shared.http_status import status_error

__all__ = ["FAILURES", "AnswerFailed", "model_error"]


class AnswerFailed(Exception):
    """The provider broke its answer off, and said why."""

    def __init__(self, error: Mapping[str, JsonValue]) -> None:
        super().__init__("The answer failed")
        self.error = error
        """The error, as it stands in the event."""


FAILURES = (
    AnswerFailed,
    anthropic.AnthropicError,
    httpx2.HTTPError,
    httpx2.StreamError,
    TimeoutError,
    JSONDecodeError,
    UnicodeError,
    ValidationError,
    RecursionError,
)
"""All that asking may raise: the SDK lets errors of the HTTP client through once the stream has begun."""

_MAX_WORDS = 1_000
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
_TOO_LONG = re.compile(r"prompt is too long|exceeds? (?:the )?context (?:limit|window)|exceed context limit")
_UNPAID = re.compile(r"credit balance|spend_limit|spend limit|usage limits?\b.*\bregain access", re.IGNORECASE)


def model_error(error: Exception, provider: Provider) -> ModelError:
    """Return ours for what the SDK, its stream, or the HTTP client under it, raised."""
    match error:
        case anthropic.APIStatusError():
            body = error.body.get("error") if isinstance(error.body, Mapping) else error.body
            return _from_status(error.status_code, body, provider, retry_after(error.response.headers))
        case AnswerFailed():
            status = _STATUS_OF_TYPE.get(str(error.error.get("type")), 503)
            return _from_status(status, error.error, provider, None)
        case anthropic.APITimeoutError() | httpx2.TimeoutException() | TimeoutError():
            return ModelUnavailable(f"{provider.name} at {provider.url} did not answer in time")
        case anthropic.APIConnectionError() | httpx2.HTTPError() | httpx2.StreamError():
            reason = type(error.__cause__ or error).__name__
            return ModelUnavailable(f"The connection to {provider.name} at {provider.url} failed ({reason})")
        case UnicodeEncodeError():
            return unsendable(provider)
        case _:
            what = type(error).__name__
            return ModelUnavailable(f"{provider.name} at {provider.url} sent what is no message of its API ({what})")


def _from_status(status: int, body: object, provider: Provider, wait: float | None) -> ModelError:
    """Return ours for an error of the API; ``body`` is what stands under ``error``, or what else was sent."""
    said = str(body.get("message") or "") if isinstance(body, Mapping) else str(body or "").strip()
    return status_error(
        status,
        redacted(said or f"{provider.name} gave no reason", provider.key)[:_MAX_WORDS],
        code=_reason(status, body, said),
        retry_after=wait,
        key_variable=provider.key_variable,
    )


def _reason(status: int, body: object, said: str) -> str | None:
    """Return the machine-readable reason, in the words that ``status_error`` knows."""
    details = body.get("details") if isinstance(body, Mapping) else None
    code = str(details.get("error_code")) if isinstance(details, Mapping) else ""
    if status < 500 and _UNPAID.search(f"{code} {said}"):
        return "insufficient_quota"
    if status == 400 and _TOO_LONG.search(said):
        return "context_length_exceeded"
    return None
