from __future__ import annotations

import asyncio
import gzip
import socket
import ssl

import pytest
import trustme

from agentkit.errors import ToolError, ToolUnavailable
from agentkit.interfaces import Fetcher, FetchResult
from agentkit.web import PublicFetcher
from tests.unit.agentkit.web.scripted_site import (
    LOOPBACK,
    ScriptedSite,
    page,
    redirect,
    serve_site,
    static_resolver,
)


async def fetch(
    url: str, fetcher: Fetcher | None = None, max_bytes: int = 10_000, timeout_s: float = 10
) -> FetchResult:
    return await (fetcher or PublicFetcher(allow=LOOPBACK)).fetch(url, max_bytes=max_bytes, timeout_s=timeout_s)


async def test_requests_use_no_proxy_cookie_or_credentials(site: ScriptedSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    site.responses["/a?b=c"] = page("hello")
    assert await fetch(site.url("/a?b=c")) == FetchResult(
        url=site.url("/a?b=c"), status=200, content_type="text/plain", text="hello"
    )
    [request] = site.requests
    assert request["host"] == f"127.0.0.1:{site.port}"
    assert request["user-agent"] == "opspawn"
    assert not {"cookie", "authorization"} & set(request)


async def test_a_page_with_an_error_status_is_a_result(site: ScriptedSite) -> None:
    result = await fetch(site.url("/missing"))
    assert (result.status, result.text) == (404, "nothing here")


async def test_html_is_reduced_to_text_with_absolute_links(site: ScriptedSite) -> None:
    site.responses["/d/"] = page("<title>T</title><p>x <a href=e>y</a>", "content-type: text/html; charset=utf-8")
    result = await fetch(site.url("/d/"))
    assert (result.content_type, result.text) == ("text/html", f"T\n\nx [y]({site.url('/d/e')})")


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        pytest.param("é".encode("latin-1"), "content-type: text/plain; charset=iso-8859-1", "é", id="header"),
        pytest.param("<meta charset=latin1>é".encode("latin-1"), "content-type: text/html", "é", id="meta"),
        pytest.param("\ufeffé".encode(), "content-type: text/plain", "é", id="byte order mark"),
        pytest.param("größe".encode("utf-16"), "content-type: text/plain", "größe", id="UTF-16"),
        pytest.param("größe".encode("utf-16"), "", "größe", id="UTF-16 without type"),
        pytest.param("<html>größe".encode("utf-16"), "", "größe", id="html in UTF-16 without type"),
        pytest.param("é".encode("cp1252"), "content-type: text/plain; charset='iso-8859-1'", "é", id="quoted"),
        pytest.param(
            '<?xml version="1.0" encoding="windows-1251"?>я'.encode("cp1251"),
            "content-type: application/rss+xml",
            '<?xml version="1.0" encoding="windows-1251"?>я',
            id="feed",
        ),
        pytest.param(b"\xff", "content-type: text/plain", "\ufffd", id="broken"),
        pytest.param(b"a", "content-type: text/plain; charset=punycode", "a", id="slow codec"),
        pytest.param(b"a", "content-type: text/plain; charset=nonsense", "a", id="unknown codec"),
        pytest.param(b'{"a": 1}', "content-type: application/problem+json", '{"a": 1}', id="json"),
        pytest.param(b"plain", "", "plain", id="no type"),
        pytest.param(b"<!DOCTYPE html><p>x", "", "x", id="html without type"),
    ],
)
async def test_text_is_decoded(site: ScriptedSite, body: bytes, kind: str, text: str) -> None:
    site.responses["/"] = page(body, kind)
    assert (await fetch(site.url())).text == text


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        pytest.param(b"x", "content-type: image/png", id="image"),
        pytest.param(b"x", "content-type: application/octet-stream", id="bytes"),
        pytest.param(b"PK\0\0", "", id="bytes without type"),
    ],
)
async def test_content_that_is_not_text_is_refused(site: ScriptedSite, body: bytes, kind: str) -> None:
    site.responses["/"] = page(body, kind)
    with pytest.raises(ToolError, match="not text"):
        await fetch(site.url())


async def test_long_pages_are_cut(site: ScriptedSite) -> None:
    site.responses["/"] = page("a" * 10_001)
    result = await fetch(site.url())
    assert (len(result.text), result.truncated) == (10_000, True)
    assert not (await fetch(site.url(), max_bytes=10_001)).truncated


async def test_a_page_is_not_cut_inside_a_character(site: ScriptedSite) -> None:
    site.responses["/"] = page("日本")
    assert (await fetch(site.url(), max_bytes=4)).text == "日"


async def test_an_endless_page_is_cut_at_the_limit(site: ScriptedSite) -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n")
        while not writer.transport.is_closing():
            writer.write(b"a" * 65_536)
            await writer.drain()

    site.responses["/"] = endless
    result = await fetch(site.url(), max_bytes=200_000)
    assert (len(result.text), result.truncated) == (200_000, True)


async def test_a_decompression_bomb_is_cut(site: ScriptedSite) -> None:
    bomb = gzip.compress(bytes(200_000_000), 9)
    site.responses["/"] = page(bomb, "content-type: text/plain", "content-encoding: gzip")
    result = await fetch(site.url())
    assert (len(result.text), result.truncated) == (10_000, True)


async def test_compressed_pages_are_read_and_broken_ones_are_tool_errors(site: ScriptedSite) -> None:
    site.responses["/"] = page(gzip.compress(b"hello"), "content-type: text/plain", "content-encoding: gzip")
    site.responses["/broken"] = page(b"hello", "content-type: text/plain", "content-encoding: gzip")
    assert (await fetch(site.url())).text == "hello"
    with pytest.raises(ToolError, match="can't be read"):
        await fetch(site.url("/broken"))


@pytest.mark.parametrize(
    "sent", [b"", b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\nslowly"], ids=["head", "body"]
)
async def test_a_slow_page_is_a_permanent_tool_error(site: ScriptedSite, sent: bytes) -> None:
    async def stall(writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await writer.drain()
        await asyncio.Event().wait()

    site.responses["/"] = stall
    with pytest.raises(ToolError, match=r"took longer than 0\.2 s") as raised:
        await fetch(site.url(), timeout_s=0.2)
    assert not isinstance(raised.value, ToolUnavailable)


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", b"nonsense\r\n\r\n"])
async def test_a_broken_connection_is_a_transient_error(site: ScriptedSite, sent: bytes) -> None:
    site.responses["/"] = sent
    with pytest.raises(ToolUnavailable, match="No connection to http://"):
        await fetch(site.url())


async def test_a_refused_connection_is_a_transient_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(ToolUnavailable, match="No connection to http://"):
            await fetch(f"http://127.0.0.1:{taken.getsockname()[1]}/")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        pytest.param("ftp://example.org/", "only absolute http:// and https://", id="ftp"),
        pytest.param("file:///etc/passwd", "only absolute http:// and https://", id="file"),
        pytest.param("example.org", "only absolute http:// and https://", id="relative"),
        pytest.param("", "only absolute http:// and https://", id="empty"),
        pytest.param("http://", "only absolute http:// and https://", id="no host"),
        pytest.param("http://a\0b/", "is no URL", id="zero byte"),
        pytest.param("http://exa mple.org/", "is no URL", id="space"),
        pytest.param("http://a:99999999/", "is no URL", id="port"),
        pytest.param("http://[::1/", "is no URL", id="bracket"),
        pytest.param("http://ada:secret@example.org/", "user name or password", id="password"),
    ],
)
async def test_invalid_urls_are_refused_before_a_request(url: str, message: str) -> None:
    with pytest.raises(ToolError, match=message) as raised:
        await fetch(url)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "0x7f.1", "2130706433", "0", "[::1]", "[::ffff:127.0.0.1]"]
)
async def test_every_notation_of_a_loopback_address_is_refused(site: ScriptedSite, host: str) -> None:
    site.responses["/"] = page("secret")
    with pytest.raises(ToolError, match=r"is not on the public internet|is no URL|no host"):
        await fetch(f"http://{host}:{site.port}/", PublicFetcher())
    assert site.requests == []


async def test_redirects_are_followed_and_cookies_last_for_one_fetch(site: ScriptedSite) -> None:
    site.responses["/"] = page("", "", "location: /b", "set-cookie: a=1", status="301 Moved")
    site.responses["/b"] = page("hello")
    fetcher = PublicFetcher(allow=LOOPBACK)
    assert (await fetch(site.url(), fetcher)).url == site.url("/b")
    await fetch(site.url("/b"), fetcher)
    assert ["cookie" in request for request in site.requests] == [False, True, False]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        pytest.param("http://10.0.0.1/", "not on the public internet", id="private"),
        pytest.param("http://169.254.169.254/latest/meta-data", "not on the public internet", id="metadata"),
        pytest.param("file:///etc/passwd", "only absolute http:// and https://", id="file"),
        pytest.param("http://ada:pw@127.0.0.1/", "user name or password", id="password"),
        pytest.param("http://[/", "is no URL", id="broken"),
    ],
)
async def test_the_target_of_a_redirect_is_checked(site: ScriptedSite, target: str, message: str) -> None:
    site.responses["/"] = redirect(target)
    with pytest.raises(ToolError, match=message):
        await fetch(site.url())


async def test_more_than_five_redirects_are_a_tool_error(site: ScriptedSite) -> None:
    site.responses["/"] = redirect("/")
    with pytest.raises(ToolError, match="More than 5 redirects"):
        await fetch(site.url())
    assert len(site.requests) == 6


async def test_an_invalid_certificate_is_a_permanent_tool_error() -> None:
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("good.test").configure_cert(server)
    authority.configure_trust(client)
    fetcher = PublicFetcher(allow=LOOPBACK, resolve=static_resolver(bad_test=("127.0.0.1",)), verify=client)
    async with serve_site(server) as site:
        with pytest.raises(ToolError, match="no valid certificate") as raised:
            await fetch(f"https://bad.test:{site.port}/", fetcher)
    assert not isinstance(raised.value, ToolUnavailable)
