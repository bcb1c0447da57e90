"""Connect to Temporal with its own environment configuration and our data converter."""

from __future__ import annotations

import asyncio
import logging

from temporalio.client import Client
from temporalio.envconfig import ClientConfigProfile

from activities.settings import Settings
from activities.temporal.data_converter import data_converter

__all__ = ["connect", "connect_when_ready", "temporal_address", "temporal_namespace"]

logger = logging.getLogger("opspawn.temporal")

_CONNECT_RETRY_S = 1.0
"""Time between two attempts to connect."""


def temporal_address(settings: Settings) -> str:
    """Return Temporal's ``host:port``: ``TEMPORAL_ADDRESS`` or the profile file's, else the embedded server's."""
    profile = ClientConfigProfile.load()
    return profile.address or f"127.0.0.1:{settings.temporal_port}"


def temporal_namespace() -> str:
    """Return the namespace: ``TEMPORAL_NAMESPACE`` or the profile file's, else ``default``."""
    return ClientConfigProfile.load().namespace or "default"


async def connect(settings: Settings, *, address: str | None = None, lazy: bool = False) -> Client:
    """Return a client of Temporal at ``address``, else at the configured one.

    A ``lazy`` client connects at its first call, and again after its connection was lost.

    Raises:
        RuntimeError: Temporal doesn't respond (not when lazy).
    """
    config = ClientConfigProfile.load().to_client_connect_config()
    config["target_host"] = address or temporal_address(settings)
    return await Client.connect(**config, data_converter=data_converter(settings), lazy=lazy)


async def connect_when_ready(settings: Settings) -> Client:
    """Return a client as soon as Temporal responds; the first failure is logged."""
    has_warned = False
    while True:
        try:
            return await connect(settings)
        except RuntimeError as error:
            if not has_warned:
                reason = str(error).partition("\n")[0]
                address = temporal_address(settings)
                logger.warning("Temporal at %s doesn't respond; trying again until it does. (%s)", address, reason)
                has_warned = True
            await asyncio.sleep(_CONNECT_RETRY_S)
