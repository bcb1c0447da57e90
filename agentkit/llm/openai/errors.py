"""Map the errors of OpenAI's SDK to ``ModelError``; no other module catches them."""

from __future__ import annotations

import re
from collections.abc import Mapping

import openai
from pydantic import field_validator

from agentkit.errors import ModelError, ModelUnavailable
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
from agentkit.records import Record

__all__ = ["FAILURES", "model_error"]

FAILURES: tuple[type[Exception], ...] = (openai.OpenAIError, *TRANSPORT_FAILURES)
"""What a request may raise."""

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
_UNKNOWN_STATUS = 503
"""The status used for an error in a stream that can't be classified: a retry may succeed."""
_KEY_LIMIT_REACHED = re.compile(r"key limit exceeded", re.IGNORECASE)
"""OpenRouter's message, with 403, for a key that has a budget of its own."""
_IMAGE_ERROR_CODE = re.compile(r"(invalid|empty|unsupported)_.*image|image_")
_SETTING_OF_PARAMETER = {
    "max_completion_tokens": "max_output_tokens",
    "max_tokens": "max_output_tokens",
    "reasoning": "thinking_budget",
    "reasoning.effort": "thinking_budget",
    "reasoning_effort": "thinking_budget",
    "seed": "seed",
    "temperature": "temperature",
}
"""The names of OpenAI's parameters in an agent's ``model_settings``."""


def model_error(error: Exception, endpoint: ProviderEndpoint) -> ModelError:
    """Return the ``ModelError`` for what the SDK, or the HTTP client under it, raised."""
    match error:
        case openai.APIStatusError():
            body = _ErrorBody.read(error.body, error.message)
            return _reported(error.status_code, body, endpoint, read_retry_after(error_headers(error)))
        case openai.APITimeoutError():
            return timeout_error(error, endpoint)
        case openai.APIConnectionError():
            return connection_error(error, endpoint)
        case openai.APIError() if not isinstance(error, openai.APIResponseValidationError):
            body = _ErrorBody.read(error.body, error.message)
            return _reported(body.status, body, endpoint)
        case ProviderStreamError():
            body = _ErrorBody.read(error.body, "")
            return _reported(body.status, body, endpoint)
        case _:
            return transport_error(error, endpoint)


class _ErrorMetadata(Record):
    """What OpenRouter adds to an error."""

    provider_name: str | None = None
    raw: object = None
    """The error of the provider behind it."""
    flagged_input: object = None
    """What its moderation refused."""


class _ErrorBody(Record):
    """An error in a response; all fields are optional, as servers differ in each of them."""

    message: str = ""
    type: str | None = None
    code: str | None = None
    param: str | None = None
    metadata: _ErrorMetadata | None = None

    @field_validator("message", "type", "code", "param", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        return value if value is None or isinstance(value, str) else str(value)

    @classmethod
    def read(cls, body: object, fallback: str) -> _ErrorBody:
        """Return the error in ``body``, whatever its form; ``fallback`` is the message of an empty one."""
        if not isinstance(body, Mapping):
            return cls(message=str(body or "").strip() or fallback)
        message = body.get("message") or body.get("detail") or body.get("error") or ""
        metadata = body.get("metadata")
        return cls.model_validate(
            {**body, "message": message, "metadata": metadata if isinstance(metadata, Mapping) else None}
        )

    @property
    def reason(self) -> str | None:
        """The machine-readable reason: servers put it into the code or the type."""
        if self.metadata is not None and self.metadata.flagged_input is not None:
            return "moderation_blocked"
        if _KEY_LIMIT_REACHED.search(self.message):
            return "insufficient_quota"
        return self.code if self.code and not self.code.isdecimal() else self.type

    @property
    def status(self) -> int:
        """The HTTP status that fits the error, for errors in a stream, which have none of their own."""
        code = self.code or ""
        if code.isdecimal():
            return int(code)
        if code.endswith(("_policy", "_policy_violation")) or _IMAGE_ERROR_CODE.match(code):
            return 400
        return _STATUS_OF_CODE.get(code) or _STATUS_OF_TYPE.get(self.type or "", _UNKNOWN_STATUS)

    @property
    def description(self) -> str:
        """The provider's message, followed by the remedy if there is one."""
        description = self.message
        if self.metadata is not None and self.metadata.raw:
            description += f" ({self.metadata.provider_name or 'its provider'}: {self.metadata.raw})"
        if self.code in ("unsupported_parameter", "unsupported_value") and self.param in _SETTING_OF_PARAMETER:
            setting = _SETTING_OF_PARAMETER[self.param]
            description += f" Leave {setting} out of the agent's model_settings, or choose another value."
        return description


def _reported(
    status: int, body: _ErrorBody, endpoint: ProviderEndpoint, retry_after: float | None = None
) -> ModelError:
    error = provider_error(endpoint, status, body.description, code=body.reason, retry_after=retry_after)
    if isinstance(error, ModelUnavailable) and body.metadata is not None:
        error.upstream = body.metadata.provider_name
    return error
