from __future__ import annotations

import logging

import pytest

from api.access.authentication_failures import AuthenticationFailures
from api.tasks.errors import AuthenticationFailuresLimited


def test_an_address_may_fail_so_often_and_others_still_may(caplog: pytest.LogCaptureFixture) -> None:
    failures = AuthenticationFailures(per_minute=2)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            failures.count("203.0.113.7")
        for _ in range(3):
            with pytest.raises(AuthenticationFailuresLimited, match="authentication_failures_per_minute") as limited:
                failures.count("203.0.113.7")
            assert limited.value.retry_after_s is not None
            assert 0 < limited.value.retry_after_s <= 30
        failures.count("203.0.113.8")
    assert [record.getMessage() for record in caplog.records] == [
        "Too many requests with an invalid key or token, now from 203.0.113.7"
    ]


def test_addresses_of_one_ipv6_network_are_one_client() -> None:
    failures = AuthenticationFailures(per_minute=1)
    failures.count("2001:db8::1")
    with pytest.raises(AuthenticationFailuresLimited):
        failures.count("2001:db8::2")
