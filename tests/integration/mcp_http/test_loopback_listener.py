"""The redirect at the end of a login."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import httpx2

from agentkit.mcp.http.loopback_listener import loopback_listener
from agentkit.mcp.http.oauth_login import login
from tests.integration.mcp_http.protected_calculators import protected


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


async def test_what_is_no_browser_is_not_answered() -> None:
    async with loopback_listener() as listener:
        listener.expect("http://a/authorize?state=s")
        port = httpx2.URL(listener.redirect_url).port
        for sent in (b"\x16\x03\x01\r\n\r\n", b"GET /" + b"x" * 100_000):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            writer.write_eof()
            with suppress(OSError):
                assert (await asyncio.wait_for(reader.read(12), 20)) in (b"", b"HTTP/1.1 404")
            writer.close()
        async with httpx2.AsyncClient() as browser:
            await browser.get(f"{listener.redirect_url}?state=s&code=c")
        assert await listener.parameters() == {"state": "s", "code": "c"}
