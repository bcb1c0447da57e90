"""The address of the Gemini API, with its version."""

from __future__ import annotations

import re

__all__ = ["GOOGLE_URL", "google_api_url"]

GOOGLE_URL = "https://generativelanguage.googleapis.com"
_API_VERSION = "v1beta"
"""It has all of ``v1``, and many other servers have only this one."""
_VERSION_SUFFIX = re.compile(r"/v\d\w*$")


def google_api_url(base_url: str | None) -> str:
    """Return the API's URL; a version at the end of ``base_url`` is kept, and None is Google's own address."""
    address = (base_url or GOOGLE_URL).rstrip("/")
    return address if _VERSION_SUFFIX.search(address) else f"{address}/{_API_VERSION}"
