"""Map an HTTP status of a provider to a ``ModelError``."""

from __future__ import annotations

import re

from agentkit.errors import (
    ContentRefused,
    ContextTooLong,
    ModelError,
    ModelNotAuthorized,
    ModelRequestRejected,
    ModelUnavailable,
)

__all__ = ["status_error"]

_TRANSIENT = {408, 409, 425, 429}
_QUOTA = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "insufficient_balance"}
_NO_SUCH_MODEL = {"model_not_found"}
"""OpenAI sends this code with 403, too, if the key's project may not use the model."""
_REFUSED = {"content_filter", "moderation_blocked"}
_TOO_LONG = {"context_length_exceeded", "exceed_context_size_error", "string_above_max_length"}
_TOO_LONG_MESSAGE = re.compile(
    r"maximum context length|context (window|length|size)|(prompt|input|request) (is|was) too (long|large)",
    re.IGNORECASE,
)


def status_error(
    status: int,
    message: str,
    *,
    code: str | None = None,
    retry_after: float | None = None,
    key_variable: str = "the provider's key",
) -> ModelError:
    """Return the error for an HTTP response with this status.

    ``message`` is the provider's own, ``code`` its machine-readable reason, ``retry_after`` seconds; ``key_variable``
    names what to set if the key is wrong.
    """
    description = f"{message.rstrip()} (HTTP {status})"
    if _is_refusal(code):
        return ContentRefused(description, status=status)
    if code in _QUOTA or status == 402:
        # Anthropic sends 400 and OpenRouter 403 for this: by the status alone it would be another error.
        return ModelRequestRejected(
            f"The provider's quota is used up: check its plan and billing. {description}",
            status=status if status == 429 else 402,
        )
    if status in _TRANSIENT or status >= 500 or status < 400:
        return ModelUnavailable(description, status=status, retry_after=retry_after)
    if status in (401, 403) and code not in _NO_SUCH_MODEL:
        return ModelNotAuthorized(f"The provider refused the key: check {key_variable}. {description}", status=status)
    if status == 413 or code in _TOO_LONG or _TOO_LONG_MESSAGE.search(message):
        return ContextTooLong(description, status=status)
    return ModelRequestRejected(description, status=status)


def _is_refusal(code: str | None) -> bool:
    return code is not None and (code in _REFUSED or code.endswith(("_policy", "_policy_violation")))
