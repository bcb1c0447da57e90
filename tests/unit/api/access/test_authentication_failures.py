from __future__ import annotations

import logging

import pytest

from agentkit.access.token_rules import TokenRules
from agentkit.access.token_verifier import TokenVerifier
from api.access.authentication import Authentication
from api.access.authentication_failures import AuthenticationFailures
from api.rest.problems import service_problem
from api.tasks.errors import AuthenticationFailuresLimited, NotAuthenticated
from tests.token_issuer import AUDIENCE, TokenIssuer, new_key


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


async def test_an_expired_token_is_no_failure_unless_it_is_forged() -> None:
    issuer = TokenIssuer()
    tokens = TokenVerifier(TokenRules(issuer=issuer.url, audience=AUDIENCE), issuer.fetch)
    authentication = Authentication(tokens=tokens, failures=AuthenticationFailures(per_minute=1))
    for _ in range(3):
        with pytest.raises(NotAuthenticated, match="has expired"):
            await authentication.identify(f"Bearer {issuer.token(exp=1)}", "203.0.113.7")
    forged = f"Bearer {issuer.token(exp=1, key=new_key('key-1'))}"
    with pytest.raises(NotAuthenticated, match="isn't valid"):
        await authentication.identify(forged, "203.0.113.7")
    with pytest.raises(AuthenticationFailuresLimited) as limited:
        await authentication.identify(forged, "203.0.113.7")
    headers = service_problem(limited.value).headers
    assert (headers["www-authenticate"], int(headers["retry-after"]) > 0) == ("Bearer", True)


def test_addresses_of_one_ipv6_network_are_one_client() -> None:
    failures = AuthenticationFailures(per_minute=1)
    failures.count("2001:db8::1")
    with pytest.raises(AuthenticationFailuresLimited):
        failures.count("2001:db8::2")
