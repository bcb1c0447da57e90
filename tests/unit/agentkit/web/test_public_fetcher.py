from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import trustme

from agentkit.errors import ToolError, ToolUnavailable
from agentkit.interfaces import Fetcher, FetchResult
from agentkit.web import PublicFetcher

LOOPBACK = ("127.0.0.0/8",)
Answer = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]


def page(body: bytes | str, kind: str = "content-type: text/plain", *headers: str, status: str = "200 OK") -> bytes:
    content = body.encode() if isinstance(body, str) else body
    lines = (f"HTTP/1.1 {status}", f"content-length: {len(content)}", kind, *headers)
    return "\r\n".join(line for line in lines if line).encode() + b"\r\n\r\n" + content


def redirect(target: str) -> bytes:
    return page("", "", f"location: {target}", status="302 Found")


@dataclass
class Site:
    """A web server that answers each path by script, and remembers what it was asked."""

    port: int = 0
    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[Mapping[str, str]] = field(default_factory=list)

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            path = first.split(" ")[1]
            headers = (line.partition(": ") for line in lines if line)
            self.requests.append({"path": path, **{name.lower(): value for name, _, value in headers}})
            answer = self.answers.get(path, page("nothing here", status="404 Not Found"))
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
            else:
                await answer(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the fetcher hung up, as it may
        finally:
            writer.close()


@asynccontextmanager
async def serving(context: ssl.SSLContext | None = None) -> AsyncIterator[Site]:
    site = Site()
    server = await asyncio.start_server(site.serve, "127.0.0.1", 0, ssl=context)
    site.port = server.sockets[0].getsockname()[1]
    async with server:
        yield site


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with serving() as started:
        yield started


async def fetch(url: str, fetcher: Fetcher | None = None, max_bytes: int = 10_000, within: float = 10) -> FetchResult:
    return await (fetcher or PublicFetcher(allow=LOOPBACK)).fetch(url, max_bytes=max_bytes, within=within)


def names(**hosts: Sequence[str]) -> Callable[[str, int], Awaitable[Sequence[str]]]:
    """Stand in for DNS."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        return hosts[host.replace(".", "_")]

    return resolve


async def test_text_is_fetched_as_no_particular_person(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    site.answers["/a?b=c"] = page("hello")
    assert await fetch(site.url("/a?b=c")) == FetchResult(
        url=site.url("/a?b=c"), status=200, content_type="text/plain", text="hello"
    )
    [request] = site.requests
    assert request["host"] == f"127.0.0.1:{site.port}"
    assert request["user-agent"] == "opspawn"
    assert not {"cookie", "authorization"} & set(request)


async def test_an_error_status_is_an_answer(site: Site) -> None:
    fetched = await fetch(site.url("/missing"))
    assert (fetched.status, fetched.text) == (404, "nothing here")


async def test_html_is_reduced_to_text_with_absolute_links(site: Site) -> None:
    site.answers["/d/"] = page("<title>T</title><p>x <a href=e>y</a>", "content-type: text/html; charset=utf-8")
    fetched = await fetch(site.url("/d/"))
    assert (fetched.content_type, fetched.text) == ("text/html", f"T\n\nx [y]({site.url('/d/e')})")


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        pytest.param("é".encode("latin-1"), "content-type: text/plain; charset=iso-8859-1", "é", id="header"),
        pytest.param("<meta charset=latin1>é".encode("latin-1"), "content-type: text/html", "é", id="meta"),
        pytest.param("\ufeffé".encode(), "content-type: text/plain", "é", id="byte order mark"),
        pytest.param(b"\xff", "content-type: text/plain", "\ufffd", id="broken"),
        pytest.param(b"a", "content-type: text/plain; charset=punycode", "a", id="slow codec"),
        pytest.param(b"a", "content-type: text/plain; charset=nonsense", "a", id="unknown codec"),
        pytest.param(b'{"a": 1}', "content-type: application/problem+json", '{"a": 1}', id="json"),
        pytest.param(b"plain", "", "plain", id="no type"),
        pytest.param(b"<!DOCTYPE html><p>x", "", "x", id="html without type"),
    ],
)
async def test_text_is_decoded(site: Site, body: bytes, kind: str, text: str) -> None:
    site.answers["/"] = page(body, kind)
    assert (await fetch(site.url())).text == text


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        pytest.param(b"x", "content-type: image/png", id="image"),
        pytest.param(b"x", "content-type: application/octet-stream", id="bytes"),
        pytest.param(b"PK\0\0", "", id="bytes without type"),
    ],
)
async def test_what_is_no_text_is_refused(site: Site, body: bytes, kind: str) -> None:
    site.answers["/"] = page(body, kind)
    with pytest.raises(ToolError, match="not text"):
        await fetch(site.url())


async def test_long_pages_are_cut(site: Site) -> None:
    site.answers["/"] = page("a" * 10_001)
    fetched = await fetch(site.url())
    assert (len(fetched.text), fetched.truncated) == (10_000, True)
    assert not (await fetch(site.url(), max_bytes=10_001)).truncated


async def test_an_endless_page_is_cut_while_it_comes(site: Site) -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n")
        while not writer.transport.is_closing():
            writer.write(b"a" * 65_536)
            await writer.drain()

    site.answers["/"] = endless
    fetched = await fetch(site.url(), max_bytes=200_000)
    assert (len(fetched.text), fetched.truncated) == (200_000, True)


async def test_a_decompression_bomb_is_cut(site: Site) -> None:
    bomb = gzip.compress(bytes(200_000_000), 9)
    site.answers["/"] = page(bomb, "content-type: text/plain", "content-encoding: gzip")
    fetched = await fetch(site.url())
    assert (len(fetched.text), fetched.truncated) == (10_000, True)


async def test_compressed_pages_are_read_and_broken_ones_are_told(site: Site) -> None:
    site.answers["/"] = page(gzip.compress(b"hello"), "content-type: text/plain", "content-encoding: gzip")
    site.answers["/broken"] = page(b"hello", "content-type: text/plain", "content-encoding: gzip")
    assert (await fetch(site.url())).text == "hello"
    with pytest.raises(ToolError, match="what can't be read"):
        await fetch(site.url("/broken"))


@pytest.mark.parametrize(
    "sent", [b"", b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\nslowly"], ids=["head", "body"]
)
async def test_a_slow_page_is_given_up(site: Site, sent: bytes) -> None:
    async def stall(writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await writer.drain()
        await asyncio.Event().wait()

    site.answers["/"] = stall
    with pytest.raises(ToolError, match=r"took longer than 0\.2 s") as raised:
        await fetch(site.url(), within=0.2)
    assert not isinstance(raised.value, ToolUnavailable)


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", b"nonsense\r\n\r\n"])
async def test_a_connection_that_breaks_off_is_worth_another_attempt(site: Site, sent: bytes) -> None:
    site.answers["/"] = sent
    with pytest.raises(ToolUnavailable, match="No connection to http://"):
        await fetch(site.url())


async def test_a_server_that_isnt_there_is_worth_another_attempt() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(ToolUnavailable, match="No connection to http://"):
            await fetch(f"http://127.0.0.1:{taken.getsockname()[1]}/")


@pytest.mark.parametrize(
    ("url", "told"),
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
async def test_odd_urls_are_refused_before_anything_is_sent(url: str, told: str) -> None:
    with pytest.raises(ToolError, match=told) as raised:
        await fetch(url)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "0x7f.1", "2130706433", "0", "[::1]", "[::ffff:127.0.0.1]"]
)
async def test_this_machine_is_refused_however_it_is_written(site: Site, host: str) -> None:
    site.answers["/"] = page("secret")
    with pytest.raises(ToolError, match=r"is not on the public internet|is no URL|no host"):
        await fetch(f"http://{host}:{site.port}/", PublicFetcher())
    assert site.requests == []


async def test_one_private_address_among_public_ones_is_enough_to_refuse(site: Site) -> None:
    fetcher = PublicFetcher(resolve=names(a_test=("1.1.1.1", "127.0.0.1")))
    with pytest.raises(ToolError, match=r"'a\.test' is not on the public internet \(127\.0\.0\.1\)"):
        await fetch(f"http://a.test:{site.port}/", fetcher)
    assert site.requests == []


async def test_a_host_without_addresses_is_refused() -> None:
    with pytest.raises(ToolError, match="no address"):
        await fetch("http://a.test/", PublicFetcher(resolve=names(a_test=())))


async def test_the_address_that_was_checked_is_the_one_connected_to(site: Site) -> None:
    answers = [["127.0.0.1"], ["127.0.0.2"]]
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return answers[len(asked) - 1]

    site.answers["/"] = page("hello")
    fetcher = PublicFetcher(allow=("127.0.0.1/32",), resolve=rebinding)
    assert (await fetch(f"http://a.test:{site.port}/", fetcher)).text == "hello"
    assert asked == ["a.test"]
    assert site.requests[0]["host"] == f"a.test:{site.port}"


@pytest.mark.parametrize("addresses", [("127.0.0.9", "127.0.0.1"), ("127.0.0.1", "127.0.0.9")], ids=["last", "first"])
async def test_the_next_address_is_tried_when_one_takes_no_connection(site: Site, addresses: Sequence[str]) -> None:
    site.answers["/"] = page("hello")
    fetcher = PublicFetcher(allow=LOOPBACK, resolve=names(a_test=addresses))
    assert (await fetch(f"http://a.test:{site.port}/", fetcher)).text == "hello"


async def test_redirects_are_followed_and_cookies_stay_within_the_fetch(site: Site) -> None:
    site.answers["/"] = page("", "", "location: /b", "set-cookie: a=1", status="301 Moved")
    site.answers["/b"] = page("hello")
    fetcher = PublicFetcher(allow=LOOPBACK)
    assert (await fetch(site.url(), fetcher)).url == site.url("/b")
    await fetch(site.url("/b"), fetcher)
    assert ["cookie" in request for request in site.requests] == [False, True, False]


@pytest.mark.parametrize(
    ("target", "told"),
    [
        pytest.param("http://10.0.0.1/", "not on the public internet", id="private"),
        pytest.param("http://169.254.169.254/latest/meta-data", "not on the public internet", id="metadata"),
        pytest.param("file:///etc/passwd", "only absolute http:// and https://", id="file"),
        pytest.param("http://ada:pw@127.0.0.1/", "user name or password", id="password"),
        pytest.param("http://[/", "is no URL", id="broken"),
    ],
)
async def test_a_redirect_is_checked_as_the_first_address_was(site: Site, target: str, told: str) -> None:
    site.answers["/"] = redirect(target)
    with pytest.raises(ToolError, match=told):
        await fetch(site.url())


async def test_endless_redirects_are_given_up(site: Site) -> None:
    site.answers["/"] = redirect("/")
    with pytest.raises(ToolError, match="More than 5 redirects"):
        await fetch(site.url())
    assert len(site.requests) == 6


async def test_tls_vouches_for_the_name_not_the_address() -> None:
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("good.test").configure_cert(server)
    authority.configure_trust(client)
    resolve = names(good_test=("127.0.0.1",), bad_test=("127.0.0.1",))
    fetcher = PublicFetcher(allow=LOOPBACK, resolve=resolve, verify=client)
    async with serving(server) as site:
        site.answers["/"] = page("hello")
        assert (await fetch(f"https://good.test:{site.port}/", fetcher)).text == "hello"
        with pytest.raises(ToolError, match="no valid certificate") as raised:
            await fetch(f"https://bad.test:{site.port}/", fetcher)
    assert not isinstance(raised.value, ToolUnavailable)


async def test_a_name_that_doesnt_exist_is_told() -> None:
    with pytest.raises(ToolError, match=r"no host 'nowhere\.invalid'|can't be resolved"):
        await fetch("http://nowhere.invalid/", PublicFetcher())
