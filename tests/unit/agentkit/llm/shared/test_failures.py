from __future__ import annotations

import time
from email.utils import formatdate

import httpx2
import pytest

from agentkit.errors import ModelError, ModelNotAuthorized, ModelRequestRejected, ModelTimedOut, ModelUnavailable
from agentkit.llm.shared.failures import (
    TRANSPORT_FAILURES,
    ProviderEndpoint,
    error_headers,
    provider_error,
    public_url,
    read_retry_after,
    transport_error,
)

ENDPOINT = ProviderEndpoint("acme", "https://acme.example/v1", "ACME_API_KEY", "sk-0123456789abcdef")
REQUEST = httpx2.Request("POST", ENDPOINT.url)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "1500", "retry-after": "7"}, 1.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "2"}, 2.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1000000000"}, 1e9),
        ({"retry-after": "Fri, 31 Dec 99999999999 23:59:59 GMT"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_milliseconds_or_seconds(headers: dict[str, str], seconds: float | None) -> None:
    assert read_retry_after(headers) == seconds


def test_retry_after_may_be_a_date() -> None:
    wait = read_retry_after({"retry-after": formatdate(time.time() + 60, usegmt=True)})
    assert wait is not None
    assert 0 < wait <= 60


def test_a_date_in_the_past_is_no_wait() -> None:
    assert read_retry_after({"retry-after": formatdate(time.time() - 60, usegmt=True)}) == 0


@pytest.mark.parametrize("skew_s", [-3_600, 3_600])
def test_a_date_is_compared_with_the_responses_own_date_however_wrong_this_clock_is(skew_s: int) -> None:
    sent = time.time() + skew_s
    dates = {"date": formatdate(sent, usegmt=True), "retry-after": formatdate(sent + 20, usegmt=True)}
    assert read_retry_after(dates) == 20


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("https://acme.example/v1/", "https://acme.example/v1"),
        ("http://ada:pass@127.0.0.1:1/v1?token=secret", "http://127.0.0.1:1/v1"),
    ],
)
def test_a_public_url_has_no_credentials(url: str, public: str) -> None:
    assert public_url(url) == public


@pytest.mark.parametrize(
    ("error", "expected", "text"),
    [
        pytest.param(TimeoutError(), ModelTimedOut, "did not respond in time", id="our timeout"),
        pytest.param(httpx2.ReadTimeout("slow", request=REQUEST), ModelTimedOut, "did not respond in time",
                     id="timeout of the HTTP client"),
        pytest.param(httpx2.ConnectError("no", request=REQUEST), ModelUnavailable,
                     "connection to acme at https://acme.example/v1 failed (ConnectError)", id="connection"),
        pytest.param(UnicodeEncodeError("ascii", "é", 0, 1, "no"), ModelRequestRejected, "ACME_API_KEY", id="header"),
        pytest.param(ValueError("no"), ModelUnavailable, "no response of its API (ValueError)", id="unreadable"),
    ],
)  # fmt: skip
def test_failures_of_the_transport_name_the_server(error: Exception, expected: type[ModelError], text: str) -> None:
    mapped = transport_error(error, ENDPOINT)
    assert type(mapped) is expected
    assert text in str(mapped)


def test_every_transport_failure_is_caught() -> None:
    for error in (TimeoutError(), httpx2.ReadTimeout("slow"), httpx2.StreamClosed(), UnicodeError(), RecursionError()):
        assert isinstance(error, TRANSPORT_FAILURES)


def test_an_error_of_the_provider_is_redacted_cut_and_names_the_variable_of_the_key() -> None:
    error = provider_error(ENDPOINT, 401, f"{ENDPOINT.key} " + "no " * 1_000)
    assert type(error) is ModelNotAuthorized
    assert ENDPOINT.key not in str(error)
    assert "check ACME_API_KEY" in str(error)
    assert len(str(error)) < 1_200


def test_an_error_without_a_message_has_one_that_names_the_provider() -> None:
    assert "acme gave no reason" in str(provider_error(ENDPOINT, 500, ""))


def test_the_representation_of_an_endpoint_hides_the_key() -> None:
    assert ENDPOINT.key not in repr(ENDPOINT)


def test_the_headers_of_an_error_are_those_of_its_response() -> None:
    response = httpx2.Response(429, headers={"retry-after": "3"}, request=REQUEST)
    error = httpx2.HTTPStatusError("slow down", request=REQUEST, response=response)
    assert error_headers(error)["retry-after"] == "3"
    assert error_headers(ValueError()) == {}
