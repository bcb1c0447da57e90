"""Which version of the protocol a client speaks, by the settings of a server."""

from __future__ import annotations

from mcp import ClientSession
from mcp_types import DiscoverResult
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

from agentkit.mcp.server_problems import unavailable

__all__ = ["ProtocolMissing", "adopt_version", "client_mode", "is_older"]


class ProtocolMissing(Exception):
    """The server doesn't speak the version of the protocol that the settings ask for."""


def client_mode(server: str, protocol: str) -> str:
    """Return the SDK's mode for a value of ``McpOptions.protocol``.

    Raises:
        McpServerUnavailable: the SDK doesn't know the version.
    """
    if protocol in ("auto", "legacy", *MODERN_PROTOCOL_VERSIONS):
        return protocol
    if protocol in HANDSHAKE_PROTOCOL_VERSIONS:
        return "legacy"
    known = ", ".join((*HANDSHAKE_PROTOCOL_VERSIONS, *MODERN_PROTOCOL_VERSIONS))
    cause = f"protocol {protocol} is not supported; one of {known} is"
    raise unavailable(server, "connect", "wrong_protocol", cause)


def is_older(version: str) -> bool:
    """Return whether a version has sessions, in which the server sends requests of its own."""
    return version in HANDSHAKE_PROTOCOL_VERSIONS


async def adopt_version(session: ClientSession, version: str) -> None:
    """Ask the server what it has, in this version of the protocol: a client with a fixed version doesn't.

    Raises:
        ProtocolMissing: it doesn't speak the version.
    """
    discovered = DiscoverResult.model_validate(await session.send_discover(version))
    if version not in discovered.supported_versions:
        raise ProtocolMissing(f"the server speaks {', '.join(discovered.supported_versions)}, not {version}")
    session.adopt(discovered)
