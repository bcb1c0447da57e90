"""Requests to one origin that the operator has set, also a private one, and to no other."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from agentkit.errors import ToolError, ToolInterrupted, ToolUnavailable
from agentkit.interfaces import HttpReply, HttpRequest
from agentkit.web import OneOriginClient
from tests.unit.agentkit.web.scripted_site import ScriptedSite, page, redirect, serve_site, static_resolver


async def post(site: ScriptedSite, path: str = "/hook?token=t0ken", timeout_s: float = 10) -> HttpReply:
    request = HttpRequest("POST", site.url(path), {"X-One": "1"}, body=b"text")
    return await OneOriginClient(site.url("/hook")).send(request, max_bytes=0, timeout_s=timeout_s)


async def test_a_request_reaches_a_private_address(site: ScriptedSite) -> None:
    site.responses["/hook?token=t0ken"] = page("a body that nobody reads", "etag: x", status="201 Created")
    reply = await post(site)
    [request] = site.requests
    assert (request[":method"], request[":body"], request["x-one"]) == ("POST", "text", "1")
    assert (reply.status, reply.headers["etag"], reply.text) == (201, "x", None)


async def test_a_body_without_an_end_is_not_waited_for(site: ScriptedSite) -> None:
    test_ended = asyncio.Event()

    async def begin(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nthe first bytes")
        await writer.drain()
        await test_ended.wait()

    site.responses["/hook?token=t0ken"] = begin
    assert (await post(site)).status == 200
    test_ended.set()


async def test_a_redirect_is_a_response(site: ScriptedSite) -> None:
    site.responses["/hook?token=t0ken"] = redirect("/elsewhere")
    assert (await post(site)).status == 302
    assert [request["path"] for request in site.requests] == ["/hook?token=t0ken"]


async def test_other_origins_are_refused_before_anything_is_sent(site: ScriptedSite) -> None:
    async with serve_site() as other:
        client = OneOriginClient(site.url("/hook"))
        for url in (other.url(), site.url().replace("127.0.0.1", "localhost"), site.url().replace("http", "https")):
            with pytest.raises(ToolError, match=f"sent to http://127.0.0.1:{site.port} only"):
                await client.send(HttpRequest("POST", url), max_bytes=0, timeout_s=10)
    assert site.requests == other.requests == []


async def test_a_name_is_resolved_for_each_request(site: ScriptedSite) -> None:
    client = OneOriginClient(f"http://chat.internal:{site.port}/", resolve=static_resolver(chat_internal=["127.0.0.1"]))
    request = HttpRequest("POST", f"http://chat.internal:{site.port}/")
    assert (await client.send(request, max_bytes=0, timeout_s=10)).status == 404
    assert site.requests[0]["host"] == f"chat.internal:{site.port}"


async def test_failures_name_the_origin_and_never_the_rest_of_the_url(site: ScriptedSite) -> None:
    test_ended = asyncio.Event()

    async def hang(writer: asyncio.StreamWriter) -> None:
        await test_ended.wait()

    async def reset(writer: asyncio.StreamWriter) -> None:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    origin = f"http://127.0.0.1:{site.port}"
    site.responses |= {"/hook?token=t0ken": hang, "/reset?token=t0ken": reset, "/odd?token=t0ken": b"SMTP\r\n\r\n"}
    with pytest.raises(ToolInterrupted, match=rf"^{origin} took longer than 0\.2 s\.$"):
        await post(site, timeout_s=0.2)
    for path in ("/reset?token=t0ken", "/odd?token=t0ken"):
        with pytest.raises(ToolInterrupted, match=f"The connection to {origin} broke off") as interrupted:
            await post(site, path)
        assert "t0ken" not in str(interrupted.value)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = ScriptedSite(port=closed.getsockname()[1])
        with pytest.raises(ToolUnavailable, match=f"^No connection to http://127.0.0.1:{nobody.port}: ") as unsent:
            await post(nobody)
    assert "t0ken" not in str(unsent.value)
    test_ended.set()


async def test_a_header_that_can_not_be_sent_is_the_error_of_the_caller(site: ScriptedSite) -> None:
    request = HttpRequest("POST", site.url("/hook"), {"x": "a\nb"})
    with pytest.raises(ToolError, match="is wrong"):
        await OneOriginClient(site.url()).send(request, max_bytes=0, timeout_s=10)


@pytest.mark.parametrize("url", ["ftp://a", "no url", "http://", "http://user:password@a"])
def test_what_is_no_url_is_refused_at_once(url: str) -> None:
    with pytest.raises(ToolError):
        OneOriginClient(url)
