"""Settings that are IP addresses and networks."""

from __future__ import annotations

from ipaddress import ip_interface, ip_network
from typing import Annotated

from pydantic import BeforeValidator
from pydantic_settings import NoDecode

__all__ = ["Networks"]


def _check_networks(value: object) -> object:
    """Return the texts of a list, or of one text with commas; raise ValueError for what is no address or network."""
    networks = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
    for network in networks if isinstance(networks, list | tuple) else ():
        _check_network(str(network))
    return networks


def _check_network(text: str) -> None:
    try:
        ip_network(text)
    except ValueError:
        raise ValueError(
            f"expected addresses and networks such as 10.0.0.7 or 10.0.0.0/8, not {text}{_correction(text)}"
        ) from None


def _correction(text: str) -> str:
    """Return what may be meant by an address with the length of its network; "" for other texts."""
    try:
        interface = ip_interface(text)
    except ValueError:
        return ""
    return f": write {interface.network} for the network, or {interface.ip} for the address"


Networks = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_check_networks)]
"""IP addresses and networks; separated by commas in the environment. ``10.1.2.3/8`` is refused: it could be either."""
