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
def test_each_status_has_its_error(status: int, expected: type[ModelError]) -> None:
    error = status_error(status, "Their words.")
    assert type(error) is expected
    assert error.status == status
    assert "Their words." in str(error)


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
def test_the_code_says_more_than_the_status(status: int, code: str, expected: type[ModelError]) -> None:
    assert type(status_error(status, "No.", code=code)) is expected


@pytest.mark.parametrize(("status", "told"), [(400, 402), (402, 402), (403, 402), (429, 429)])
def test_a_spent_quota_is_known_by_its_status_whatever_the_provider_says_it_with(status: int, told: int) -> None:
    error = status_error(status, "Pay.", code="insufficient_quota")
    assert (type(error), error.status) == (ModelRequestRejected, told)
    assert f"(HTTP {status})" in str(error)


def test_a_wrong_key_names_what_to_set() -> None:
    assert "check OPENAI_API_KEY" in str(status_error(401, "No.", key_variable="OPENAI_API_KEY"))


def test_the_wait_is_passed_on() -> None:
    error = status_error(429, "Slow down.", retry_after=3.5)
    assert isinstance(error, ModelUnavailable)
    assert error.retry_after == 3.5
