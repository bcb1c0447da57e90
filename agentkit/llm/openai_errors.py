"""Turn what the OpenAI SDK raises into our errors: the one place where they meet."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import mktime_tz, parsedate_tz
from json import JSONDecodeError

import httpx2
import openai
from pydantic import ValidationError

from agentkit.errors import ModelError, ModelUnavailable
from agentkit.llm.statuses import status_error

__all__ = ["FAILURES", "Provider", "model_error", "redacted", "retry_after"]

FAILURES = (
    openai.OpenAIError,
    httpx2.HTTPError,
    httpx2.StreamError,
    TimeoutError,
    JSONDecodeError,
    UnicodeDecodeError,
    ValidationError,
    RecursionError,
)
"""All that asking may raise: the SDK lets errors of the HTTP client and of the JSON parser through."""

_MAX_WORDS = 1_000
_HIDDEN = "[key]"
_KEY_LIKE = re.compile(r"\bsk-[\w*.…-]{4,}|(?<=Bearer )\S+|[^\s'\"]*\*{3,}[^\s'\",]*")
"""Keys as OpenAI writes them, whole or with asterisks in the middle, as providers echo them."""
_STATUS_OF_TYPE = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "exceed_context_size_error": 400,
}


@dataclass(frozen=True, slots=True)
class Provider:
    """Who was asked: what the messages of errors name, and what they must never hold."""

    name: str
    url: str
    key_variable: str
    key: str = field(repr=False)


def model_error(error: Exception, provider: Provider) -> ModelError:
    """Return ours for what the SDK, or the HTTP client under it, raised."""
    match error:
        case openai.APIStatusError():
            words = _words(error) or f"{provider.name} gave no reason"
            return _from_status(error.status_code, words, error, provider, retry_after(error.response.headers))
        case openai.APITimeoutError() | httpx2.TimeoutException() | TimeoutError():
            return ModelUnavailable(f"{provider.name} at {provider.url} did not answer in time")
        case openai.APIConnectionError() | httpx2.HTTPError():
            reason = type(error.__cause__ or error).__name__
            return ModelUnavailable(f"The connection to {provider.name} at {provider.url} failed ({reason})")
        case openai.APIError() if not isinstance(error, openai.APIResponseValidationError):
            return _from_stream(error, provider)
        case _:
            what = type(error).__name__
            return ModelUnavailable(f"{provider.name} at {provider.url} sent what is no chat completion ({what})")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a provider asks to wait: ``retry-after-ms``, or ``retry-after`` as seconds or a date."""
    for name, divisor in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) / divisor
        except (KeyError, ValueError):
            continue
        if 0 <= seconds < float("inf"):
            return seconds
    date = parsedate_tz(headers.get("retry-after", ""))
    return max(0.0, mktime_tz(date) - time.time()) if date is not None else None


def redacted(text: str, key: str) -> str:
    """Return ``text`` without the key, and without what looks like one or part of one."""
    if len(key) >= 8:
        text = text.replace(key, _HIDDEN)
        text = re.sub(rf"\S*(?:{re.escape(key[:8])}|{re.escape(key[-8:])})\S*", _HIDDEN, text)
    return _KEY_LIKE.sub(_HIDDEN, text)


def _from_stream(error: openai.APIError, provider: Provider) -> ModelError:
    """Return ours for an error event in the middle of a stream, which has no status of its own."""
    code = error.code or ""
    status = int(code) if code.isdecimal() else _STATUS_OF_TYPE.get(error.type or "", 503)
    if code == "context_length_exceeded":
        status = 400
    return _from_status(status, _words(error), error, provider, None)


def _from_status(status: int, words: str, error: openai.APIError, provider: Provider, wait: float | None) -> ModelError:
    return status_error(
        status,
        redacted(words, provider.key)[:_MAX_WORDS],
        code=_reason(error),
        retry_after=wait,
        key_variable=provider.key_variable,
    )


def _reason(error: openai.APIError) -> str | None:
    """Return the machine-readable reason; servers disagree whether it is the code or the type."""
    return error.code if error.code and not error.code.isdecimal() else error.type


def _words(error: openai.APIError) -> str:
    """Return the provider's own words."""
    body = error.body
    if isinstance(body, Mapping):
        said = body.get("message") or body.get("detail") or body.get("error")
        return str(said or "")
    return str(body or "").strip() or error.message
