"""Logins in a browser, and what workers do with the tokens: a real authorization server, with PKCE and rotation."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from agentkit.errors import McpServerUnavailable
from agentkit.interfaces import McpTokens
from agentkit.mcp.http_sessions import HttpSessions
from agentkit.mcp.oauth import server_auth
from agentkit.mcp.oauth_login import login
from agentkit.mcp.token_store import FileTokenStore
from agentkit.mcp_settings import McpServerSettings
from tests.mcp_authorization_server import AuthorizationServer
from tests.mcp_http_servers import McpHttpServer, calculator, serve_mcp


@dataclass
class Protected:
    """A server that demands tokens, as several workers of an app see it."""

    issuing: AuthorizationServer
    server: McpHttpServer
    store: FileTokenStore
    opened: list[str] = field(default_factory=list)
    """The URLs that a person was shown."""

    def settings(self, **oauth: object) -> McpServerSettings:
        return McpServerSettings.model_validate({"url": self.server.url, "opspawn": {"oauth": oauth}})

    async def browse(self, url: str) -> None:
        """Do what a person's browser does."""
        self.opened.append(url)
        async with httpx2.AsyncClient(follow_redirects=True) as browser:
            assert (await browser.get(url)).status_code == 200

    async def log_in(self, timeout_s: float = 30, **oauth: object) -> None:
        await login("calc", self.settings(**oauth), self.store, open_url=self.browse, timeout_s=timeout_s)

    async def add(self, **oauth: object) -> int:
        """Call a tool in a worker that has just started."""
        settings = self.settings(**oauth)
        sessions = HttpSessions("calc", settings, auth=server_auth("calc", settings, self.store))
        try:
            return await add(sessions)
        finally:
            await sessions.aclose()

    async def tokens(self) -> McpTokens:
        tokens = await self.store.read("calc")
        assert tokens is not None
        return tokens


async def add(sessions: HttpSessions) -> int:
    async with asyncio.timeout(30), sessions.session() as client:
        result = await client.session.call_tool("add", {"a": 1, "b": 2})
    assert result.structured_content is not None
    return int(result.structured_content["result"])


@asynccontextmanager
async def protected(tmp_path: Path) -> AsyncIterator[Protected]:
    issuing = AuthorizationServer()
    async with serve_mcp(issuing.make_app) as server:
        issuing.origin = server.url.removesuffix("/mcp")
        yield Protected(issuing, server, FileTokenStore(tmp_path / "mcp"))


async def test_without_a_login_the_cure_is_named(tmp_path: Path) -> None:
    async with protected(tmp_path) as app:
        with pytest.raises(
            McpServerUnavailable, match=r"nobody has logged in\. Log in: opspawn mcp login calc$"
        ) as raised:
            await app.add()
    assert raised.value.kind == "not_authorized"


async def test_after_a_login_workers_call_tools(tmp_path: Path) -> None:
    async with protected(tmp_path) as app:
        await app.log_in()
        assert await app.add() == 3
        assert app.issuing.grants == ["authorization_code"]
        assert app.issuing.resources == {app.server.url}
    assert len(app.opened) == 1


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


async def test_the_client_and_scope_of_the_settings_are_used(tmp_path: Path) -> None:
    async with protected(tmp_path) as app:
        app.issuing.may_register = False
        app.issuing.clients["known"] = None
        await app.log_in(client_id="known", scope="tools admin")
        assert await app.add() == 3
        assert app.issuing.scopes == ["tools admin"]


async def test_a_login_where_clients_cannot_register_fails(tmp_path: Path) -> None:
    async with protected(tmp_path) as app:
        app.issuing.may_register = False
        with pytest.raises(McpServerUnavailable, match=r"calc \(login\): Registration failed") as raised:
            await app.log_in()
    assert raised.value.kind == "not_authorized"


async def test_a_login_that_is_refused_fails(tmp_path: Path) -> None:
    async with protected(tmp_path) as app:
        app.issuing.refuses_login = True
        with pytest.raises(McpServerUnavailable, match=r"the login was refused \(access_denied\)"):
            await app.log_in()


@pytest.mark.parametrize("issuer", ["http://127.0.0.1:9", None])
async def test_another_issuer_than_that_of_the_settings_gets_no_login(tmp_path: Path, issuer: str | None) -> None:
    async with protected(tmp_path) as app:
        expected = issuer or app.issuing.origin
        if issuer is None:
            await app.log_in(issuer=expected)
            return
        with pytest.raises(McpServerUnavailable, match="another authorization server"):
            await app.log_in(issuer=expected)
    assert app.opened == []


async def test_a_redirect_of_another_login_is_not_taken(tmp_path: Path) -> None:
    async with protected(tmp_path) as app:

        async def attack(url: str) -> None:
            redirect = httpx2.URL(url).params["redirect_uri"]
            async with httpx2.AsyncClient() as browser:
                forged = await browser.get(redirect, params={"code": "stolen", "state": "other"})
                elsewhere = await browser.get(httpx2.URL(redirect).join("/favicon.ico"))
            assert (forged.status_code, elsewhere.status_code) == (400, 404)
            await app.browse(url)

        await login("calc", app.settings(), app.store, open_url=attack, timeout_s=30)
        assert await app.add() == 3


async def test_a_login_that_nobody_makes_is_given_up(tmp_path: Path) -> None:
    async def ignore(_: str) -> None:
        return None

    async with protected(tmp_path) as app:
        with pytest.raises(McpServerUnavailable, match=r"calc \(login\): nobody has logged in within 0\.5 s") as raised:
            await login("calc", app.settings(), app.store, open_url=ignore, timeout_s=0.5)
    assert raised.value.kind == "timed_out"


async def test_a_server_that_asks_for_no_login_is_named(tmp_path: Path) -> None:
    async with serve_mcp(lambda: calculator().streamable_http_app()) as server:
        app = Protected(AuthorizationServer(), server, FileTokenStore(tmp_path))
        with pytest.raises(McpServerUnavailable, match="the server asks for no login"):
            await app.log_in()


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
