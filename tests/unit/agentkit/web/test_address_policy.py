from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.web.address_policy import AddressPolicy


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "172.32.0.1", "192.169.0.1", "2606:4700::1111", "2a00::1"]
)
def test_public_addresses_are_permitted(address: str) -> None:
    assert AddressPolicy().permits(address)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "0.1.2.3",
        "10.1.2.3",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.0.1",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_all_others_are_refused(address: str) -> None:
    assert not AddressPolicy().permits(address)


@pytest.mark.parametrize("address", ["", "localhost", "127.1", "0x7f.1", "2130706433", "1.1.1.1:80"])
def test_what_is_no_numeric_address_is_refused(address: str) -> None:
    assert not AddressPolicy().permits(address)


def test_a_network_can_be_allowed_and_only_that() -> None:
    policy = AddressPolicy(("10.0.0.0/8", "::1/128"))
    assert [policy.permits(address) for address in ("10.1.1.1", "::1", "192.168.1.1", "1.1.1.1")] == [
        True, True, False, True,
    ]  # fmt: skip


@given(st.ip_addresses(v=4))
def test_no_wrapping_of_an_ipv4_address_is_permitted(address: IPv4Address) -> None:
    number = int(address)
    wrapped = (number, 0xFFFF << 32 | number, 0x64FF9B << 96 | number, 0x2002 << 112 | number << 80)
    assert not any(AddressPolicy().permits(str(IPv6Address(value))) for value in wrapped)


@given(st.ip_addresses())
def test_nothing_is_permitted_that_python_calls_private(address: IPv4Address | IPv6Address) -> None:
    private = address.is_private or address.is_multicast or address.is_reserved or address.is_unspecified
    assert not (private and AddressPolicy().permits(str(address)))
