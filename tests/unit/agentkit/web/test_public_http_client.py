"""Any HTTP request to public addresses; secrets stay at the origin that they are for."""

from __future__ import annotations

import asyncio

import pytest

from agentkit.errors import ToolError, ToolInterrupted, ToolUnavailable
from agentkit.interfaces import HttpReply, HttpRequest
from agentkit.web import PublicHttpClient
from tests.unit.agentkit.web.scripted_site import LOOPBACK, ScriptedSite, page, redirect, serve_site

KEY = {"Authorization": "Bearer 0123456789"}


async def send(request: HttpRequest, max_bytes: int = 10_000, timeout_s: float = 10) -> HttpReply:
    return await PublicHttpClient(allow=LOOPBACK).send(request, max_bytes=max_bytes, timeout_s=timeout_s)


async def test_method_headers_body_and_secrets_are_sent(site: ScriptedSite) -> None:
    site.responses["/a?b=1&key=k%2F1"] = page(
        '{"ok":1}', "content-type: application/json", "etag: x", status="201 Created"
    )
    reply = await send(
        HttpRequest("PUT", site.url("/a?b=1"), {"X-One": "1"}, KEY, secret_query={"key": "k/1"}, body=b"text")
    )
    [request] = site.requests
    assert (request[":method"], request[":body"], request["x-one"]) == ("PUT", "text", "1")
    assert request["authorization"] == KEY["Authorization"]
    assert (reply.status, reply.text, reply.media_type, reply.headers["etag"]) == (
        201,
        '{"ok":1}',
        "application/json",
        "x",
    )
    assert reply.url == site.url("/a?b=1"), "without the secret"


async def test_a_redirect_to_another_origin_drops_secrets_and_keys(site: ScriptedSite) -> None:
    async with serve_site() as other:
        site.responses |= {"/same?key=k": redirect("/next"), "/next": redirect(other.url("/end"))}
        other.responses["/end"] = page("the end")
        reply = await send(
            HttpRequest("GET", site.url("/same"), {"X-One": "1", "Cookie": "c"}, KEY, secret_query={"key": "k"})
        )
        assert reply.text == "the end"
        first, second = site.requests
        assert first["authorization"] == second["authorization"] == KEY["Authorization"]
        [last] = other.requests
        assert last["x-one"] == "1"
        assert not {"authorization", "cookie"} & set(last)
        assert last["path"] == "/end"


async def test_after_a_302_a_post_becomes_a_get_without_body_and_after_a_307_it_is_repeated(site: ScriptedSite) -> None:
    site.responses |= {
        "/post": redirect("/end"),
        "/again": page("", "", "location: /end", status="307 Temporary Redirect"),
        "/end": page("end"),
    }
    await send(HttpRequest("POST", site.url("/post"), {"Content-Type": "text/plain"}, body=b"text"))
    await send(HttpRequest("POST", site.url("/again"), {"Content-Type": "text/plain"}, body=b"text"))
    posted = ("POST", "text", "text/plain")
    sent = [(request[":method"], request[":body"], request.get("content-type")) for request in site.requests]
    assert sent == [posted, ("GET", "", None), posted, posted]


async def test_private_addresses_are_refused_before_anything_is_sent(site: ScriptedSite) -> None:
    with pytest.raises(ToolError, match="not on the public internet"):
        await PublicHttpClient().send(HttpRequest("POST", site.url()), max_bytes=1, timeout_s=10)
    assert site.requests == []


async def test_a_request_that_was_not_sent_is_told_from_one_whose_outcome_is_unknown(site: ScriptedSite) -> None:
    async def close(writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def hang(writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    broken = page(b"no gzip", "content-type: text/plain", "content-encoding: gzip")
    site.responses |= {"/close": close, "/hang": hang, "/broken": broken}
    async with serve_site() as gone:
        unused = gone.url()
    with pytest.raises(ToolUnavailable, match="No connection"):
        await send(HttpRequest("POST", unused))
    with pytest.raises(ToolInterrupted, match="broke off"):
        await send(HttpRequest("POST", site.url("/close")))
    with pytest.raises(ToolInterrupted, match="can't be read"):
        await send(HttpRequest("POST", site.url("/broken")))
    with pytest.raises(ToolInterrupted, match=r"longer than 0\.2 s"):
        await send(HttpRequest("POST", site.url("/hang")), timeout_s=0.2)


@pytest.mark.parametrize("target", ["http://10.0.0.1/", "ftp://127.0.0.1/", "/again", None], ids=str)
async def test_a_post_whose_redirect_asks_for_a_get_that_fails_may_have_been_carried_out(
    site: ScriptedSite, target: str | None
) -> None:
    async with serve_site() as gone:
        unused = gone.url()
    site.responses |= {"/post": redirect(target or unused), "/again": redirect("/again")}
    with pytest.raises(ToolInterrupted, match="may have carried out the request"):
        await send(HttpRequest("POST", site.url("/post"), body=b"text"))
    site.responses["/post"] = page("", "", f"location: {unused}", status="307 Temporary Redirect")
    with pytest.raises(ToolUnavailable, match="No connection"):
        await send(HttpRequest("POST", site.url("/post"), body=b"text"))


async def test_a_long_body_is_cut_and_one_that_is_no_text_is_left_out(site: ScriptedSite) -> None:
    site.responses |= {"/long": page("x" * 5_000), "/image": page(b"\0\1", "content-type: image/png")}
    long = await send(HttpRequest("GET", site.url("/long")), max_bytes=100)
    assert (long.text, long.size, long.truncated) == ("x" * 100, 100, True)
    image = await send(HttpRequest("GET", site.url("/image")))
    assert (image.text, image.size) == (None, 2)
