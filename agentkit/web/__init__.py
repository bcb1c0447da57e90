"""The web, as far as tools may reach it."""

from __future__ import annotations

from agentkit.web.addresses import AddressPolicy
from agentkit.web.fetcher import PublicFetcher

__all__ = ["AddressPolicy", "PublicFetcher"]
