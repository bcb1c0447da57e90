"""The address of the client of a request, also behind proxies."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import unquote

__all__ = ["UNKNOWN_ADDRESS", "TrustedProxies", "client_key", "grpc_peer", "with_mapped_networks"]

UNKNOWN_ADDRESS = "unknown"
"""Of clients without an IP address, such as those of a Unix socket, and where a proxy has sent none."""

_MAPPED_PREFIX = 96
"""Bits of ``::ffff:0:0``, under which a socket for both versions of IP shows IPv4 addresses (RFC 4291)."""

_CLIENT_PREFIX = 64
"""Bits of an IPv6 address that are the same for all addresses of a client."""


class TrustedProxies:
    """The proxies whose ``X-Forwarded-For`` is believed, as Uvicorn does for HTTP."""

    def __init__(self, proxies: Sequence[str]) -> None:
        """Believe proxies with these addresses, or in these networks."""
        self._networks = [ip_network(proxy) for proxy in with_mapped_networks(proxies)]

    def client(self, peer: str, forwarded: Sequence[str]) -> str:
        """Return the last address that no trusted proxy has; the first one where all are of trusted proxies.

        Args:
            peer: the address that the connection comes from.
            forwarded: the values of ``X-Forwarded-For``, in order.
        """
        hops = [hop.strip() for value in forwarded for hop in value.split(",")]
        if not hops or not self._has(peer):
            return peer
        return next((hop for hop in reversed(hops) if not self._has(hop)), hops[0]) or peer

    def _has(self, text: str) -> bool:
        address = _parsed(text)
        return address is not None and any(address in network for network in self._networks)


def with_mapped_networks(proxies: Sequence[str]) -> list[str]:
    """Return these addresses and networks, those of IPv4 as IPv4-mapped IPv6 (``::ffff:10.0.0.0/104``), too."""
    return [str(form) for proxy in proxies for form in _forms(ip_network(proxy))]


def _forms(network: IPv4Network | IPv6Network) -> list[IPv4Network | IPv6Network]:
    if isinstance(network, IPv4Network):
        mapped = IPv6Address(f"::ffff:{network.network_address}")
        return [network, IPv6Network((mapped, network.prefixlen + _MAPPED_PREFIX))]
    unmapped = network.network_address.ipv4_mapped
    if unmapped is None or network.prefixlen < _MAPPED_PREFIX:
        return [network]
    return [network, IPv4Network((unmapped, network.prefixlen - _MAPPED_PREFIX))]


def client_key(text: str) -> str:
    """Return what stands for the client at an address: the address itself, or an IPv6 address's first 64 bits."""
    match _parsed(text):
        case None:
            return UNKNOWN_ADDRESS
        case IPv6Address(ipv4_mapped=IPv4Address() as address):
            return str(address)
        case IPv6Address() as address:
            return str(IPv6Network((int(address), _CLIENT_PREFIX), strict=False))
        case address:
            return str(address)


def grpc_peer(peer: str) -> str:
    """Return the address of a gRPC peer such as ``ipv4:127.0.0.1:5000`` or ``ipv6:%5B::1%5D:5000``."""
    _, _, address = unquote(peer).partition(":")
    return address.rpartition(":")[0].strip("[]")


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """Return an address, which may have a port; None: it is none."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return ip_address(text)
    except ValueError:
        return None
