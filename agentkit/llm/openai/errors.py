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
from pydantic import ValidationError, field_validator

from agentkit.errors import ModelError, ModelRequestRejected, ModelUnavailable
from agentkit.llm.shared.http_status import status_error
from agentkit.llm.shared.surrogates import whole
from agentkit.records import Record

__all__ = ["FAILURES", "AnswerFailed", "Provider", "model_error", "redacted", "retry_after", "unsendable"]


class AnswerFailed(Exception):
    """The provider broke its answer off, and said why."""

    def __init__(self, body: object) -> None:
        super().__init__("The answer failed")
        self.body = body
        """What it said: an error as JSON."""


FAILURES = (
    AnswerFailed,
    openai.OpenAIError,
    httpx2.HTTPError,
    httpx2.StreamError,
    TimeoutError,
    JSONDecodeError,
    UnicodeError,
    ValidationError,
    RecursionError,
)
"""All that asking may raise: the SDK lets errors of the HTTP client and of the JSON parser through."""

_MAX_WORDS = 1_000
_MAX_READ = 20_000
"""Of what a provider says; keys are looked for in no more."""
_HIDDEN = "[key]"
_KEY_LIKE = re.compile(r"\bsk-[\w*.…-]{4,}|(?<=Bearer )\S+")
"""Keys as OpenAI writes them."""
_MASKED = re.compile(r"(?<![^\s'\",])[^\s'\",]*\*{3,}[^\s'\",]*")
"""Keys with asterisks in the middle, as providers echo them. Tried at the beginning of a word only: at each
character it would take seconds for a body of a few kilobytes without a space, and the worker would stand still.
"""
_STATUS_OF_TYPE = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "exceed_context_size_error": 400,
}
_STATUS_OF_CODE = {
    "context_length_exceeded": 400,
    "data_residency_mismatch": 400,
    "failed_to_download_image": 400,
    "insufficient_quota": 429,
    "invalid_prompt": 400,
    "rate_limit_exceeded": 429,
    "server_error": 500,
}
_SPENT = re.compile(r"key limit exceeded", re.IGNORECASE)
"""What OpenRouter says, with 403, of a key that has a budget of its own."""
_IMAGE_FAULT = re.compile(r"(invalid|empty|unsupported)_.*image|image_")
_OUR_NAMES = {
    "max_completion_tokens": "max_output_tokens",
    "max_tokens": "max_output_tokens",
    "reasoning": "thinking_budget",
    "reasoning.effort": "thinking_budget",
    "reasoning_effort": "thinking_budget",
    "seed": "seed",
    "temperature": "temperature",
}
"""What an agent's ``model_settings`` call the parameters of OpenAI."""


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
            said = _Said.read(error.body, error.message)
            wait = retry_after(error.response.headers)
            return _from_status(error.status_code, said, provider, wait)
        case openai.APITimeoutError() | httpx2.TimeoutException() | TimeoutError():
            return ModelUnavailable(f"{provider.name} at {provider.url} did not answer in time")
        case openai.APIConnectionError() | httpx2.HTTPError():
            reason = type(error.__cause__ or error).__name__
            return ModelUnavailable(f"The connection to {provider.name} at {provider.url} failed ({reason})")
        case openai.APIError() if not isinstance(error, openai.APIResponseValidationError):
            return _from_stream(_Said.read(error.body, error.message), provider)
        case AnswerFailed():
            return _from_stream(_Said.read(error.body, ""), provider)
        case UnicodeEncodeError():
            return unsendable(provider)
        case _:
            what = type(error).__name__
            return ModelUnavailable(f"{provider.name} at {provider.url} sent what is no answer of its API ({what})")


def unsendable(provider: Provider) -> ModelError:
    """Return the error for a header that can't be written."""
    return ModelRequestRejected(
        f"The request to {provider.name} can't be sent: {provider.key_variable} and the agent's extra_headers "
        "take plain ASCII only"
    )


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
    """Return ``text`` without the key, and without what looks like one or part of one; in whole characters."""
    text = whole(text[:_MAX_READ])
    if len(key) >= 8:
        text = text.replace(key, _HIDDEN)
        text = re.sub(rf"(?<!\S)\S*(?:{re.escape(key[:8])}|{re.escape(key[-8:])})\S*", _HIDDEN, text)
    return _MASKED.sub(_HIDDEN, _KEY_LIKE.sub(_HIDDEN, text))


class _Details(Record):
    """What OpenRouter adds."""

    provider_name: str | None = None
    raw: object = None
    """The words of the provider behind it."""
    flagged_input: object = None
    """What its moderation refused."""


class _Said(Record):
    """An error as providers word it; they disagree on nearly all of it."""

    message: str = ""
    type: str | None = None
    code: str | None = None
    param: str | None = None
    metadata: _Details | None = None

    @field_validator("message", "type", "code", "param", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        return value if value is None or isinstance(value, str) else str(value)

    @classmethod
    def read(cls, body: object, fallback: str) -> _Said:
        if not isinstance(body, Mapping):
            return cls(message=str(body or "").strip() or fallback)
        message = body.get("message") or body.get("detail") or body.get("error") or ""
        metadata = body.get("metadata")
        return cls.model_validate(
            {**body, "message": message, "metadata": metadata if isinstance(metadata, Mapping) else None}
        )

    @property
    def reason(self) -> str | None:
        """The machine-readable reason; servers disagree whether it is the code or the type."""
        if self.metadata is not None and self.metadata.flagged_input is not None:
            return "moderation_blocked"
        if _SPENT.search(self.message):
            return "insufficient_quota"
        return self.code if self.code and not self.code.isdecimal() else self.type

    @property
    def status(self) -> int:
        """The HTTP status that it would have had, were it not said in the middle of a stream."""
        code = self.code or ""
        if code.isdecimal():
            return int(code)
        if code.endswith(("_policy", "_policy_violation")) or _IMAGE_FAULT.match(code):
            return 400
        return _STATUS_OF_CODE.get(code) or _STATUS_OF_TYPE.get(self.type or "", 503)

    @property
    def words(self) -> str:
        """The provider's own words, and what mends it, where that is known."""
        said = self.message
        if self.metadata is not None and self.metadata.raw:
            said = f"{said} ({self.metadata.provider_name or 'its provider'}: {self.metadata.raw})"
        if self.code in ("unsupported_parameter", "unsupported_value") and self.param in _OUR_NAMES:
            said = f"{said} Leave {_OUR_NAMES[self.param]} out of the agent's model_settings, or take another value."
        return said


def _from_stream(said: _Said, provider: Provider) -> ModelError:
    """Return ours for an error in the middle of a stream, which has no status of its own."""
    return _from_status(said.status, said, provider, None)


def _from_status(status: int, said: _Said, provider: Provider, wait: float | None) -> ModelError:
    return status_error(
        status,
        redacted(said.words or f"{provider.name} gave no reason", provider.key)[:_MAX_WORDS],
        code=said.reason,
        retry_after=wait,
        key_variable=provider.key_variable,
    )
