"""Turn what the Google SDK raises into our errors: the one place where they meet."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from json import JSONDecodeError

import httpx2
from google.genai.errors import APIError, UnknownApiResponseError
from pydantic import JsonValue, ValidationError

from agentkit.errors import ModelError, ModelUnavailable
from agentkit.llm.openai.errors import Provider, redacted, retry_after, unsendable
from agentkit.llm.shared.http_status import status_error

__all__ = ["FAILURES", "GARBLED", "headers_of", "model_error"]

FAILURES = (
    APIError,
    UnknownApiResponseError,
    httpx2.HTTPError,
    httpx2.StreamError,
    TimeoutError,
    JSONDecodeError,
    UnicodeError,
    ValidationError,
    RecursionError,
)
"""All that asking may raise: the SDK lets errors of the HTTP client and of its own types through."""

GARBLED = (AttributeError, KeyError, TypeError)
"""What the SDK raises while it reads what is no answer, besides."""

_MAX_WORDS = 1_000
_TOO_LONG = re.compile(r"input token count.*exceeds|exceeds the maximum number of tokens", re.IGNORECASE | re.DOTALL)
_WRONG_KEY = re.compile(r"API key (?:not valid|expired|not found)|API_KEY_INVALID", re.IGNORECASE)
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)s")
_CANCELLED = 499


def model_error(error: Exception, provider: Provider) -> ModelError:
    """Return ours for what the SDK, or the HTTP client under it, raised."""
    match error:
        case APIError():
            return _from_status(error, provider)
        case httpx2.TimeoutException() | TimeoutError():
            return ModelUnavailable(f"{provider.name} at {provider.url} did not answer in time")
        case httpx2.HTTPError() | httpx2.StreamError():
            reason = type(error).__name__
            return ModelUnavailable(f"The connection to {provider.name} at {provider.url} failed ({reason})")
        case UnicodeEncodeError():
            return unsendable(provider)
        case _:
            what = type(error).__name__
            return ModelUnavailable(f"{provider.name} at {provider.url} sent what is no answer of its API ({what})")


def headers_of(error: APIError) -> Mapping[str, str]:
    """Return the headers of the answer that an error came by; none, where it came in another way."""
    headers = getattr(error.response, "headers", None)
    return headers if isinstance(headers, Mapping) else {}


def _from_status(error: APIError, provider: Provider) -> ModelError:
    body = _body(error)
    words = str(error.message or "").strip() or f"{provider.name} gave no reason"
    status = error.code
    if _WRONG_KEY.search(f"{words} {_reasons(body)}"):
        status = 401  # which Google reports as 400
    return status_error(
        503 if status == _CANCELLED else status,
        redacted(words, provider.key)[:_MAX_WORDS],
        code=_reason(status, words, body),
        retry_after=_wait(error, body),
        key_variable=provider.key_variable,
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
    return retry_after(headers_of(error))
