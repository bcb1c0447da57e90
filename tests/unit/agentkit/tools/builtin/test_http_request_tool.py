"""``http_request`` sends what the model asks for, and secrets only where their settings allow."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import JsonValue

from agentkit.config.secret_sources import SecretSource
from agentkit.errors import SecretMissing, ToolArgumentsInvalid, ToolError
from agentkit.interfaces import NoSecrets, Secrets, ToolContext
from agentkit.secrets import SecretStore
from agentkit.tools.builtin.http_request_tool import http_request_tool
from agentkit.web import PublicHttpClient
from tests.unit.agentkit.web.scripted_site import LOOPBACK, ScriptedSite, page, redirect, serve_site

CONTEXT = ToolContext(task_id="t", call_id="c", idempotency_key="t/c", step=1)


@pytest.fixture
async def site() -> AsyncIterator[ScriptedSite]:
    async with serve_site() as started:
        yield started


def secrets_for(*hosts: str) -> Secrets:
    source = SecretSource(env="TOKEN", hosts=hosts)
    return SecretStore({"github": source}, Path(), {"TOKEN": "0123456789"})


async def request(secrets: Secrets | None = None, **arguments: JsonValue) -> object:
    tool = http_request_tool(PublicHttpClient(allow=LOOPBACK), secrets or NoSecrets())
    return await tool.call(arguments, CONTEXT)


async def test_json_is_sent_with_the_idempotency_key_and_the_response_is_text(site: ScriptedSite) -> None:
    site.responses["/orders"] = page(
        '{"id": 7}', "content-type: application/json", "location: /orders/7", status="201 Created"
    )
    result = await request(method="POST", url=site.url("/orders"), json_body={"article": "A-1"})
    assert result == (
        f'[201 Created, application/json, 9 bytes, {site.url("/orders")}]\nlocation: /orders/7\n\n{{"id": 7}}'
    )
    [sent] = site.requests
    assert (sent[":body"], sent["content-type"]) == ('{"article": "A-1"}', "application/json")
    assert sent["idempotency-key"] == "t/c"


async def test_an_error_status_is_a_result(site: ScriptedSite) -> None:
    assert "404 Not Found" in str(await request(method="GET", url=site.url("/none")))


async def test_a_secret_is_resolved_in_headers_for_its_hosts(site: ScriptedSite) -> None:
    site.responses["/"] = page("ok")
    headers: JsonValue = {"Authorization": "Bearer {secret:github}"}
    await request(secrets_for(f"http://127.0.0.1:{site.port}"), method="GET", url=site.url(), headers=headers)
    assert site.requests[0]["authorization"] == "Bearer 0123456789"
    with pytest.raises(SecretMissing, match=r"not sent to http://127\.0\.0\.1"):
        await request(secrets_for("api.github.com"), method="GET", url=site.url(), headers=headers)
    assert len(site.requests) == 1


async def test_a_secret_does_not_follow_a_redirect_to_another_server(site: ScriptedSite) -> None:
    async with serve_site() as other:
        site.responses["/"] = redirect(other.url("/steal"))
        allowed = secrets_for(f"http://127.0.0.1:{site.port}")
        await request(allowed, method="GET", url=site.url(), headers={"X-Key": "{secret:github}"})
        assert "x-key" in site.requests[0]
        assert "x-key" not in other.requests[0]


@pytest.mark.parametrize(
    "arguments",
    [
        {"url": "http://example.com/?key={secret:github}"},
        {"body": "{secret:github}"},
        {"json_body": {"key": ["{secret:github}"]}},
        {"headers": {"Host": "evil.example"}},
        {"headers": {"X-A": "1\r\nX-B: 2"}},
        {"headers": {"X A": "1"}},
        {"url": "http://127.0.0.1:99999/", "headers": {"X-Key": "{secret:github}"}},
        {"url": "http://[::1/", "headers": {"X-Key": "{secret:github}"}},
        {"body": "a", "json_body": {}},
    ],
)
async def test_what_could_leak_a_secret_or_break_the_request_is_refused(
    arguments: dict[str, JsonValue], site: ScriptedSite
) -> None:
    allowed = secrets_for(f"http://127.0.0.1:{site.port}")
    with pytest.raises(ToolArgumentsInvalid, match="Nothing was sent"):
        await request(allowed, **{"method": "POST", "url": site.url(), **arguments})
    assert site.requests == []


async def test_without_a_client_the_call_fails() -> None:
    with pytest.raises(ToolError, match="in this process"):
        await http_request_tool(None, NoSecrets()).call({"method": "GET", "url": "http://example.com"}, CONTEXT)
