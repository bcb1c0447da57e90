from __future__ import annotations

import pytest

from api.access.client_address import UNKNOWN_ADDRESS, TrustedProxies, client_key, grpc_peer


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.7:4711", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::9]:443", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::9]", "2001:db8:1:2::/64"),
        ("", UNKNOWN_ADDRESS),
        ("x" * 10_000, UNKNOWN_ADDRESS),
    ],
)
def test_a_client_is_an_ipv4_address_or_a_network_of_ipv6(text: str, expected: str) -> None:
    assert client_key(text) == expected


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("ipv4:127.0.0.1:5000", "127.0.0.1"),
        ("ipv6:%5B::1%5D:5000", "::1"),
        ("ipv6:[2001:db8::1]:5000", "2001:db8::1"),
        ("unix:", ""),
    ],
)
def test_the_address_of_a_grpc_peer(peer: str, expected: str) -> None:
    assert grpc_peer(peer) == expected


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        pytest.param("203.0.113.7", ["198.51.100.1"], "203.0.113.7", id="a client that is no proxy"),
        pytest.param("10.0.0.7", [], "10.0.0.7", id="a proxy that names no client"),
        pytest.param("10.0.0.7", ["198.51.100.1"], "198.51.100.1", id="a trusted proxy"),
        pytest.param("::1", ["192.0.2.9, 198.51.100.1", "10.1.1.1"], "198.51.100.1", id="an invented address"),
        pytest.param("10.0.0.7", ["10.0.0.9, 10.0.0.8"], "10.0.0.9", id="trusted addresses alone"),
    ],
)
def test_only_trusted_proxies_name_the_client(peer: str, forwarded: list[str], expected: str) -> None:
    assert TrustedProxies(["10.0.0.0/8", "::1"]).client(peer, forwarded) == expected
