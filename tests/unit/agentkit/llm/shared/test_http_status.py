from __future__ import annotations

import pytest

from agentkit.errors import (
    ContentRefused,
    ContextTooLong,
    ModelError,
    ModelNotAuthorized,
    ModelRequestRejected,
    ModelUnavailable,
)
from agentkit.llm.shared.http_status import status_error


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (302, ModelUnavailable),
        (400, ModelRequestRejected),
        (401, ModelNotAuthorized),
        (402, ModelRequestRejected),
        (403, ModelNotAuthorized),
        (404, ModelRequestRejected),
        (408, ModelUnavailable),
        (409, ModelUnavailable),
        (413, ContextTooLong),
        (422, ModelRequestRejected),
        (429, ModelUnavailable),
        (500, ModelUnavailable),
        (529, ModelUnavailable),
    ],
)
def test_a_status_gives_an_error(status: int, expected: type[ModelError]) -> None:
    error = status_error(status, "No such model.")
    assert type(error) is expected
    assert error.status == status
    assert "No such model." in str(error)


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (429, "insufficient_quota", ModelRequestRejected),
        (400, "context_length_exceeded", ContextTooLong),
        (400, "exceed_context_size_error", ContextTooLong),
        (400, "content_filter", ContentRefused),
        (400, "content_policy_violation", ContentRefused),
        (403, "cyber_policy", ContentRefused),
        (403, "moderation_blocked", ContentRefused),
        (500, "context_length_exceeded", ModelUnavailable),
        (403, "model_not_found", ModelRequestRejected),
    ],
)
def test_the_code_of_a_failure_overrides_its_status(status: int, code: str, expected: type[ModelError]) -> None:
    assert type(status_error(status, "No.", code=code)) is expected


@pytest.mark.parametrize(("status", "reported"), [(400, 402), (402, 402), (403, 402), (429, 429)])
def test_a_used_up_quota_has_status_402_or_429_with_every_provider(status: int, reported: int) -> None:
    error = status_error(status, "Pay.", code="insufficient_quota")
    assert (type(error), error.status) == (ModelRequestRejected, reported)
    assert f"(HTTP {status})" in str(error)


def test_a_refused_key_names_the_variable_to_set() -> None:
    assert "check OPENAI_API_KEY" in str(status_error(401, "No.", key_variable="OPENAI_API_KEY"))


def test_retry_after_is_part_of_the_error() -> None:
    error = status_error(429, "Slow down.", retry_after=3.5)
    assert isinstance(error, ModelUnavailable)
    assert error.retry_after == 3.5
