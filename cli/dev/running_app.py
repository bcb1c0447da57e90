"""The app whose API listens at an address."""

from __future__ import annotations

import asyncio

from agentkit.client import ClientError, OpspawnClient, SystemInfo
from agentkit.errors import ConfigurationInvalid

__all__ = ["app_at"]

_TIMEOUT_S = 2.0


async def app_at(url: str, api_key: str | None = None) -> SystemInfo | None:
    """Return what Opspawn's API at ``url`` serves; None if there is none, or it doesn't accept the key."""
    try:
        async with asyncio.timeout(_TIMEOUT_S), OpspawnClient(url, api_key=api_key) as client:
            return await client.system()
    except (ClientError, ConfigurationInvalid, TimeoutError):
        return None
