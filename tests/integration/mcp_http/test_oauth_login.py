"""Logins in a browser: a real authorization server, with registration and PKCE."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentkit.errors import McpServerUnavailable
from agentkit.mcp.http.oauth_login import login
from agentkit.mcp.http.token_store import FileTokenStore
from tests.integration.mcp_http.protected_calculators import Protected, protected
from tests.mcp_authorization_server import AuthorizationServer
from tests.mcp_http_servers import calculator, serve_mcp


async def test_after_a_login_workers_call_tools(tmp_path: Path) -> None:
    async with protected(tmp_path) as app:
        await app.log_in()
        assert await app.add() == 3
        assert app.issuing.grants == ["authorization_code"]
        assert app.issuing.resources == {app.server.url}
    assert len(app.opened) == 1


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
