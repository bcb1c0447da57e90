"""HTTP requests to the public internet."""

from __future__ import annotations

from agentkit.web.address_policy import AddressPolicy
from agentkit.web.public_fetcher import PublicFetcher
from agentkit.web.public_http_client import PublicHttpClient

__all__ = ["AddressPolicy", "PublicFetcher", "PublicHttpClient"]
