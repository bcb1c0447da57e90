"""Server-side request forgery: no URL, name or redirect leads to an address that isn't public."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import closing

import httpx2
import pytest

from agentkit.errors import ToolError, ToolUnavailable
from agentkit.web import PublicFetcher
from agentkit.web.system_resolver import SystemResolver
from tests.unit.agentkit.web.scripted_site import ScriptedSite, page, redirect

CERTIFICATES = httpx2.create_ssl_context(trust_env=False)
"""Loaded once: that takes longer than all the rest."""

PRIVATE_HOSTS = (
    # Notations of 127.0.0.2
    "127.0.0.2",
    "127.2",
    "127.0.2",
    "2130706434",
    "017700000002",
    "0x7f000002",
    "0x7F.2",
    "0177.0.0.02",
    "00000177.0x0.0.2",
    "127.0.0.2.",
    "127。0。0。2",
    "\uff11\uff12\uff17.0.0.2",
    "①②⑦.⓪.⓪.②",
    "%31%32%37.0.0.2",
    "[::ffff:127.0.0.2]",
    "[::ffff:7f00:2]",
    "[0:0:0:0:0:ffff:127.0.0.2]",
    "[::127.0.0.2]",
    "[::ffff:0:127.0.0.2]",
    "[64:ff9b::127.0.0.2]",
    "[64:ff9b:1::7f00:2]",
    "[2002:7f00:2::]",
    "[2001:0:7f00:2::80ff:fffd]",
    # This host
    "0",
    "0.0.0.0",
    "0x0",
    "[::]",
    "[::1]",
    "[0000:0000:0000:0000:0000:0000:0000:0001]",
    "[::1%25lo]",
    # Private, link-local, shared and reserved networks
    "10.0.0.1",
    "167772161",
    "172.16.0.1",
    "192.168.1.1",
    "0xc0a80101",
    "100.64.0.1",
    "198.18.0.1",
    "169.254.1.1",
    "224.0.0.1",
    "255.255.255.255",
    "[fe80::1]",
    "[fe80::1%25lo]",
    "[fc00::1]",
    "[fec0::1]",
    "[ff02::1]",
    # Metadata of clouds
    "169.254.169.254",
    "2852039166",
    "0xa9.0xfe.0xa9.0xfe",
    "0251.0376.0251.0376",
    "[::ffff:169.254.169.254]",
    "[64:ff9b::a9fe:a9fe]",
    "[fd00:ec2::254]",
    "169.254.170.2",
    "100.100.100.200",
    "192.0.0.192",
    "168.63.129.16",
    "metadata.google.internal",
    # Names with such an address
    "loopback.test",
    "LOOPBACK.test",
    "mapped.test",
    "six.test",
    "mixed.test",
)
NAMES = {
    "metadata.google.internal": ("169.254.169.254",),
    "loopback.test": ("127.0.0.2",),
    "mapped.test": ("::ffff:127.0.0.2",),
    "six.test": ("::1",),
    "mixed.test": ("1.1.1.1", "127.0.0.2"),
    "elsewhere.test": ("192.0.2.1",),
}
"""What the name server says. ``elsewhere.test`` stands for a public site: it must not be reached either."""

DISGUISED_TARGETS = (
    # Who is the host?
    "http://elsewhere.test@127.0.0.2:{port}/",
    "http://elsewhere.test:80@127.0.0.2:{port}/",
    "http://127.0.0.2:{port}@elsewhere.test/",
    "http://elsewhere.test\\@127.0.0.2:{port}/",
    "http://127.0.0.2:{port}\\@elsewhere.test/",
    "http://elsewhere.test#@127.0.0.2:{port}/",
    "http://elsewhere.test?@127.0.0.2:{port}/",
    "http://127.0.0.2:{port}#elsewhere.test",
    "http://127.0.0.2:{port}%2f@elsewhere.test/",
    "http://elsewhere.test%00@127.0.0.2:{port}/",
    "http://127.0.0.2%00.elsewhere.test:{port}/",
    "http://@127.0.0.2:{port}/",
    "http://[::ffff:127.0.0.2]elsewhere.test:{port}/",
    "http://127.0.0.2:{port}:80/",
    "http://127.0.0.2:0{port}/",
    "http://127.0.0.2:-{port}/",
    "http://127.0.0.2:65536/",
    # Is it a URL, and of which scheme?
    "HTTP://127.0.0.2:{port}/",
    "hTtP:\\\\127.0.0.2:{port}\\",
    "\thttp://127.0.0.2:{port}/\n",
    "ht\ntp://127.0.0.2:{port}/",
    "http://127.0\t.0.2:{port}/",
    "http://127.0.0.2:{port}/\r\nHost: elsewhere.test",
    "http:127.0.0.2:{port}",
    "http:/127.0.0.2:{port}/",
    "http:///127.0.0.2:{port}/",
    "//127.0.0.2:{port}/",
    "\\\\127.0.0.2:{port}\\",
    "ws://127.0.0.2:{port}/",
    "ftp://127.0.0.2:{port}/",
    "gopher://127.0.0.2:{port}/_GET%20/",
    "dict://127.0.0.2:{port}/",
    "ldap://127.0.0.2:{port}/",
    "http+unix://%2ftmp%2fsocket/",
    "unix:/var/run/docker.sock",
    "file://127.0.0.2/etc/passwd",
    "data:text/plain,secret",
    "jar:http://127.0.0.2:{port}/!/",
    "view-source:http://127.0.0.2:{port}/",
)


async def resolve(host: str, port: int) -> Sequence[str]:
    """Return the addresses of ``NAMES``, and of numbers in any notation; no name server is asked."""
    if (addresses := NAMES.get(host.lower())) is not None:
        return addresses
    if any(letter in "ghijklmnopqrstuvwyz" for letter in host):
        raise ToolError(f"There is no host {host!r}.")
    return await SystemResolver()(host, port)


@pytest.fixture
async def private() -> AsyncIterator[ScriptedSite]:
    """A site on all loopback addresses, which nothing may reach."""
    site = ScriptedSite()
    dual = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if dual else socket.AF_INET
    with closing(socket.create_server(("", 0), family=family, dualstack_ipv6=dual)) as listener:
        site.port = listener.getsockname()[1]
        site.responses["/"] = page("secret")
        async with await asyncio.start_server(site.serve, sock=listener):
            yield site


async def refusal(url: str, *, allow: Sequence[str] = ()) -> str:
    """Return why ``url`` was refused. A connection that was attempted is no refusal."""
    with pytest.raises(ToolError) as raised:
        await PublicFetcher(allow=allow, resolve=resolve, verify=CERTIFICATES).fetch(url, max_bytes=1_000, timeout_s=10)
    assert not isinstance(raised.value, ToolUnavailable), raised.value
    assert "longer than" not in str(raised.value)
    return str(raised.value)


async def test_the_private_site_can_be_reached_if_that_is_allowed(private: ScriptedSite) -> None:
    fetcher = PublicFetcher(allow=("127.0.0.0/8",), resolve=resolve, verify=CERTIFICATES)
    assert (await fetcher.fetch(private.url(), max_bytes=1_000, timeout_s=10)).text == "secret"


@pytest.mark.parametrize("host", PRIVATE_HOSTS)
async def test_no_notation_or_name_of_a_private_address_is_fetched(private: ScriptedSite, host: str) -> None:
    for url in (f"http://{host}:{private.port}/", f"https://{host}:{private.port}/", f"http://{host}/"):
        assert await refusal(url)
    assert private.requests == []


@pytest.mark.parametrize("host", PRIVATE_HOSTS)
async def test_no_redirect_to_a_private_address_is_followed(
    private: ScriptedSite, site: ScriptedSite, host: str
) -> None:
    site.responses["/scheme"] = redirect(f"http://{host}:{private.port}/")
    site.responses["/relative"] = redirect(f"//{host}:{private.port}/")
    fetcher = PublicFetcher(allow=("127.0.0.1/32",), resolve=resolve, verify=CERTIFICATES)
    for path in ("/scheme", "/relative"):
        try:
            result = await fetcher.fetch(site.url(path), max_bytes=1_000, timeout_s=10)
        except ToolUnavailable:  # a connection was attempted
            raise
        except ToolError:
            continue
        assert (result.status, result.text) == (302, "")  # the target was no URL: the redirect itself is the result
    assert private.requests == []


@pytest.mark.parametrize("target", DISGUISED_TARGETS)
async def test_no_disguise_of_a_url_is_fetched(private: ScriptedSite, target: str) -> None:
    assert await refusal(target.format(port=private.port))
    assert private.requests == []


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
@pytest.mark.parametrize("target", ["http://127.0.0.2:{port}/", "/\\127.0.0.2:{port}/", "\\\\127.0.0.2:{port}/"])
async def test_no_kind_of_redirect_leads_to_a_private_address(
    private: ScriptedSite, site: ScriptedSite, status: str, target: str
) -> None:
    location = f"location: {target.format(port=private.port)}"
    site.responses["/"] = page("", "", location, f"refresh: 0; url=http://127.0.0.2:{private.port}/", status=status)
    fetcher = PublicFetcher(allow=("127.0.0.1/32",), resolve=resolve, verify=CERTIFICATES)
    try:
        result = await fetcher.fetch(site.url(), max_bytes=1_000, timeout_s=10)
    except ToolUnavailable:
        raise
    except ToolError:
        pass
    else:  # the target was a path of the same site
        assert (result.status, result.text) == (404, "nothing here")
    assert private.requests == []


async def test_a_name_whose_address_becomes_private_during_redirects_is_refused(
    private: ScriptedSite, site: ScriptedSite
) -> None:
    addresses = iter((["127.0.0.1"], ["127.0.0.2"]))

    async def rebinding(host: str, port: int) -> Sequence[str]:
        return next(addresses)

    site.responses["/"] = redirect(f"http://rebound.test:{private.port}/")
    fetcher = PublicFetcher(allow=("127.0.0.1/32",), resolve=rebinding, verify=CERTIFICATES)
    with pytest.raises(ToolError, match=r"not on the public internet \(127\.0\.0\.2\)"):
        await fetcher.fetch(f"http://rebound.test:{site.port}/", max_bytes=1_000, timeout_s=10)
    assert (len(site.requests), private.requests) == (1, [])
