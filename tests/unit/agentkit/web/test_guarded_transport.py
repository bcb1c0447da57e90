from __future__ import annotations

import ssl
from collections.abc import Sequence

import httpx2
import pytest
import trustme

from agentkit.errors import ToolError
from agentkit.web.address_policy import AddressPolicy
from agentkit.web.guarded_transport import GuardedTransport, Resolve
from tests.unit.agentkit.web.scripted_site import LOOPBACK, ScriptedSite, page, serve_site, static_resolver


async def get(
    url: str, resolver: Resolve, *, allow: Sequence[str] = LOOPBACK, verify: ssl.SSLContext | bool = True
) -> str:
    transport = GuardedTransport(AddressPolicy(allow), resolve=resolver, verify=verify)
    async with httpx2.AsyncClient(transport=transport) as client:
        return (await client.get(url)).text


async def test_one_private_address_among_public_ones_is_refused_before_a_connection(site: ScriptedSite) -> None:
    resolver = static_resolver(a_test=("1.1.1.1", "127.0.0.1"))
    with pytest.raises(ToolError, match=r"'a\.test' is not on the public internet \(127\.0\.0\.1\)"):
        await get(f"http://a.test:{site.port}/", resolver, allow=())
    assert site.requests == []


async def test_a_host_without_addresses_is_refused() -> None:
    with pytest.raises(ToolError, match="no address"):
        await get("http://a.test/", static_resolver(a_test=()))


async def test_it_connects_to_the_address_that_it_checked_and_resolves_once(site: ScriptedSite) -> None:
    addresses = [["127.0.0.1"], ["127.0.0.2"]]
    resolved: list[str] = []

    async def rebinding(host: str, port: int) -> Sequence[str]:
        resolved.append(host)
        return addresses[len(resolved) - 1]

    site.responses["/"] = page("hello")
    assert await get(f"http://a.test:{site.port}/", rebinding, allow=("127.0.0.1/32",)) == "hello"
    assert resolved == ["a.test"]
    assert site.requests[0]["host"] == f"a.test:{site.port}"


@pytest.mark.parametrize("addresses", [("127.0.0.9", "127.0.0.1"), ("127.0.0.1", "127.0.0.9")], ids=["last", "first"])
async def test_an_address_that_refuses_the_connection_is_skipped(site: ScriptedSite, addresses: Sequence[str]) -> None:
    site.responses["/"] = page("hello")
    assert await get(f"http://a.test:{site.port}/", static_resolver(a_test=addresses)) == "hello"


async def test_the_certificate_is_verified_for_the_name_and_not_the_address() -> None:
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("good.test").configure_cert(server)
    authority.configure_trust(client)
    resolver = static_resolver(good_test=("127.0.0.1",), bad_test=("127.0.0.1",))
    async with serve_site(server) as site:
        site.responses["/"] = page("hello")
        assert await get(f"https://good.test:{site.port}/", resolver, verify=client) == "hello"
        with pytest.raises(httpx2.ConnectError, match="certificate verify failed"):
            await get(f"https://bad.test:{site.port}/", resolver, verify=client)
