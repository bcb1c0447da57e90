"""HTTP requests to the public internet, and to an origin that the operator has set."""

from __future__ import annotations

from agentkit.web.address_policy import AddressPolicy
from agentkit.web.one_origin_client import OneOriginClient
from agentkit.web.public_fetcher import PublicFetcher
from agentkit.web.public_http_client import PublicHttpClient

__all__ = ["AddressPolicy", "OneOriginClient", "PublicFetcher", "PublicHttpClient"]
