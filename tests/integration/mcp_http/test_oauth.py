"""What workers do with access tokens: a real authorization server, with expiry and rotation."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from agentkit.errors import McpServerUnavailable
from agentkit.mcp.http.http_sessions import HttpSessions
from agentkit.mcp.http.oauth import server_auth
from tests.integration.mcp_http.protected_calculators import add, protected
from tests.mcp_http_servers import calculator, serve_mcp


async def test_without_a_login_the_cure_is_named(tmp_path: Path) -> None:
    async with protected(tmp_path) as app:
        with pytest.raises(
            McpServerUnavailable, match=r"nobody has logged in\. Log in: opspawn mcp login calc$"
        ) as raised:
            await app.add()
    assert raised.value.kind == "not_authorized"


async def test_tokens_expire_and_are_renewed_once_by_several_workers_that_have_just_started(tmp_path: Path) -> None:
    async with protected(tmp_path) as app:
        app.issuing.lifetime_s = 1
        await app.log_in()
        before = await app.tokens()
        app.issuing.grants.clear()
        app.issuing.lifetime_s = 3600
        app.issuing.expire_access_tokens()
        assert await asyncio.gather(*(app.add() for _ in range(5))) == [3] * 5
        after = await app.tokens()
        assert app.issuing.grants == ["refresh_token"]
    assert after.refresh_token != before.refresh_token


async def test_a_token_that_the_server_refuses_early_is_renewed(tmp_path: Path) -> None:
    async with protected(tmp_path) as app:
        await app.log_in()
        app.issuing.expire_access_tokens()
        assert await app.add() == 3
        assert app.issuing.grants[-1] == "refresh_token"


async def test_when_the_login_has_expired_the_cure_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "mcp")
    async with protected(tmp_path) as app:
        await app.log_in()
        tokens = await app.tokens()
        app.issuing.expire_access_tokens()
        app.issuing.refresh_tokens.clear()
        with pytest.raises(
            McpServerUnavailable, match=r"expired or was revoked\. Log in: opspawn mcp login calc"
        ) as raised:
            await app.add()
        assert raised.value.kind == "not_authorized"
        await app.log_in()
        assert await app.add() == 3
    for secret in (tokens.access_token, str(tokens.refresh_token)):
        assert secret not in f"{tokens!r} {raised.value!r} {caplog.text}"


async def test_an_authorization_server_that_is_down_is_no_reason_to_log_in(tmp_path: Path) -> None:
    async with protected(tmp_path) as app:
        await app.log_in()
        tokens = await app.tokens()
        await app.store.write(
            "calc", tokens.model_copy(update={"expires_at": 1.0, "token_endpoint": "http://127.0.0.1:9/"})
        )
        with pytest.raises(McpServerUnavailable, match="can't be renewed") as raised:
            await app.add()
        assert raised.value.kind == "unreachable"
        await app.store.write("calc", tokens)
        assert await app.add() == 3


async def test_tokens_are_not_sent_to_another_url(tmp_path: Path) -> None:
    async with protected(tmp_path) as app, serve_mcp(lambda: calculator().streamable_http_app()) as other:
        await app.log_in()
        app.server = other
        with pytest.raises(McpServerUnavailable, match="the login is for another URL"):
            await app.add()
        assert other.seen == []


async def test_client_credentials_are_exchanged_once_and_again_when_the_token_is_refused(tmp_path: Path) -> None:
    async with protected(tmp_path) as app:
        app.issuing.clients["worker"] = "s3cret"
        oauth = {"grant": "client_credentials", "client_id": "worker", "client_secret": "s3cret"}
        settings = app.settings(**oauth, issuer=app.issuing.origin)
        sessions = HttpSessions("calc", settings, auth=server_auth("calc", settings, app.store))
        assert await add(sessions) == 3
        assert await add(sessions) == 3
        assert app.issuing.grants == ["client_credentials"]
        app.issuing.expire_access_tokens()
        assert await add(sessions) == 3
        await sessions.aclose()
        assert app.issuing.grants == ["client_credentials"] * 2


async def test_wrong_client_credentials_are_named_without_the_secret(tmp_path: Path) -> None:
    async with protected(tmp_path) as app:
        with pytest.raises(McpServerUnavailable, match=r"Check oauth\.client_id, oauth\.client_secret") as raised:
            await app.add(grant="client_credentials", client_id="worker", client_secret="s3cret")
    assert raised.value.kind == "not_authorized"
    assert "s3cret" not in str(raised.value)
